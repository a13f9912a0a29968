//! Whose act the change of a system row was: the transaction, where the block leaves no doubt about it.
//!
//! Nothing but transactions that succeeded changes these rows, and what they raise tells who could have: a proposal is
//! named by its own events; what the committee decides is told by events of the committee; accounts, certificates and
//! validators are named by events of the identity registry, and contracts by those of their own contract; orders mark accounts and
//! contracts as well. Deployments
//! alone are silent: the receipt names the contract that a transaction deployed, and no other that it has made.
//!
//! Invariant: where two transactions could have changed a row, none is told. More are suspected than could, never fewer.

use alloy_primitives::Log;
use alloy_sol_types::SolEvent;
use concordat_core::{
    CONTRACTS, GOVERNANCE, IDENTITY_REGISTRY, ORDERS, governance::abi::IGovernance, rows::SystemRow,
};
use concordat_types::{Address, B256, Receipt};

/// What a row is about, as far as it tells who could have changed it.
enum Subject {
    /// A proposal, which its own events name first.
    Proposal(u64),
    /// An entry of the identity registry, by what its events name.
    Registered(B256),
    /// An entry of the identity registry that no event names.
    Unnamed,
    /// A contract, and whether the block made it.
    Contract(Address, bool),
    /// What the committee alone decides.
    Decided,
    /// What regulators order, and the committee confirms or lifts.
    Ordered,
}

/// The transactions of a block that succeeded, with their places.
pub(super) struct Acts<'a> {
    done: Vec<(usize, &'a Receipt)>,
}

impl<'a> Acts<'a> {
    /// Those of a block.
    pub(super) fn of(receipts: &'a [Receipt]) -> Self {
        let done = receipts.iter().enumerate().filter(|(_, receipt)| receipt.outcome.succeeded());
        Self { done: done.collect() }
    }

    /// The place of the transaction that alone could have changed a row. `None` where several could, and where none did.
    pub(super) fn changed(&self, row: &SystemRow, is_new: bool) -> Option<usize> {
        let subject = subject(row, is_new);
        let deployed = self.deployed(&subject);
        let mut could = self.done.iter().filter(|(place, receipt)| match deployed {
            Some(deployer) if deployer == *place => true,
            deployer => could_have(receipt, &subject, deployer.is_some()),
        });
        match (could.next(), could.next()) {
            (Some((place, _)), None) => Some(*place),
            _ => None,
        }
    }

    /// The place of the transaction that deployed the contract of a row, if one did.
    fn deployed(&self, subject: &Subject) -> Option<usize> {
        let Subject::Contract(contract, true) = subject else { return None };
        let mut done = self.done.iter();
        done.find(|(_, receipt)| receipt.contract_address.as_ref() == Some(contract)).map(|(place, _)| *place)
    }
}

/// Rows of a new kind have to say here who could change them.
fn subject(row: &SystemRow, is_new: bool) -> Subject {
    match row {
        SystemRow::Proposal(proposal) => Subject::Proposal(proposal.id),
        SystemRow::Payload(id, _) | SystemRow::Consent(id, _) => Subject::Proposal(*id),
        SystemRow::Standing(account, _)
        | SystemRow::Details(account, _)
        | SystemRow::Identity(account, _)
        | SystemRow::Recovery(account, _) => Subject::Registered(account.into_word()),
        SystemRow::Revocation(id, _) => Subject::Registered(id.issuer),
        SystemRow::Crl(issuer, _) => Subject::Registered(*issuer),
        SystemRow::Validator(validator) => Subject::Registered(validator.consensus_key.into()),
        SystemRow::Authority(..) => Subject::Unnamed,
        SystemRow::Contract(contract, _) => Subject::Contract(*contract, is_new),
        SystemRow::Order(_) | SystemRow::ReadAnchor(..) => Subject::Ordered,
        SystemRow::Organisation(_)
        | SystemRow::IdentityBar(..)
        | SystemRow::NodeBar(..)
        | SystemRow::Committee(_)
        | SystemRow::Rule(..)
        | SystemRow::Freeze(..)
        | SystemRow::Regulator(..)
        | SystemRow::Rollback(..)
        | SystemRow::Policy(_)
        | SystemRow::Limit(_)
        | SystemRow::Halt(..)
        | SystemRow::Attributes(..)
        | SystemRow::Version(..) => Subject::Decided,
    }
}

