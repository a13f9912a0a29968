//! Identities and nodes that are shut out by vote.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_core::{
    IDENTITY_REGISTRY, IdentityEvent, Registry, TxInvalid, abi::IIdentityRegistry as registry, admission,
    governance::abi::IGovernance as governance,
};
use concordat_governance::{
    Action,
    action::{BarTarget, NewValidator, Scope},
};
use concordat_pki_authority::KeyType;
use concordat_types::{Role, StateKey, StateReader as _, receipt::Outcome};

use crate::{
    kit::{Actor, Consortium, Say, certify, org},
    recovery::{
        NOTICE, basis, business, carry, confirm, execute, holder, pass, proposal_refused, recover, refused,
        registrars, replace, request,
    },
};

fn bar(account: &Actor) -> Action {
    Action::BarAccount { account: account.address, basis: basis() }
}

fn lift(account: &Actor) -> Action {
    Action::LiftBar { target: BarTarget::Account(account.address), basis: basis() }
}

fn enrolled(net: &mut Consortium, name: &str, seed: &str) -> Actor {
    let actor = holder(net, "bank-a", Role::Operator, name, seed);
    net.enrol(&actor);
    actor
}

fn told(net: &Consortium, account: &Actor) -> registry::Bar {
    net.ask(IDENTITY_REGISTRY, &registry::barCall { account: account.address })
}

/// Why somebody cannot enrol.
fn enrolment_refusal(net: &Consortium, actor: &Actor) -> String {
    match net.invalid(&actor.sign_at(&actor.enrolment(), 0)) {
        TxInvalid::EnrolmentRefused { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_barred_account_is_refused_wholly_from_the_next_transaction_of_the_same_block() {
    let (mut net, members) = Consortium::governed();
    let mallory = enrolled(&mut net, "Mallory", "m");
    let id = carry(&mut net, &members, &bar(&mallory));
    let now = net.time_secs;
    let later = certify(net.authority("bank-a"), &mallory.key, Role::Operator, "Mallory", 60, now);
    let renewal = Say::registry(&registry::renewCall { chain: later.chain.clone() });
    let txs = [
        mallory.sign(&business()),
        members[0].sign(&execute(id)),
        mallory.sign(&business()),
        mallory.sign(&renewal),
        mallory.sign(&Say::registry(&registry::versionCall {})),
    ];
    let block = net.block(&txs);
    let outcomes: Vec<_> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    let barred = Outcome::Barred;
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, barred, barred, barred]);
    let event = governance::AccountBarred::decode_log(block.receipts[1].logs.last().unwrap()).unwrap();
    assert!(event.barred && event.identity == mallory.address && event.documentReference == "Order 7");
    let identity = mallory.address;
    assert_eq!(block.identity_events, [IdentityEvent::AccountBarred { identity, barred: true }]);
    let bar = told(&net, &mallory);
    assert!(bar.barred && bar.proposalId == id && bar.since == net.height - 1);
    assert!(!net.ask(IDENTITY_REGISTRY, &registry::accountCall { account: mallory.address }).active);

    let refused = admission(&net.state, &mallory.sign_at(&business(), mallory.nonce.get()), &net.env());
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("only a vote of the committee lifts that"), "{refused}");
    let connects = Registry::new(&net.state).authorize_client(&later.chain, net.now());
    assert!(connects.unwrap_err().to_string().contains("barred"));

    pass(&mut net, &members, &lift(&mallory));
    net.one(&mallory.sign(&business()));
    assert!(!told(&net, &mallory).barred);
    assert!(Registry::new(&net.state).authorize_client(&later.chain, net.now()).is_ok());
}

#[test]
fn a_barred_subject_enrols_with_no_other_key_until_the_bar_is_lifted() {
    let (mut net, members) = Consortium::governed();
    let mallory = enrolled(&mut net, "Mallory", "m");
    pass(&mut net, &members, &bar(&mallory));
    for name in ["Mallory", "mallory", " MALLORY "] {
        let again = holder(&mut net, "bank-a", Role::Developer, name, "another key");
        let reason = enrolment_refusal(&net, &again);
        assert!(reason.contains("of bank-a is barred"), "{reason}");
        let connects = Registry::new(&net.state).authorize_client(&again.chain, net.now());
        assert!(connects.is_err());
    }
    // The name is another organisation's, or another name.
    let elsewhere = holder(&mut net, "bank-b", Role::Operator, "Mallory", "b");
    net.enrol(&elsewhere);
    enrolled(&mut net, "Mallory Miller", "other");
    pass(&mut net, &members, &lift(&mallory));
    enrolled(&mut net, "Mallory", "another key");
}

