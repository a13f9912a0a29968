//! The committee on chain, with real certificates: every way to propose, vote, execute and be refused.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, TxKind};
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _};
use concordat_core::{
    CallStatus, ExecError, GOVERNANCE, GenesisStateError, IDENTITY_REGISTRY, IdentityEvent, Registry,
    abi::IIdentityRegistry as registry, genesis_state, governance::abi::IGovernance as governance,
};
use concordat_governance::{
    Action, Effect, Kind, Rule,
    action::{Admission, Basis, NewValidator, Scope},
};
use concordat_pki_authority::{Authority, AuthorityOptions, KeyType};
use concordat_types::{
    Receipt, Role,
    genesis::GenesisCommitteeMember,
    receipt::Outcome,
    validator::{ConsensusAddress, consensus_address},
};

use crate::kit::{
    Actor, BLOCK_GAS, Consortium, DAY, GENESIS_TIME, Probe, Say, bytecode, certify, key, org, pem, reason,
};

const YES: u8 = 1;

/// A governed chain and its members, each of another bank.
pub(crate) struct Committee {
    pub(crate) net: Consortium,
    pub(crate) members: Vec<Actor>,
}

impl Committee {
    pub(crate) fn new() -> Self {
        let (net, members) = Consortium::governed();
        Self { net, members }
    }

    /// Makes a proposal as the first member; its number.
    pub(crate) fn propose(&mut self, action: &Action) -> u64 {
        let receipt = self.net.one(&self.members[0].sign(&propose(action)));
        governance::ProposalOpened::decode_log(&receipt.logs[0]).unwrap().id
    }

    pub(crate) fn vote(&mut self, member: usize, id: u64) -> Receipt {
        let digest = self.proposal(id).digest;
        let vote = governance::voteCall { id, choice: YES, digest };
        self.net.try_one(&self.members[member].sign(&Say::governance(&vote)))
    }

    /// Everybody votes yes, time passes, and it is executed: the status.
    pub(crate) fn pass(&mut self, action: &Action) -> u8 {
        let id = self.propose(action);
        self.carry(id);
        self.execute(id)
    }

    /// Everybody votes yes, and the timelock passes.
    pub(crate) fn carry(&mut self, id: u64) {
        for member in 0..self.members.len() {
            if self.proposal(id).closes >= self.net.height {
                let receipt = self.vote(member, id);
                assert!(receipt.outcome.succeeded(), "{}", reason(&receipt.output));
            }
        }
        self.net.height = self.net.height.max(self.proposal(id).earliest);
    }

    pub(crate) fn execute(&mut self, id: u64) -> u8 {
        let receipt = self.net.one(&self.members[1].sign(&execute(id)));
        governance::ProposalDecided::decode_log(&receipt.logs[0]).unwrap().status
    }

    pub(crate) fn proposal(&self, id: u64) -> governance::Proposal {
        self.net.ask(GOVERNANCE, &governance::proposalCall { id })
    }

    /// The code with which an act is refused.
    pub(crate) fn refused(&mut self, actor: usize, say: &Say) -> u16 {
        refused(&mut self.net, &self.members[actor], say)
    }
}

pub(crate) fn propose(action: &Action) -> Say {
    Say::governance(&governance::proposeCall { kind: action.kind().code(), payload: action.encode() })
}

pub(crate) fn execute(id: u64) -> Say {
    Say::governance(&governance::executeCall { id })
}

pub(crate) fn refused(net: &mut Consortium, actor: &Actor, say: &Say) -> u16 {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    governance::Refused::abi_decode(&receipt.output).unwrap().code
}

fn business() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 }
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

fn freeze(account: Address) -> Action {
    Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 }
}

pub(crate) fn admission(net: &mut Consortium, id: &str) -> Action {
    let authority = Authority::create(&org(id), &AuthorityOptions::default(), GENESIS_TIME - 60).unwrap();
    let root = concordat_pki_authority::pem::decode("CERTIFICATE", authority.root_pem().as_bytes()).unwrap();
    let roots = vec![Bytes::from(root)];
    net.authorities.push(authority);
    let roles = Role::ALL.iter().copied().collect();
    Action::AdmitOrganisation(Admission { id: org(id), name: "Bank E".into(), roots, roles })
}

fn validator(net: &mut Consortium, id: &str, name: &str, power: u64) -> NewValidator {
    let node = net.stranger_with(KeyType::P256, id, Role::Validator, name, 30);
    let vote = net.stranger_with(KeyType::Ed25519, id, Role::Consensus, name, 30);
    let node_address = "new.example:26656".into();
    NewValidator { node_chain: node.chain, consensus_chain: vote.chain, node_address, power }
}

