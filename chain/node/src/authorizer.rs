//! Who may connect: the chain's own registry decides, at the tip, by block time or by the clock, whichever
//! is later.
//!
//! Block time alone would stand still on a node that is cut off, and let an expired certificate in.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use concordat_consensus::{AuthorizedNode, PeerAuthorizer};
use concordat_core::{ClientIdentity, ReadAt, Readable, Registry, may_read};
use concordat_rpc::{ClientAuthorizer, ClientRefusal, ReadDenied};
use rustls::pki_types::CertificateDer;

use crate::ledger::Ledger;

/// Decides by the registry at the tip.
pub struct RegistryAuthorizer {
    ledger: Arc<Ledger>,
}

impl RegistryAuthorizer {
    /// An authorizer over a ledger.
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger }
    }

    /// Changes with every change of identities, and every minute, because certificates expire.
    fn generation(&self) -> u64 {
        self.ledger.identity_generation().wrapping_mul(1 << 32).wrapping_add(self.now() / 60)
    }

    /// Unix seconds at which certificates are judged.
    fn now(&self) -> u64 {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        clock.max(u64::try_from(self.ledger.tip().time.unix_timestamp()).unwrap_or(0))
    }

    fn registry(&self) -> Result<Registry<concordat_state::State>, String> {
        self.ledger.store().state().map(Registry::new).map_err(|error| error.to_string())
    }
}

impl PeerAuthorizer for RegistryAuthorizer {
    fn authorize(&self, chain_der: &[&[u8]]) -> Result<AuthorizedNode, String> {
        let identity =
            self.registry()?.authorize_node(chain_der, self.now()).map_err(|error| error.to_string())?;
        Ok(AuthorizedNode {
            org: identity.org,
            role: identity.role,
            common_name: identity.common_name,
            not_after: identity.not_after,
        })
    }

    fn generation(&self) -> u64 {
        Self::generation(self)
    }
}

impl ClientAuthorizer for RegistryAuthorizer {
    fn authorize(&self, chain: &[CertificateDer<'_>]) -> Result<ClientIdentity, ClientRefusal> {
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        let registry = self.registry().map_err(ClientRefusal)?;
        let at = ReadAt { height: self.ledger.tip().next_height(), time_secs: self.now() };
        registry.authorize_client(&chain, at).map_err(|error| ClientRefusal(error.to_string()))
    }

    fn generation(&self) -> u64 {
        Self::generation(self)
    }

    fn may_read(&self, client: &ClientIdentity, wanted: Readable) -> Result<(), ReadDenied> {
        let undecided = |error: &dyn std::fmt::Display| ReadDenied::Undecided(error.to_string());
        let state = self.ledger.store().state().map_err(|error| undecided(&error))?;
        let tip = self.ledger.tip();
        let time_secs = u64::try_from(tip.time.unix_timestamp()).unwrap_or(0);
        let at = ReadAt { height: tip.next_height(), time_secs };
        may_read(state, client, wanted, at).map_err(|error| undecided(&error))??;
        Ok(())
    }

    fn height(&self) -> u64 {
        self.ledger.tip().height
    }
}
