//! Who may read by a node's interfaces: what the policies say of `read`, in the newest state.
//!
//! This is no part of execution. Nodes ask it of clients that show a certificate, and no block depends on it.

use std::sync::Arc;

use concordat_governance::action::Scope;
use concordat_permissions::{Action, Deciding};
use concordat_types::{Address, StateReader};

use crate::{
    contracts::Place,
    error::ExecError,
    identity::ClientIdentity,
    overlay::Overlay,
    permissions::{Asker, Deed, Denial, Sender},
    standing::Enrolled,
    validity,
};

/// What somebody wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readable {
    /// Blocks, transactions, what concerns no contract in particular.
    Ledger,
    /// What a contract holds, is and tells.
    Contract(Address),
    /// What contracts tell, without a word of which.
    AllContracts,
}

/// When it is read: in the state before this height, at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// The height of the block to come.
    pub height: u64,
    /// The time of the block before, Unix seconds.
    pub time_secs: u64,
}

/// Why it may not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadRefusal {
    /// A freeze of scope `all` shuts its account out.
    #[error("the account {account} is frozen")]
    Frozen {
        /// The account.
        account: Address,
    },
    /// The policies say no.
    #[error("{0}")]
    Policy(Denial),
    /// The policies might say no to one of them.
    #[error("policy {} bears on reading, so that contracts must be named", .policy.id)]
    Unnamed {
        /// The first that does.
        policy: Deciding,
    },
}

impl ReadRefusal {
    /// The policy that decides, if one does.
    pub const fn policy(&self) -> Option<&Deciding> {
        match self {
            Self::Frozen { .. } => None,
            Self::Policy(denial) => denial.policy.as_ref(),
            Self::Unnamed { policy } => Some(policy),
        }
    }
}

/// Decides whether the holder of a certificate, which the registry accepts, may read something. Whose key has an account
/// is bound as that account's identity: by its freeze, and by policies that name it.
///
/// Without names, contracts are read only while no enacted policy is about reading. To give what the policies permit and
/// leave out the rest would show a picture that looks whole.
///
/// # Errors
/// [`ExecError::State`] where the state cannot be read: no verdict, and never a permit.
pub fn may_read<R: StateReader>(
    reader: R,
    client: &ClientIdentity,
    wanted: Readable,
    at: ReadAt,
) -> Result<Result<(), ReadRefusal>, ExecError> {
    let overlay = &mut Overlay::new(reader);
    let account = client.address.unwrap_or_default();
    let enrolled = match client.address {
        Some(address) => overlay.standing(address)?,
        None => None,
    };
    if enrolled.as_ref().is_some_and(|enrolled| is_shut_out(enrolled, at.height)) {
        return Ok(Err(ReadRefusal::Frozen { account }));
    }
    let identity = enrolled.map_or(account, |enrolled| enrolled.identity);
    let policies = overlay.policies()?;
    if wanted == Readable::AllContracts
        && let Some(policy) = policies.set().enacted_on(Action::Read)
    {
        return Ok(Err(ReadRefusal::Unnamed { policy }));
    }
    let organisation = Arc::new(client.org.clone());
    let sender = Sender { account: identity, organisation, role: client.role };
    let asker = Asker { policies, sender, time_secs: at.time_secs, binds: true, shut: Default::default() };
    let contract = match wanted {
        Readable::Contract(address) => Some(address),
        Readable::Ledger | Readable::AllContracts => None,
    };
    let deed = Deed::direct(Action::Read, contract, None);
    let known = validity::known(overlay, Place { account: identity, height: at.height }, &deed)?;
    Ok(asker.ask(&deed, &known).map_err(ReadRefusal::Policy))
}

/// Whether a freeze or an order bears on reading: of scope `all`, not one that stops business alone.
fn is_shut_out(enrolled: &Enrolled, height: u64) -> bool {
    let binds = |until: u64| until == 0 || height <= until;
    let ordered = enrolled.standing.stops.all.is_some_and(|stop| stop.binds(height));
    ordered
        || enrolled.standing.freeze.is_some_and(|freeze| freeze.scope == Scope::All && binds(freeze.until))
}
