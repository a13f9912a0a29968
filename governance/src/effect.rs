//! What an action does: each thing that changes, before and after. Ballots bind its digest.

mod records;
mod text;
mod wire;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::OrgId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    Action, Kind, Rule,
    action::{BarTarget, Basis, Correction, ListKind, Parameters, Reversed, Scope},
    facts::{Attested, Implementation, KeyFacts, OrganisationFacts, Upgrade, ValidatorFacts},
    order::Terms,
    quorum::Quorum,
    regulator::RegulatorFacts,
};

/// A seat on the committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Seat {
    /// The organisation that it votes for.
    pub organisation: OrgId,
    /// Its weight.
    pub weight: u64,
}

/// When a freeze ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// When it is lifted.
    Never,
    /// After this height.
    At(u64),
    /// So many blocks after the one that imposes it.
    After(u64),
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// What is refused.
    pub scope: Scope,
    /// Why.
    pub basis: Basis,
    /// When it ends.
    pub end: End,
    /// Whether it is an emergency's, which lapses unless it is confirmed.
    pub emergency: bool,
}

/// A list, as far as it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// How it binds.
    pub kind: ListKind,
    /// Who is on it on this side of the change, and not on the other; in the order of addresses.
    pub accounts: Vec<Address>,
}

/// Why a contract's calls are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Halt {
    /// Until it is lifted, or ends.
    Frozen {
        /// Why.
        basis: Basis,
        /// When it ends.
        end: End,
        /// Whether it is an emergency's, which lapses unless it is confirmed.
        emergency: bool,
    },
    /// For good.
    Retired {
        /// Why.
        basis: Basis,
    },
}