fn consensus_key(net: &Consortium, id: &str) -> B256 {
    let records = Registry::new(&net.state).validator_records().unwrap();
    records.iter().find(|v| v.org.as_str() == id).unwrap().consensus_key.into()
}

fn down(net: &mut Consortium, id: &str) -> ConsensusAddress {
    let address = consensus_address(&consensus_key(net, id).0);
    net.down.insert(address);
    address
}

#[test]
fn a_fifth_bank_is_admitted_and_its_validator_and_people_follow() {
    let mut committee = Committee::new();
    let action = admission(&mut committee.net, "bank-e");
    assert_eq!(committee.pass(&action), 1);
    let admitted = Registry::new(&committee.net.state).organisation(&org("bank-e")).unwrap().unwrap();
    assert!(admitted.active && admitted.admitted_height > 0 && admitted.power_budget == 0);
    let ids = committee.net.ask(IDENTITY_REGISTRY, &registry::organisationsCall {});
    assert_eq!(ids.last().unwrap(), "bank-e");
    let operator = committee.net.actor("bank-e", Role::Operator);
    committee.net.one(&operator.sign(&business()));

    let new = validator(&mut committee.net, "bank-e", "validator-5", 10);
    let id = committee.propose(&Action::AdmitValidator(new));
    committee.carry(id);
    let block = committee.net.block(&[committee.members[3].sign(&execute(id))]);
    let set = block.validators.expect("the block announces the new set");
    assert_eq!((set.validators().len(), set.total_power()), (5, 50));
    assert!(matches!(&block.identity_events[..], [IdentityEvent::ValidatorAdmitted { .. }]));
    let changed = governance::ValidatorChanged::decode_log(&block.receipts[0].logs[1]).unwrap();
    assert_eq!((changed.organisation.as_str(), changed.power, changed.proposalId), ("bank-e", 10, id));
}

#[test]
fn a_preview_is_the_effect_that_ballots_bind() {
    let mut committee = Committee::new();
    let action = admission(&mut committee.net, "bank-e");
    let asked = governance::previewActionCall { kind: action.kind().code(), payload_: action.encode() };
    let before = committee.net.ask(GOVERNANCE, &asked);
    let id = committee.propose(&action);
    let after = committee.net.ask(GOVERNANCE, &governance::previewCall { id });
    assert_eq!((before.digest, &before.effect), (after.digest, &after.effect));
    assert_eq!(after.digest, committee.proposal(id).digest);
    let effect = Effect::decode(&after.effect).unwrap();
    assert_eq!(effect.digest(), after.digest);
    assert!(effect.to_string().contains("organisation bank-e"), "{effect}");
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::payloadCall { id }), action.encode());
}

#[test]
fn ballots_of_strangers_twice_late_and_for_another_effect_are_refused() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let id = committee.propose(&freeze(operator.address));
    let digest = committee.proposal(id).digest;
    let ballot = |choice, digest| Say::governance(&governance::voteCall { id, choice, digest });
    for stranger in [&operator, &regulator] {
        assert_eq!(refused(&mut committee.net, stranger, &ballot(YES, digest)), 2);
        assert_eq!(refused(&mut committee.net, stranger, &propose(&freeze(operator.address))), 2);
    }
    assert_eq!(committee.refused(0, &ballot(YES, B256::repeat_byte(1))), 14);
    assert_eq!(committee.refused(0, &ballot(9, digest)), 5);
    committee.net.one(&committee.members[0].sign(&ballot(2, digest)));
    assert_eq!(committee.refused(0, &ballot(YES, digest)), 13);
    committee.net.height = committee.proposal(id).closes + 1;
    assert_eq!(committee.refused(1, &ballot(YES, digest)), 12);
    committee.net.height = committee.proposal(id).latest + 1;
    assert_eq!(committee.refused(1, &ballot(YES, digest)), 11);
    assert_eq!(committee.proposal(id).status, 4, "expired without anybody doing anything");
    assert_eq!(committee.execute(id), 4);
    assert_eq!(committee.refused(1, &execute(id)), 11);
    assert_eq!(committee.refused(1, &execute(99)), 10);
}