#[test]
fn other_accounts_of_a_barred_subject_go_on_but_are_not_renewed() {
    let (mut net, members) = Consortium::governed();
    let [one, two] = ["one", "two"].map(|seed| enrolled(&mut net, "Mallory", seed));
    pass(&mut net, &members, &bar(&one));
    net.one(&two.sign(&business()));
    let now = net.time_secs;
    let later = certify(net.authority("bank-a"), &two.key, Role::Operator, "Mallory", 60, now);
    let renewal = Say::registry(&registry::renewCall { chain: later.chain });
    let error: registry::SubjectBarred = refused(&mut net, &two, &renewal);
    assert_eq!((error.organisation.as_str(), error.commonName.as_str()), ("bank-a", "Mallory"));

    // A subject with two barred identities is barred until both are lifted.
    pass(&mut net, &members, &bar(&two));
    pass(&mut net, &members, &lift(&one));
    assert_eq!(net.try_one(&two.sign(&business())).outcome, Outcome::Barred);
    net.one(&one.sign(&business()));
    let third = holder(&mut net, "bank-a", Role::Operator, "Mallory", "three");
    assert!(enrolment_refusal(&net, &third).contains("barred"));
    pass(&mut net, &members, &lift(&two));
    net.enrol(&third);
}

#[test]
fn a_barred_identity_recovers_no_key_neither_by_its_registrars_nor_by_vote() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let mallory = enrolled(&mut net, "Mallory", "m");
    let new = holder(&mut net, "bank-a", Role::Operator, "Mallory", "new key");
    net.one(&registrars[0].sign(&request(&mallory, &new)));
    net.height += NOTICE;
    pass(&mut net, &members, &bar(&mallory));
    let _: registry::Barred = refused(&mut net, &registrars[1], &confirm(&mallory, &new));
    let _: registry::Barred = refused(&mut net, &registrars[1], &request(&mallory, &new));
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&mallory, &new)), 56);
    assert_eq!(proposal_refused(&mut net, &members[0], &bar(&mallory)), 56);
    // Nor does anybody else's account go to the barred subject.
    let olga = enrolled(&mut net, "Olga", "o");
    let again = holder(&mut net, "bank-a", Role::Operator, "Mallory", "another key");
    let _: registry::SubjectBarred = refused(&mut net, &registrars[0], &request(&olga, &again));
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&olga, &again)), 34);
    pass(&mut net, &members, &lift(&mallory));
    assert_eq!(proposal_refused(&mut net, &members[0], &lift(&mallory)), 59);
    net.one(&registrars[1].sign(&confirm(&mallory, &new)));
}

#[test]
fn a_founder_whose_subject_is_barred_is_not_counted_as_able() {
    let (mut net, mut members) = Consortium::governed_by(&["bank-a", "bank-b", "bank-c"]);
    let absent = members.pop().unwrap();
    assert_eq!(Registry::new(&net.state).account(absent.address).unwrap(), None);
    let namesake = holder(&mut net, "bank-d", Role::Operator, "MEMBER", "another key");
    net.enrol(&namesake);
    let (account, scope) = (members[2].address, Scope::All);
    let freeze = Action::FreezeAccount { account, scope, basis: basis(), until: 0 };
    carry(&mut net, &members, &freeze);
    pass(&mut net, &members, &bar(&namesake));
    assert!(enrolment_refusal(&net, &absent).contains("barred"));
    assert_eq!(proposal_refused(&mut net, &members[0], &freeze), 54, "two of four could change nothing back");
    pass(&mut net, &members, &lift(&namesake));
    net.enrol(&absent);
}

