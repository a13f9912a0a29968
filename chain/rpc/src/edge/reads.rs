//! What clients with a certificate may read: the policies' `read`, asked before a call is run and before anything is
//! pushed. Plaintext listeners, which none but the operator reaches, ask nobody.

use actix_web::HttpRequest;
use concordat_core::Readable;
use serde_json::json;

use super::{ClientAuthorizer, Edge, ReadDenied, Service, guard::Refusal, tls::TlsPeer};
use crate::jsonrpc::{Call, RpcError};

impl<S: Service> Edge<S> {
    /// The error of a call that may not read what it would.
    pub fn refuse_reading(&self, request: &HttpRequest, call: &Call) -> Result<(), RpcError> {
        match self.authorizer {
            None => Ok(()),
            Some(_) => self.check_reading(request, &self.service.reads(call)),
        }
    }

    /// Checks that the client may read all of this; nothing, where it is empty.
    pub fn check_reading(&self, request: &HttpRequest, wanted: &[Readable]) -> Result<(), RpcError> {
        let Some(authorizer) = &self.authorizer else { return Ok(()) };
        if wanted.is_empty() {
            return Ok(());
        }
        let judged = request.conn_data::<TlsPeer>().ok_or(Refusal::Certificate);
        let peer = judged.map_err(|refusal| refusal.error())?;
        may_read(authorizer.as_ref(), peer, wanted)
            .inspect_err(|_| self.metrics.observe_refused(S::INTERFACE, "read"))
    }
}

/// Who may read anything may read the ledger.
fn may_read(authorizer: &dyn ClientAuthorizer, peer: &TlsPeer, wanted: &[Readable]) -> Result<(), RpcError> {
    let client = peer.recheck(authorizer).map_err(|_| Refusal::Certificate.error())?;
    peer.reads_ledger(authorizer, &client).map_err(|denied| error(&denied, Readable::Ledger))?;
    let others = wanted.iter().filter(|wanted| **wanted != Readable::Ledger);
    others.into_iter().try_for_each(|wanted| {
        authorizer.may_read(&client, *wanted).map_err(|denied| error(&denied, *wanted))
    })
}

/// What clients are told: the policy and the proposal that enacted it, as receipts tell them.
fn error(denied: &ReadDenied, wanted: Readable) -> RpcError {
    let refusal = match denied {
        ReadDenied::Refused(refusal) => refusal,
        ReadDenied::Undecided(cause) => return RpcError::internal(cause),
    };
    let policy = refusal.policy();
    let contract = match wanted {
        Readable::Contract(address) => Some(address),
        Readable::Ledger | Readable::AllContracts => None,
    };
    let what = contract.map_or("the ledger".to_owned(), |address| format!("contract {address}"));
    RpcError::new(RpcError::READ_REFUSED, format!("{what} may not be read: {refusal}")).with_data(json!({
        "action": "read",
        "contract": contract,
        "policy": policy.map(|policy| policy.id.as_str()),
        "proposal": policy.and_then(|policy| policy.proposal),
    }))
}