#[test]
fn a_member_with_a_revoked_certificate_votes_no_more_and_its_ballot_does_not_count() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    for member in [0, 1, 2] {
        committee.vote(member, id);
    }
    for (member, bank) in [(2, "bank-c"), (1, "bank-b")] {
        let list = crate::refusals::crl_against(&mut committee.net, bank, &committee.members[member]);
        committee.net.one(&operator.sign(&Say::registry(&list)));
    }
    let vote = governance::voteCall { id, choice: YES, digest: committee.proposal(id).digest };
    let receipt = committee.net.try_one(&committee.members[2].sign(&Say::governance(&vote)));
    assert_eq!(receipt.outcome, Outcome::CertificateRevoked);
    committee.net.height = committee.proposal(id).earliest;
    let receipt = committee.net.one(&operator.sign(&execute(id)));
    let decided = governance::ProposalDecided::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!(decided.status, 3, "one counted ballot of four is no half");
}

#[test]
fn a_frozen_account_is_refused_from_the_next_transaction_of_the_same_block() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    committee.carry(id);
    let txs = [
        operator.sign(&business()),
        committee.members[0].sign(&execute(id)),
        operator.sign(&business()),
        operator.sign(&operator.enrolment()),
    ];
    let outcomes: Vec<_> = committee.net.block(&txs).receipts.iter().map(|r| r.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::Frozen, Outcome::Frozen]);
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    assert!(told.binds && !told.emergency && told.documentReference == "Order 7" && told.proposalId == id);

    let lift = Action::UnfreezeAccount { account: operator.address, basis: basis() };
    assert_eq!(committee.pass(&lift), 1);
    committee.net.one(&operator.sign(&business()));
    assert!(!committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address }).binds);
}

#[test]
fn business_alone_can_be_frozen_and_a_renewal_does_not_lift_it() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let until = committee.net.height + 50;
    let (account, scope) = (operator.address, Scope::Outgoing);
    let id = committee.propose(&Action::FreezeAccount { account, scope, basis: basis(), until });
    committee.carry(id);
    assert_eq!(committee.execute(id), 1);
    let renewed = {
        let now = committee.net.time_secs;
        certify(committee.net.authority("bank-a"), &operator.key, Role::Operator, "someone", 60, now)
    };
    let renewal = Say::registry(&registry::renewCall { chain: renewed.chain });
    committee.net.one(&operator.sign(&renewal));
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    committee.net.height = until;
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    committee.net.one(&operator.sign(&business()));
}

#[test]
fn an_emergency_freeze_takes_one_of_four_and_lapses_by_itself() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = Action::EmergencyFreeze { account: operator.address, scope: Scope::All, basis: basis() };
    let id = committee.propose(&action);
    assert!(committee.vote(0, id).outcome.succeeded());
    assert_eq!(committee.execute(id), 1);
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Frozen);
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    let lapse = Rule::initial(Kind::EmergencyFreeze, 4).lapse_blocks;
    assert!(told.emergency && told.until == told.since + lapse);
    committee.net.height = told.until + 1;
    committee.net.one(&operator.sign(&business()));
    assert_eq!(committee.refused(0, &propose(&action)), 62, "it is not renewed without the others");
}

#[test]
fn an_emergency_that_was_lifted_binds_no_more_and_is_not_repeated_at_once() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = Action::EmergencyFreeze { account: operator.address, scope: Scope::All, basis: basis() };
    assert_eq!(committee.pass(&action), 1);
    let lift = Action::UnfreezeAccount { account: operator.address, basis: basis() };
    let id = committee.propose(&lift);
    committee.carry(id);
    // From the next transaction of the same block on.
    let txs = [committee.members[1].sign(&execute(id)), operator.sign(&business())];
    let receipts = committee.net.block(&txs).receipts;
    assert!(receipts.iter().all(|receipt| receipt.outcome.succeeded()), "{receipts:?}");
    assert!(governance::AccountUnfrozen::decode_log(&receipts[0].logs[1]).is_ok());
    let told = committee.net.ask(GOVERNANCE, &governance::freezeCall { account: operator.address });
    assert!(!told.binds && told.emergency && told.until < committee.net.height);
    assert_eq!(committee.refused(0, &propose(&action)), 62);
    committee.net.height = told.until + Rule::initial(Kind::EmergencyFreeze, 4).lapse_blocks + 1;
    assert_eq!(committee.pass(&action), 1);
}

#[test]
fn an_emergency_takes_no_members_vote() {
    let mut committee = Committee::new();
    let account = committee.members[1].address;
    let action = Action::EmergencyFreeze { account, scope: Scope::All, basis: basis() };
    assert_eq!(committee.refused(0, &propose(&action)), 64);
}