#[test]
fn a_bar_names_any_account_of_an_identity_and_binds_the_one_that_acts() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "Mallory", "m");
    let new = holder(&mut net, "bank-a", Role::Operator, "Mallory", "new key");
    let id = carry(&mut net, &members, &bar(&old));
    replace(&mut net, &registrars, &old, &new);
    net.one(&members[0].sign(&execute(id)));
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Barred);
    assert!(told(&net, &old).barred && told(&net, &new).barred);
    assert!(Registry::new(&net.state).bar(new.address).unwrap().is_some());
    pass(&mut net, &members, &lift(&new));
    net.one(&new.sign(&business()));
}

#[test]
fn bars_and_freezes_bind_each_for_itself() {
    let (mut net, members) = Consortium::governed();
    let mallory = enrolled(&mut net, "Mallory", "m");
    let account = mallory.address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    pass(&mut net, &members, &freeze);
    pass(&mut net, &members, &bar(&mallory));
    assert_eq!(net.try_one(&mallory.sign(&business())).outcome, Outcome::Barred);
    pass(&mut net, &members, &lift(&mallory));
    assert_eq!(net.try_one(&mallory.sign(&business())).outcome, Outcome::Frozen);
    pass(&mut net, &members, &bar(&mallory));
    pass(&mut net, &members, &Action::UnfreezeAccount { account, basis: basis() });
    assert_eq!(net.try_one(&mallory.sign(&business())).outcome, Outcome::Barred);
}

#[test]
fn members_are_barred_one_by_one_as_long_as_the_others_can_act() {
    let (mut net, members) = Consortium::governed();
    let stranger = holder(&mut net, "bank-a", Role::Operator, "Nobody", "nobody");
    assert_eq!(proposal_refused(&mut net, &members[0], &bar(&stranger)), 50);
    pass(&mut net, &members[..3], &bar(&members[3]));
    assert_eq!(net.try_one(&members[3].sign(&execute(1))).outcome, Outcome::Barred);
    assert_eq!(proposal_refused(&mut net, &members[0], &bar(&members[2])), 54);
}

fn node(net: &mut Consortium, name: &str) -> (Actor, B256) {
    let node = net.stranger_with(KeyType::P256, "bank-d", Role::Validator, name, 30);
    let key = Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).unwrap().spki_sha256;
    (node, key)
}

fn bar_node(node_key: B256) -> Action {
    Action::BarNode { node_key, basis: basis() }
}

#[test]
fn a_barred_node_opens_no_connection_and_becomes_no_validators() {
    let (mut net, members) = Consortium::governed();
    let (node, key) = node(&mut net, "n");
    let id = carry(&mut net, &members, &bar_node(key));
    let block = net.block(&[members[0].sign(&execute(id))]);
    assert_eq!(block.identity_events, [IdentityEvent::NodeBarred { node_key: key, barred: true }]);
    let event = governance::NodeBarred::decode_log(block.receipts[0].logs.last().unwrap()).unwrap();
    assert!(event.barred && event.nodeKeyHash == key && event.proposalId == id);
    let connects = |net: &Consortium| Registry::new(&net.state).authorize_node(&node.chain, net.time_secs);
    assert!(connects(&net).unwrap_err().to_string().contains("is barred"));
    assert!(net.ask(IDENTITY_REGISTRY, &registry::nodeBarCall { nodeKeyHash: key }).barred);
    assert!(Registry::new(&net.state).node_bar(key).unwrap().is_some());
    let vote = net.stranger_with(KeyType::Ed25519, "bank-d", Role::Consensus, "v", 30);
    let validator = Action::AdmitValidator(NewValidator {
        node_chain: node.chain.clone(),
        consensus_chain: vote.chain,
        node_address: "new.example:26656".into(),
        power: 10,
    });
    assert_eq!(proposal_refused(&mut net, &members[0], &validator), 34);
    assert_eq!(proposal_refused(&mut net, &members[0], &bar_node(key)), 56);
    let lift = Action::LiftBar { target: BarTarget::Node(key), basis: basis() };
    pass(&mut net, &members, &lift);
    assert!(connects(&net).is_ok());
    pass(&mut net, &members, &validator);
}