/// One thing that changes; `None` where it is not, or is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// An organisation.
    Organisation {
        /// Which.
        id: OrgId,
        /// As it is.
        before: Option<OrganisationFacts>,
        /// As it will be.
        after: Option<OrganisationFacts>,
    },
    /// A validator.
    Validator {
        /// The key of its votes.
        consensus_key: B256,
        /// As it is.
        before: Option<ValidatorFacts>,
        /// As it will be.
        after: Option<ValidatorFacts>,
    },
    /// A seat on the committee.
    Seat {
        /// Whose.
        member: Address,
        /// As it is.
        before: Option<Seat>,
        /// As it will be.
        after: Option<Seat>,
    },
    /// A rule.
    Rule {
        /// Of which kind.
        kind: Kind,
        /// As it is.
        before: Rule,
        /// As it will be.
        after: Rule,
    },
    /// A freeze.
    Freeze {
        /// Of which account.
        account: Address,
        /// As it binds now.
        before: Option<Freeze>,
        /// As it will bind.
        after: Option<Freeze>,
    },
    /// The key of an identity.
    Identity {
        /// Which: the address of its first key.
        identity: Address,
        /// That of the account which acts for it, and never will again.
        before: KeyFacts,
        /// The one that will act for it.
        after: KeyFacts,
    },
    /// A bar.
    Bar {
        /// Of whom; an account is the identity's address.
        target: BarTarget,
        /// Why it is barred.
        before: Option<Basis>,
        /// Why it will be.
        after: Option<Basis>,
    },
    /// A regulator's entry in the registry.
    Regulator {
        /// Whose: the address of its first key.
        identity: Address,
        /// As it is.
        before: Option<RegulatorFacts>,
        /// As it will be.
        after: Option<RegulatorFacts>,
    },
    /// A policy that is enacted. What the catalogue says under the same id is not told here.
    Policy {
        /// Which.
        id: String,
        /// The text as it is.
        before: Option<String>,
        /// The text as it will be.
        after: Option<String>,
    },
    /// The ledger's list of who may deploy.
    DeployList {
        /// As it is.
        before: Listed,
        /// As it will be.
        after: Listed,
    },
    /// What stops a contract.
    ContractHalt {
        /// Which contract.
        contract: Address,
        /// As it binds now.
        before: Option<Halt>,
        /// As it will bind.
        after: Option<Halt>,
    },
    /// Who keeps a contract's lists.
    ContractAdministrator {
        /// Of which contract.
        contract: Address,
        /// As it is.
        before: Option<Address>,
        /// As it will be.
        after: Option<Address>,
    },
    /// What is attested of a contract.
    Attributes {
        /// Of which contract.
        contract: Address,
        /// As it is, whether it still holds or not.
        before: Option<Attested>,
        /// As it will be.
        after: Option<Attested>,
    },
    /// Who may deploy what.
    Approval {
        /// SHA-256 of the init code.
        code: B256,
        /// The identity that may.
        deployer: Address,
        /// Through which height it could.
        before: Option<u64>,
        /// Through which height it will be able to.
        after: Option<u64>,
    },
    /// Whether deployments need an approval.
    ApprovalRule {
        /// As it is.
        before: bool,
        /// As it will be.
        after: bool,
    },
    /// A run-time rule. Its canonical bytes are told; programs show them as JSON.
    Limit {
        /// Which.
        id: String,
        /// As it is.
        before: Option<Bytes>,
        /// As it will be.
        after: Option<Bytes>,
    },
    /// The chain's parameters.
    Parameters {
        /// As they are.
        before: Parameters,
        /// As they will be from the next block on.
        after: Parameters,
    },
    /// Which protocol version is to come.
    Protocol {
        /// The one that runs.
        running: u64,
        /// What is scheduled.
        before: Option<Upgrade>,
        /// What will be.
        after: Option<Upgrade>,
    },
    /// A storage slot of a contract.
    Slot {
        /// Of which contract.
        contract: Address,
        /// Which.
        slot: U256,
        /// The word as it is.
        before: U256,
        /// The word as it will be, and was.
        after: U256,
    },
    /// A rollback, which the slots before it are those of.
    RollBack {
        /// The height after whose block the slots held what they will hold.
        height: u64,
        /// The root of the state after that block.
        root: B256,
        /// The transactions that are reversed.
        transactions: Vec<Reversed>,
    },
    /// What a governed proxy hands its calls on to.
    Implementation {
        /// Which proxy.
        contract: Address,
        /// As it is.
        before: Implementation,
        /// As it will be.
        after: Implementation,
    },
    /// A token is called in the name of the committee. What it makes of that is its own.
    Correction {
        /// Which token.
        contract: Address,
        /// The code that will run, as in [`crate::facts::ContractFacts::code`].
        code: B256,
        /// The call.
        correction: Correction,
    },
    /// The code of a contract, of which slots change and which stays. Words mean something to that code alone.
    Code {
        /// Of which contract.
        contract: Address,
        /// Keccak-256 of what it runs, as in [`crate::facts::ContractFacts::code`].
        code: B256,
        /// What a governed proxy hands its calls on to.
        implementation: Option<Implementation>,
    },
    /// A governed proxy is called in the name of the committee, once its new implementation runs.
    Migration {
        /// Which proxy.
        contract: Address,
        /// Keccak-256 of the implementation's code, which will run.
        code: B256,
        /// The call data.
        call: Bytes,
    },
    /// A regulator's order.
    Order {
        /// Its number.
        id: u64,
        /// As it is.
        before: OrderSide,
        /// As it will be.
        after: OrderSide,
    },
}

/// How an order stands on one side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum OrderStage {
    /// It binds, and lapses unless it is confirmed.
    Provisional = 1,
    /// It binds until its end.
    Confirmed = 2,
    /// It binds, or waits for an answer.
    InForce = 3,
    /// It binds no longer.
    Lifted = 4,
}

/// A regulator's order on one side of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct OrderSide {
    /// What it says.
    pub terms: Terms,
    /// The identity of the regulator that imposed it.
    pub issuer: Address,
    /// How it stands.
    pub stage: OrderStage,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// The action's kind.
    pub kind: Kind,
    /// SHA-256 of the action's payload, so that a ballot binds every word of it.
    pub action: B256,
    /// What changes, in order.
    pub changes: Vec<Change>,
    /// The quorum of consensus before and after, where validators or those behind them are touched.
    pub quorum: Option<[Quorum; 2]>,
}

impl Effect {
    /// The effect of an action.
    pub(crate) fn new(action: &Action, changes: Vec<Change>, quorum: Option<[Quorum; 2]>) -> Self {
        let payload = Sha256::digest(action.encode());
        Self { kind: action.kind(), action: B256::from_slice(&payload), changes, quorum }
    }

    /// SHA-256 of the canonical bytes: what a ballot binds.
    pub fn digest(&self) -> B256 {
        B256::from_slice(&Sha256::digest(self.encode()))
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes)
    }
}

#[cfg(test)]
mod tests;