#[test]
fn a_changed_effect_voids_and_an_impossible_one_fails_with_its_reason() {
    let mut committee = Committee::new();
    let [first, second] = ["v-1", "v-2"].map(|name| validator(&mut committee.net, "bank-a", name, 1));
    let (first, second) = (Action::AdmitValidator(first), Action::AdmitValidator(second));
    let ids = [committee.propose(&first), committee.propose(&second), committee.propose(&first)];
    ids.iter().for_each(|id| committee.carry(*id));
    assert_eq!(committee.execute(ids[0]), 1);
    assert_eq!(committee.execute(ids[1]), 7);
    assert_eq!(committee.execute(ids[2]), 2);
    let failed = committee.proposal(ids[2]);
    assert_eq!((failed.refusal, failed.reason.contains("validator already")), (40, true));
    assert_ne!(committee.proposal(ids[1]).note, B256::ZERO);
    assert_eq!(Registry::new(&committee.net.state).validators().unwrap().validators().len(), 5);
}

#[test]
fn changes_of_validators_are_refused_while_the_chain_might_stop() {
    let mut committee = Committee::new();
    let new = Action::AdmitValidator(validator(&mut committee.net, "bank-a", "v", 10));
    let id = committee.propose(&new);
    committee.carry(id);
    let address = down(&mut committee.net, "bank-d");
    assert_eq!(committee.refused(0, &propose(&new)), 44);
    assert_eq!(committee.execute(id), 2);
    assert!(committee.proposal(id).reason.contains("bank-d"), "{}", committee.proposal(id).reason);
    let registrar = committee.net.actor("bank-a", Role::Registrar);
    let retire = registry::retireValidatorCall { consensusKey: consensus_key(&committee.net, "bank-a") };
    let receipt = committee.net.try_one(&registrar.sign(&Say::registry(&retire)));
    assert!(registry::QuorumUnsafe::abi_decode(&receipt.output).is_ok(), "{}", reason(&receipt.output));
    committee.net.down.remove(&address);
    committee.net.one(&registrar.sign(&Say::registry(&retire)));
}

#[test]
fn a_node_that_does_not_know_who_signed_has_no_verdict_on_a_change_of_validators() {
    let mut committee = Committee::new();
    let new = Action::AdmitValidator(validator(&mut committee.net, "bank-a", "v", 10));
    let mut env = committee.net.env();
    env.recent_signers = None;
    let mut executor = concordat_core::BlockExecutor::new(&committee.net.state, env).unwrap();
    let error = executor.execute(&committee.members[0].sign(&propose(&new))).unwrap_err();
    assert!(matches!(error, ExecError::State(_)), "{error}");
    assert!(error.to_string().contains("signers of the last blocks"), "{error}");
}

#[test]
fn registrars_admit_no_validators_where_there_is_a_committee() {
    let mut committee = Committee::new();
    let registrar = committee.net.actor("bank-a", Role::Registrar);
    let NewValidator { node_chain, consensus_chain, node_address, power } =
        validator(&mut committee.net, "bank-a", "v", 1);
    let admit = registry::admitValidatorCall {
        nodeChain: node_chain,
        consensusChain: consensus_chain,
        nodeAddress: node_address,
        power,
    };
    let receipt = committee.net.try_one(&registrar.sign(&Say::registry(&admit)));
    assert!(registry::DecidedByCommittee::abi_decode(&receipt.output).is_ok());
}

#[test]
fn a_suspended_organisation_is_refused_with_its_accounts_nodes_and_validators() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-d", Role::Operator);
    let node = committee.net.stranger_with(KeyType::P256, "bank-d", Role::Validator, "n", 30);
    let may_connect = |net: &Consortium| {
        Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).map_err(|e| e.to_string())
    };
    assert!(may_connect(&committee.net).is_ok());
    let id = committee.propose(&Action::SuspendOrganisation(org("bank-d")));
    committee.carry(id);
    let block = committee.net.block(&[committee.members[0].sign(&execute(id)), operator.sign(&business())]);
    assert_eq!(block.receipts[1].outcome, Outcome::Suspended);
    assert_eq!(block.validators.unwrap().validators().len(), 3);
    assert!(block.identity_events.contains(&IdentityEvent::OrganisationChanged { org: org("bank-d") }));
    assert!(may_connect(&committee.net).unwrap_err().contains("suspended"));
    assert_eq!(committee.vote(3, id).outcome, Outcome::Suspended);

    assert_eq!(committee.pass_without(3, &Action::ReinstateOrganisation(org("bank-d"))), 1);
    committee.net.one(&operator.sign(&business()));
    assert!(may_connect(&committee.net).is_ok());
    assert_eq!(Registry::new(&committee.net.state).validators().unwrap().validators().len(), 3);
}