#[test]
fn a_registrar_admits_no_barred_node_on_a_chain_without_a_committee() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let node = net.stranger_with(KeyType::P256, "bank-a", Role::Validator, "n", 30);
    let vote = net.stranger_with(KeyType::Ed25519, "bank-a", Role::Consensus, "v", 30);
    let key = Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).unwrap().spki_sha256;
    // [document, reference, since, proposal, subject], as governance writes it: golden.
    let row = format!("f84ca0{}874f7264657220370305a0{}", "01".repeat(32), "00".repeat(32));
    net.state.values.insert(StateKey::system(0x12, key.as_slice()), hex::decode(row).unwrap());
    let admit = registry::admitValidatorCall {
        nodeChain: node.chain,
        consensusChain: vote.chain,
        nodeAddress: "a:1".into(),
        power: 1,
    };
    let error: registry::NodeBarred = refused(&mut net, &registrar, &Say::registry(&admit));
    assert_eq!(error.nodeKeyHash, key);
}

#[test]
fn a_validators_node_is_barred_only_after_the_validator() {
    let (mut net, members) = Consortium::governed();
    let records = Registry::new(&net.state).validator_records().unwrap();
    let record = records.iter().find(|record| record.org == org("bank-d")).unwrap();
    assert_eq!(proposal_refused(&mut net, &members[0], &bar_node(record.node_spki)), 36);
    let consensus_key = record.consensus_key.into();
    pass(&mut net, &members, &Action::RetireValidator { consensus_key });
    pass(&mut net, &members, &bar_node(record.node_spki));
    assert_eq!(Registry::new(&net.state).validator_records().unwrap().len(), 3);
}

#[test]
fn the_rows_of_a_bar_are_golden_and_leave_nothing_behind() {
    let (mut net, members) = Consortium::governed();
    let mallory = enrolled(&mut net, "Mallory", "m");
    let before = net.state.values.clone();
    let receipt = pass(&mut net, &members, &bar(&mallory));
    assert!(governance::ProposalDecided::decode_log(&receipt.logs[0]).is_ok());
    let (since, proposal) = (told(&net, &mallory).since, told(&net, &mallory).proposalId);
    let row = net.state.get(&StateKey::system(0x10, mallory.address.as_slice())).unwrap().unwrap();
    let subjects: Vec<_> =
        net.state.values.iter().filter(|(key, _)| matches!(key.as_bytes(), [0x10, 0x11, ..])).collect();
    let [(subject, count)] = subjects[..] else { panic!("{subjects:?}") };
    assert_eq!(*count, [1]);
    let height = hex::encode(alloy_rlp::encode(since));
    let content = format!(
        "a0{}874f726465722037{height}{proposal:02x}a0{}",
        "01".repeat(32),
        hex::encode(&subject.as_bytes()[2..])
    );
    assert!(hex::encode(row).ends_with(&content));
    pass(&mut net, &members, &lift(&mallory));
    let standing = StateKey::system(0x03, mallory.address.as_slice());
    assert_eq!(net.state.values[&standing], before[&standing]);
    let left = net.state.values.keys().filter(|key| matches!(key.as_bytes(), [0x10, 0x10..=0x12, ..]));
    assert_eq!(left.count(), 0);
}

#[test]
fn recoveries_and_bars_refuse_call_data_that_are_none() {
    let mut net = Consortium::new();
    let [registrar, _] = registrars(&mut net);
    use alloy_sol_types::SolCall as _;
    let selectors = [
        registry::requestRecoveryCall::SELECTOR,
        registry::confirmRecoveryCall::SELECTOR,
        registry::cancelRecoveryCall::SELECTOR,
        registry::identityOfCall::SELECTOR,
        registry::accountOfCall::SELECTOR,
        registry::recoveryCall::SELECTOR,
        registry::barCall::SELECTOR,
        registry::nodeBarCall::SELECTOR,
    ];
    for selector in selectors {
        let input = Bytes::from([&selector[..], &[0xff; 7]].concat());
        let receipt =
            net.try_one(&registrar.sign(&Say { input, ..Say::registry(&registry::versionCall {}) }));
        assert!(registry::MalformedCall::abi_decode(&receipt.output).is_ok(), "{selector:02x?}");
    }
}