/// Whether a transaction that succeeded could have changed a row. `is_deployed`: another one has deployed the contract.
fn could_have(receipt: &Receipt, subject: &Subject, is_deployed: bool) -> bool {
    let any = |test: &dyn Fn(&Log) -> bool| receipt.logs.iter().any(test);
    match subject {
        Subject::Proposal(id) => {
            let word = B256::left_padding_from(&id.to_be_bytes());
            any(&|log| log.address == GOVERNANCE && log.topics().get(1) == Some(&word))
        }
        Subject::Registered(word) => {
            any(&|log| decides(log) || log.address == ORDERS || names(log, IDENTITY_REGISTRY, word))
        }
        Subject::Unnamed => any(&|log| decides(log) || log.address == IDENTITY_REGISTRY),
        // What another contract makes within a transaction is told by nothing.
        Subject::Contract(_, true) if !is_deployed => true,
        Subject::Contract(contract, _) => {
            any(&|log| decides(log) || log.address == ORDERS || names(log, CONTRACTS, &contract.into_word()))
        }
        Subject::Decided => any(&decides),
        Subject::Ordered => any(&|log| decides(log) || log.address == ORDERS),
    }
}

/// Whether an event of the committee may tell of more than of its proposal, its consent and who runs what version.
fn decides(log: &Log) -> bool {
    let of_proposals = [
        IGovernance::ProposalOpened::SIGNATURE_HASH,
        IGovernance::BallotCast::SIGNATURE_HASH,
        IGovernance::VotingClosedEarly::SIGNATURE_HASH,
        IGovernance::ConsentGiven::SIGNATURE_HASH,
        IGovernance::VersionAnnounced::SIGNATURE_HASH,
    ];
    log.address == GOVERNANCE && log.topics().first().is_none_or(|event| !of_proposals.contains(event))
}