impl Committee {
    /// As [`Self::pass`], while one member cannot vote.
    fn pass_without(&mut self, member: usize, action: &Action) -> u8 {
        let id = self.propose(action);
        (0..self.members.len()).filter(|other| *other != member).for_each(|other| {
            assert!(self.vote(other, id).outcome.succeeded());
        });
        self.net.height = self.net.height.max(self.proposal(id).earliest);
        self.execute(id)
    }
}

#[test]
fn an_expelled_organisation_is_gone_for_good() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-d", Role::Operator);
    assert_eq!(committee.pass(&Action::ExpelOrganisation(org("bank-d"))), 1);
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::committeeCall {}).len(), 3);
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::Suspended);
    let back = propose(&Action::ReinstateOrganisation(org("bank-d")));
    assert_eq!(committee.refused(0, &back), 32);
    let organisation = Registry::new(&committee.net.state).organisation(&org("bank-d")).unwrap().unwrap();
    assert!(organisation.expelled && !organisation.active);
}

#[test]
fn authorities_roll_over() {
    let mut committee = Committee::new();
    let current = Registry::new(&committee.net.state).organisation(&org("bank-a")).unwrap().unwrap();
    let next = Authority::create(&org("bank-a"), &AuthorityOptions::default(), GENESIS_TIME - 60).unwrap();
    let der = concordat_pki_authority::pem::decode("CERTIFICATE", next.root_pem().as_bytes()).unwrap();
    let roots: Vec<Bytes> = current.ca_certificates.into_iter().chain([Bytes::from(der)]).collect();
    let both = Action::SetAuthorities { id: org("bank-a"), roots: roots.clone() };
    assert_eq!(committee.pass(&both), 1);
    let old = committee.net.actor("bank-a", Role::Operator);
    *committee.net.authority("bank-a") = next;
    let new = committee.net.stranger("bank-a", Role::Developer, "under the new root");
    committee.net.enrol(&new);
    committee.net.one(&old.sign(&business()));
    let foreign = Action::SetAuthorities { id: org("bank-b"), roots };
    assert_eq!(committee.refused(0, &propose(&foreign)), 34);
}

#[test]
fn the_committee_changes_itself_and_its_rules() {
    let mut committee = Committee::new();
    let now = committee.net.time_secs;
    let second = key(KeyType::Secp256k1, "second member");
    let second =
        certify(committee.net.authority("bank-a"), &second, Role::CommitteeMember, "second", 30, now);
    let seat = Action::SetCommitteeMember { member: second.address, weight: 2 };
    assert_eq!(committee.refused(0, &propose(&seat)), 50, "a seat needs an enrolled account");
    committee.net.enrol(&second);
    let operator = committee.net.actor("bank-a", Role::Operator);
    let player = Action::SetCommitteeMember { member: operator.address, weight: 1 };
    assert_eq!(committee.refused(0, &propose(&player)), 51, "nobody is both referee and player");
    assert_eq!(committee.pass(&seat), 1);
    let seats = committee.net.ask(GOVERNANCE, &governance::committeeCall {});
    assert_eq!((seats.len(), seats.iter().map(|seat| seat.weight).sum::<u64>()), (5, 6));
    let rule = Rule { voting_blocks: 7, ..Rule::initial(Kind::FreezeAccount, 4) };
    committee.members.push(second);
    assert_eq!(committee.pass(&Action::SetRule { kind: Kind::FreezeAccount, rule }), 1);
    let asked = governance::ruleCall { kind: Kind::FreezeAccount.code() };
    assert_eq!(committee.net.ask(GOVERNANCE, &asked).votingBlocks, 7);
    let id = committee.propose(&freeze(operator.address));
    let proposal = committee.proposal(id);
    assert_eq!(proposal.closes - proposal.created, 7);
}

