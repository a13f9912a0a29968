//! What transactions and calls ask of the policies, and how refusals are told.

use std::{fmt, sync::Arc};

use alloy_sol_types::SolError as _;
use concordat_permissions::{
    Action, Code, Context, Deciding, Decision, Explanation, Load, Principal, Request, Resource,
};
use concordat_types::{Address, Bytes, OrgId, Role, receipt::MAX_OUTPUT_BYTES};

use super::{abi::IPermissions, force::Policies};
use crate::{contracts::Known, orders::Shut, system::gas};

/// The longest refusal: four words, the length of the id and the id, and the error's selector.
const MAX_REFUSAL_BYTES: usize = 4 + 32 * 7;
const _: () = assert!(MAX_REFUSAL_BYTES <= MAX_OUTPUT_BYTES, "a receipt keeps a whole refusal");

/// Whom a transaction binds to the policies: what its sender's standing says.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// The address of its identity: policies that name the first key bind those that came after it.
    pub(crate) account: Address,
    pub(crate) organisation: Arc<OrgId>,
    pub(crate) role: Role,
}

/// Something that the sender, or a contract on its behalf, wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deed {
    pub(crate) action: Action,
    /// To which contract; `None` for the ledger.
    pub(crate) contract: Option<Address>,
    /// The first four bytes of the input, if it has so many.
    pub(crate) method: Option<[u8; 4]>,
    /// The contract that acts on the sender's behalf.
    pub(crate) caller: Option<Address>,
}

impl Deed {
    /// A deed of the sender itself.
    pub(crate) const fn direct(action: Action, contract: Option<Address>, method: Option<[u8; 4]>) -> Self {
        Self { action, contract, method, caller: None }
    }
}

/// A refusal by the policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was wanted.
    pub action: Action,
    /// How that was decided.
    pub code: Code,
    /// The first policy that refuses; `None` if nothing permits it.
    pub policy: Option<Deciding>,
}

impl Denial {
    /// The Solidity error `NotPermitted`.
    pub fn abi_encode(&self) -> Bytes {
        let (policy, proposal) = told(self.policy.as_ref());
        let (action, code) = (self.action.code(), self.code.code());
        IPermissions::NotPermitted { action, code, policy, proposal }.abi_encode().into()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, code, policy } = self;
        match (code, policy) {
            (Code::Undecidable, Some(policy)) => write!(f, "{action} cannot be decided: {policy}"),
            (_, Some(policy)) => write!(f, "{action} is forbidden: {policy}"),
            (_, None) => write!(f, "no policy permits {action}"),
        }
    }
}

/// The policies in force, and who asks them during a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    /// The contracts that orders of regulators keep the sender from.
    pub(crate) shut: Shut,
    pub(crate) policies: Arc<Policies>,
    pub(crate) sender: Sender,
    /// The block's time, Unix seconds.
    pub(crate) time_secs: u64,
    /// Whether the answers bind. Who only asks what a transaction would do pays for the same questions.
    pub(crate) binds: bool,
}

impl Asker {
    /// Whether the sender may do this, by what is known of what it is about.
    pub(crate) fn ask(&self, deed: &Deed, known: &Known) -> Result<(), Denial> {
        let decision = self.decide(deed, known);
        if decision.allowed {
            return Ok(());
        }
        Err(Denial { action: deed.action, code: decision.code, policy: decision.policies.first().cloned() })
    }

    /// What the enacted policies that this concerns add to the price of the question.
    pub(crate) fn price(&self, deed: &Deed, known: &Known) -> u64 {
        let Load { policies, terms } = self.policies.set().load(&self.request(deed, known));
        let terms = terms.saturating_mul(gas::POLICY_TERM);
        policies.saturating_mul(gas::POLICY).saturating_add(terms)
    }

    /// The decision behind it.
    pub(crate) fn decide(&self, deed: &Deed, known: &Known) -> Arc<Decision> {
        self.policies.decide(&self.request(deed, known))
    }

    /// The same with its grounds, made anew.
    pub(crate) fn explain(&self, deed: &Deed, known: &Known) -> Explanation {
        self.policies.set().explain(&self.request(deed, known))
    }

    fn request<'a>(&'a self, deed: &Deed, known: &'a Known) -> Request<'a> {
        let Sender { account, organisation, role } = &self.sender;
        let resource =
            deed.contract.map_or(Resource::Ledger, |address| Resource::Contract(known.facts(address)));
        Request {
            principal: Principal { account: *account, organisation, role: *role },
            action: deed.action,
            resource,
            context: Context {
                caller: deed.caller,
                method: deed.method,
                time_secs: self.time_secs,
                deploy_list: known.deploy_list,
                contract_list: known.contract_list,
                method_list: known.method_list,
            },
        }
    }
}

/// A policy's id and proposal as contracts are told them.
pub(crate) fn told(policy: Option<&Deciding>) -> (String, u64) {
    let id = policy.map(|policy| policy.id.to_string());
    (id.unwrap_or_default(), policy.and_then(|policy| policy.proposal).unwrap_or_default())
}