fn names(log: &Log, contract: Address, word: &B256) -> bool {
    log.address == contract && log.topics().iter().skip(1).any(|topic| topic == word)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;
    use concordat_core::{
        abi::IIdentityRegistry,
        contracts::{Contract, abi::IContracts},
        rows::Details,
    };
    use concordat_types::receipt::Outcome;

    use super::*;

    const ACCOUNT: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn receipt(outcome: Outcome, logs: Vec<Log>) -> Receipt {
        Receipt {
            tx_hash: B256::ZERO,
            tx_type: 2,
            sender: ACCOUNT,
            outcome,
            gas_limit: 0,
            gas_used: 0,
            contract_address: None,
            logs,
            output: Bytes::new(),
        }
    }

    fn done(logs: Vec<Log>) -> Receipt {
        receipt(Outcome::Success, logs)
    }

    fn deployment(contract: Address) -> Receipt {
        Receipt { contract_address: Some(contract), ..done(vec![]) }
    }

    fn log(address: Address, event: &impl SolEvent) -> Log {
        Log { address, data: event.encode_log_data() }
    }

    fn enrolled(account: Address) -> Log {
        let event = IIdentityRegistry::AccountEnrolled {
            account,
            organisation: "bank-a".into(),
            role: "operator".into(),
            fingerprint: B256::ZERO,
            notAfter: 9,
        };
        log(IDENTITY_REGISTRY, &event)
    }

    fn voted(id: u64) -> Log {
        log(GOVERNANCE, &IGovernance::BallotCast { id, member: ACCOUNT, choice: 1, digest: B256::ZERO })
    }

    fn decided(id: u64) -> Log {
        let (reason, note) = (String::new(), B256::ZERO);
        log(GOVERNANCE, &IGovernance::ProposalDecided { id, status: 1, refusal: 0, reason, note })
    }

    fn details(account: Address) -> SystemRow {
        let (common_name, fingerprint) = ("a".into(), B256::ZERO);
        SystemRow::Details(account, Details { common_name, fingerprint, not_before: 0, enrolled_height: 1 })
    }

    fn changed(receipts: &[Receipt], row: &SystemRow) -> Option<usize> {
        Acts::of(receipts).changed(row, true)
    }

    #[test]
    fn the_one_transaction_that_names_an_account_is_whose_act_it_was() {
        let receipts = [done(vec![enrolled(OTHER)]), done(vec![voted(1)]), done(vec![enrolled(ACCOUNT)])];
        assert_eq!(changed(&receipts, &details(ACCOUNT)), Some(2));
        assert_eq!(changed(&receipts, &details(Address::repeat_byte(3))), None, "nobody named it");
    }

    #[test]
    fn where_several_could_have_none_is_told() {
        let twice = [done(vec![enrolled(ACCOUNT)]), done(vec![enrolled(ACCOUNT)])];
        assert_eq!(changed(&twice, &details(ACCOUNT)), None);
        let committee = [done(vec![enrolled(ACCOUNT)]), done(vec![decided(1)])];
        assert_eq!(changed(&committee, &details(ACCOUNT)), None, "the committee may have frozen it");
    }

    #[test]
    fn what_did_not_succeed_did_nothing() {
        let receipts = [receipt(Outcome::Reverted, vec![enrolled(ACCOUNT)]), done(vec![enrolled(ACCOUNT)])];
        assert_eq!(changed(&receipts, &details(ACCOUNT)), Some(1));
        assert_eq!(changed(&[], &details(ACCOUNT)), None, "the genesis");
    }

    #[test]
    fn a_ballot_is_the_act_of_who_cast_it_and_an_effect_of_who_executed() {
        let receipts = [done(vec![voted(1)]), done(vec![voted(2)]), done(vec![decided(3)])];
        let payload = |id| SystemRow::Payload(id, Bytes::new());
        assert_eq!(
            [1, 2, 3, 4].map(|id| changed(&receipts, &payload(id))),
            [Some(0), Some(1), Some(2), None]
        );
        let policy = halt();
        assert_eq!(changed(&receipts, &policy), Some(2));
        assert_eq!(changed(&receipts[..2], &policy), None);
    }

    /// A row that the committee alone changes.
    fn halt() -> SystemRow {
        let halt = concordat_core::contracts::ContractHalt {
            basis: concordat_governance::action::Basis { document: B256::ZERO, reference: "Order".into() },
            until: 0,
            emergency: false,
            since: 1,
            proposal: 3,
        };
        SystemRow::Halt(OTHER, halt)
    }

    #[test]
    fn what_is_deployed_is_told_by_the_receipt_and_what_is_made_within_by_nothing() {
        let contract = SystemRow::Contract(OTHER, Contract::default());
        let receipts = [done(vec![]), deployment(OTHER), done(vec![])];
        assert_eq!(changed(&receipts, &contract), Some(1));
        assert_eq!(changed(&[done(vec![]), done(vec![])], &contract), None);
        assert_eq!(changed(&[done(vec![])], &contract), Some(0), "there is nobody else");
        let event = IContracts::ContractListSet { contractAddress: OTHER, kind: 1, by: ACCOUNT };
        let listed = done(vec![log(CONTRACTS, &event)]);
        assert_eq!(changed(&[deployment(OTHER), listed.clone()], &contract), None);
        assert_eq!(Acts::of(&[done(vec![]), listed]).changed(&contract, false), Some(1));
    }
}