#[test]
fn regulators_veto_where_the_rule_allows_it_and_proposers_revoke() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let operator = committee.net.actor("bank-a", Role::Operator);
    let action = admission(&mut committee.net, "bank-e");
    let (admitted, frozen) = (committee.propose(&action), committee.propose(&freeze(operator.address)));
    let veto = |id| Say::governance(&governance::vetoCall { id, basis: B256::repeat_byte(5) });
    assert_eq!(committee.refused(0, &veto(admitted)), 17);
    assert_eq!(refused(&mut committee.net, &regulator, &veto(frozen)), 16);
    committee.net.one(&regulator.sign(&veto(admitted)));
    assert_eq!(
        (committee.proposal(admitted).status, committee.proposal(admitted).note),
        (6, B256::repeat_byte(5))
    );
    let revoke = Say::governance(&governance::revokeCall { id: frozen });
    assert_eq!(committee.refused(1, &revoke), 15);
    committee.net.one(&committee.members[0].sign(&revoke));
    assert_eq!(committee.proposal(frozen).status, 5);
    let tally = committee.net.ask(GOVERNANCE, &governance::tallyCall { id: frozen });
    assert_eq!((tally.total, tally.voted, tally.met), (4, 0, false));
}

#[test]
fn proposals_are_listed_in_order_and_in_pieces() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    (0..3).for_each(|_| assert!(committee.propose(&freeze(operator.address)) > 0));
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::proposalCountCall {}), 3);
    let list = |from, limit| {
        let listed = committee.net.ask(GOVERNANCE, &governance::proposalsCall { from, limit });
        listed.iter().map(|proposal| proposal.id).collect::<Vec<_>>()
    };
    assert_eq!(list(0, 50), [1, 2, 3]);
    assert_eq!(list(2, 1), [2]);
    assert!(list(4, 50).is_empty() && list(1, 0).is_empty() && list(u64::MAX, u64::MAX).is_empty());
}

#[test]
fn contracts_may_read_and_never_change() {
    let mut committee = Committee::new();
    let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
    let _ = (developer, probe, Probe::counterCall {});
    // PUSH20 governance, call with this contract's call data, return what it returned: a forwarder.
    let mut code =
        hex::decode("3660006000376000600036600060007300000000000000000000000000000000000000005af1").unwrap();
    let place = code.len() - 22;
    code[place..place + 20].copy_from_slice(GOVERNANCE.as_slice());
    code.extend(hex::decode("3d6000803e3d6000f3").unwrap());
    let forwarder = Address::repeat_byte(0x77);
    let pretended = concordat_core::AccountOverride { code: Some(code.into()), ..Default::default() };
    let ask = |input: Vec<u8>| {
        let request = concordat_core::CallRequest {
            from: committee.members[0].address,
            to: Some(forwarder),
            input: input.into(),
            overrides: [(forwarder, pretended.clone())].into(),
            ..Default::default()
        };
        concordat_core::call(&committee.net.state, &committee.net.env(), &request).unwrap().output
    };
    let seats = ask(governance::committeeCall {}.abi_encode());
    assert_eq!(governance::committeeCall::abi_decode_returns(&seats).unwrap().len(), 4);
    let action = freeze(Address::ZERO);
    let call = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    assert!(governance::OnlyDirectTransaction::abi_decode(&ask(call.abi_encode())).is_ok());
}

#[test]
fn malformed_calls_and_too_little_gas_change_nothing() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    for input in [vec![], vec![1, 2, 3], vec![0xff; 4], governance::voteCall::SELECTOR.to_vec()] {
        let say = Say { to: TxKind::Call(GOVERNANCE), input: input.into(), gas: 100_000 };
        let receipt = committee.net.try_one(&operator.sign(&say));
        assert_eq!(receipt.outcome, Outcome::Reverted);
        assert!(governance::MalformedCall::abi_decode(&receipt.output).is_ok());
    }
    let poor = propose(&freeze(operator.address)).gas(120_000);
    assert_eq!(committee.net.try_one(&committee.members[0].sign(&poor)).outcome, Outcome::Halted);
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::proposalCountCall {}), 0);
    let kind = Kind::SetRule.code();
    let bad = Say::governance(&governance::proposeCall { kind, payload: Bytes::from_static(b"x") });
    assert_eq!(committee.refused(0, &bad), 6);
    let unknown = Say::governance(&governance::proposeCall { kind: 200, payload: Bytes::new() });
    assert_eq!(committee.refused(0, &unknown), 4);
}

#[test]
fn a_chain_without_a_committee_has_no_governance() {
    let mut net = Consortium::new();
    assert!(concordat_core::code(&net.state, GOVERNANCE).unwrap().is_empty());
    let member = net.actor("bank-a", Role::CommitteeMember);
    let seat = Action::SetCommitteeMember { member: member.address, weight: 1 };
    assert_eq!(refused(&mut net, &member, &propose(&seat)), 1);
    assert!(net.ask(GOVERNANCE, &governance::committeeCall {}).is_empty());
    let outcome = net.ask_raw(GOVERNANCE, &governance::previewCall { id: 1 });
    assert_eq!(outcome.status, CallStatus::Reverted);
}

#[test]
fn the_genesis_committee_needs_certificates_of_members() {
    let (net, members) = Consortium::governed();
    assert!(!concordat_core::code(&net.state, GOVERNANCE).unwrap().is_empty());
    let refusal = |change: &dyn Fn(&mut Vec<GenesisCommitteeMember>)| {
        let mut genesis = net.genesis.clone();
        change(&mut genesis.organisations[0].committee);
        genesis_state(&genesis).unwrap_err()
    };
    let twice = |seats: &mut Vec<GenesisCommitteeMember>| seats.push(seats[0].clone());
    assert!(matches!(refusal(&twice), GenesisStateError::Committee(_)));
    let weightless = refusal(&|seats| seats[0].weight = 0);
    assert!(matches!(weightless, GenesisStateError::Committee(_)));
    let foreign = refusal(&|seats| seats[0].certificate = pem(&members[1].chain));
    assert!(foreign.to_string().starts_with("organisation bank-a, committee[0].certificate: "), "{foreign}");
    let mut genesis = net.genesis.clone();
    genesis.organisations[0].roles.remove(&Role::CommitteeMember);
    assert!(genesis_state(&genesis).unwrap_err().to_string().contains("committee-member"));
}

#[test]
fn a_genesis_seat_is_for_the_role_of_a_member_alone() {
    let (mut net, _) = Consortium::governed();
    let operator = net.stranger("bank-a", Role::Operator, "o");
    net.genesis.genesis_time = net.time_secs.try_into().unwrap();
    net.genesis.organisations[0].committee[0].certificate = pem(&operator.chain);
    let error = genesis_state(&net.genesis).unwrap_err().to_string();
    assert!(error.contains("operator"), "{error}");
}

#[test]
fn three_years_on_the_committee_renews_and_decides() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    committee.net.time_secs += 400 * DAY;
    let receipt = committee.net.try_one(&committee.members[0].sign(&propose(&freeze(operator.address))));
    assert_eq!(receipt.outcome, Outcome::CertificateExpired);
    let now = committee.net.time_secs;
    for (index, id) in ["bank-a", "bank-b", "bank-c", "bank-d"].iter().enumerate() {
        let member = &committee.members[index];
        let renewed =
            certify(committee.net.authority(id), &member.key, Role::CommitteeMember, "member", 365, now);
        let renewal = Say::registry(&registry::renewCall { chain: renewed.chain });
        committee.net.one(&member.sign(&renewal));
    }
    assert_eq!(committee.pass(&freeze(operator.address)), 1);
}

#[test]
fn what_decisions_cost_is_bounded() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let id = committee.propose(&freeze(operator.address));
    let gas = committee.vote(0, id).gas_used;
    assert!((50_000..400_000).contains(&gas), "{gas}");
    assert!(gas < BLOCK_GAS);
    let distinct: BTreeSet<_> = committee.members.iter().map(|member| member.address).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn whoever_has_a_policy_checked_pays_for_that_and_for_those_in_force() {
    let mut committee = Committee::new();
    let policy = |id: &str, filling: usize| {
        let text = format!(
            "// {}\n@id(\"{id}\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"deploy\", resource);",
            "x".repeat(filling)
        );
        Action::SetPolicy { id: id.into(), text }
    };
    let cost = |committee: &Committee, action: &Action| {
        let call = governance::previewActionCall { kind: action.kind().code(), payload_: action.encode() };
        let outcome = committee.net.ask_raw(GOVERNANCE, &call);
        assert_eq!(outcome.status, CallStatus::Success);
        outcome.gas_used
    };
    let short = cost(&committee, &policy("short", 1));
    // Besides the call data's own price of at most 40 a byte.
    let long = cost(&committee, &policy("long", 4_001));
    assert!((4_000 * 400..4_000 * 440 + 100).contains(&(long - short)), "{long} {short}");
    assert_eq!(committee.pass(&policy("long", 4_001)), 1);
    let Action::SetPolicy { text, .. } = policy("long", 4_001) else { panic!("a policy") };
    let kept = u64::try_from(text.len()).unwrap() * 2;
    // A row more is read, too.
    assert_eq!(cost(&committee, &policy("short", 1)), short + kept + 2_100);
}

#[test]
fn a_voted_policy_binds_from_the_next_transaction_on_and_a_repealed_one_no_longer() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let text = "@id(\"closed\")\n@reason(\"closed by vote\")\nforbid (principal, action == Action::\"call\", resource);";
    let id = committee.propose(&Action::SetPolicy { id: "closed".into(), text: text.into() });
    committee.carry(id);
    let txs =
        [operator.sign(&business()), committee.members[1].sign(&execute(id)), operator.sign(&business())];
    let receipts = committee.net.block(&txs).receipts;
    let outcomes: Vec<_> = receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::NotPermitted]);
    let told = concordat_core::permissions::abi::IPermissions::NotPermitted::abi_decode(&receipts[2].output);
    assert_eq!(told.map(|told| (told.policy, told.proposal)), Ok(("closed".into(), id)));
    assert_eq!(committee.net.try_one(&operator.sign(&business())).outcome, Outcome::NotPermitted);
    committee.pass(&Action::RepealPolicy { id: "closed".into() });
    committee.net.one(&operator.sign(&business()));
    let wrong = propose(&Action::SetPolicy { id: "broken".into(), text: "nonsense".into() });
    let code = committee.refused(0, &wrong);
    assert_eq!(code, 70);
}

#[test]
fn a_voted_rule_binds_from_the_next_transaction_on_and_a_repealed_one_no_longer() {
    let mut committee = Committee::new();
    let (developer, probe) = committee.net.deploy(bytecode("Probe").into());
    let rule = serde_json::json!({
        "id": "closed", "reason": "closed by vote", "contract": probe, "method": "counter()",
        "count": { "max": 0, "window_secs": 60, "per": "account" },
    });
    let limit: concordat_core::rules::Limit = serde_json::from_value(rule).unwrap();
    let set = Action::SetLimit { id: "closed".into(), limit: limit.encode().into() };
    let asks = Say::call(probe, &Probe::counterCall {});
    let id = committee.propose(&set);
    committee.carry(id);
    let txs = [developer.sign(&asks), committee.members[1].sign(&execute(id)), developer.sign(&asks)];
    let receipts = committee.net.block(&txs).receipts;
    let outcomes: Vec<_> = receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::RuleViolated]);
    let changed =
        receipts[1].logs.iter().find_map(|log| governance::LimitChanged::decode_log(log).ok()).unwrap();
    assert_eq!((changed.id.as_str(), changed.inForce, changed.proposalId), ("closed", true, id));
    let told = concordat_core::rules::abi::IRules::RuleViolated::abi_decode(&receipts[2].output).unwrap();
    assert_eq!((told.id.as_str(), told.proposal), ("closed", id));
    committee.pass(&Action::RepealLimit { id: "closed".into() });
    committee.net.one(&developer.sign(&asks));
}

#[test]
fn what_is_no_rule_is_refused_when_it_is_proposed() {
    let mut committee = Committee::new();
    let rule = |contract: Address| {
        let rule = serde_json::json!({
            "id": "rule", "reason": "a test", "contract": contract, "method": "vote(uint64,uint8,bytes32)",
            "count": { "max": 0, "window_secs": 60, "per": "account" },
        });
        serde_json::from_value::<concordat_core::rules::Limit>(rule)
    };
    let bytes = Bytes::from(rule(Address::repeat_byte(9)).unwrap().encode());
    assert!(rule(GOVERNANCE).is_err());
    // The bytes of a rule on governance itself.
    let at = bytes.windows(20).position(|part| part == [9; 20]).unwrap();
    let mut system = bytes.to_vec();
    system[at..at + 20].copy_from_slice(GOVERNANCE.as_slice());
    for (id, limit) in [("rule", system.into()), ("other", bytes.clone()), ("rule", bytes.slice(1..))] {
        let action = Action::SetLimit { id: id.into(), limit };
        assert_eq!(committee.refused(0, &propose(&action)), 76);
    }
    assert_eq!(committee.refused(0, &propose(&Action::RepealLimit { id: "rule".into() })), 77);
    assert_eq!(committee.pass(&Action::SetLimit { id: "rule".into(), limit: bytes.clone() }), 1);
    let again = Action::SetLimit { id: "rule".into(), limit: bytes };
    assert_eq!(committee.refused(0, &propose(&again)), 35);
}
