//! Whose activity a block tells, and that what it tells is proven against the state alone.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use concordat_core::{
    AccountState, BlockOutcome, GOVERNANCE, IDENTITY_REGISTRY, abi::IIdentityRegistry as registry,
    account_state, gas, last_active,
};
use concordat_types::{
    Role, StateKey, VerifiedTx,
    activity::{
        Activity, Claim, NodeAt, Part, Peaks, ProofError, ProvenBlock, ProvenTransaction, Subject, merkle,
        roles,
    },
    receipt::Outcome,
};

use crate::kit::{Actor, Consortium, Probe, Say, Token, bytecode, token_init_code};

fn subject(address: Address) -> Subject {
    Subject::Address(address)
}

fn organisation(id: &str) -> Subject {
    id.parse().unwrap()
}

fn activities(outcome: &BlockOutcome) -> BTreeMap<Subject, Activity> {
    let activities = outcome.history.as_ref().unwrap().activity.activities.iter();
    activities.map(|activity| (activity.subject.clone(), activity.clone())).collect()
}

/// What a block tells of a subject: places and roles.
fn parts(outcome: &BlockOutcome, subject: &Subject) -> Vec<(u32, u8)> {
    let told = activities(outcome);
    told.get(subject)
        .map(|told| told.parts.iter().map(|part| (part.index, part.roles)).collect())
        .unwrap_or_default()
}

fn transfer(token: Address, to: Address) -> Say {
    Say::call(token, &Token::transferCall { to, value: U256::from(1) })
}

#[test]
fn a_transfer_is_told_of_its_sender_its_token_its_receiver_and_their_organisations() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let operator = net.actor("bank-b", Role::Operator);
    let nobody = Address::repeat_byte(0x77);
    let txs = [developer.sign(&transfer(token, operator.address)), developer.sign(&transfer(token, nobody))];
    let outcome = net.block(&txs);
    let sent = roles::SENDER | roles::NAMED;
    let own = roles::CALLED | roles::EMITTED | roles::CHANGED;
    assert_eq!(parts(&outcome, &subject(developer.address)), [(0, sent), (1, sent)]);
    assert_eq!(parts(&outcome, &subject(token)), [(0, own), (1, own)]);
    assert_eq!(parts(&outcome, &subject(operator.address)), [(0, roles::NAMED)]);
    assert_eq!(parts(&outcome, &organisation("bank-a")), [(0, sent), (1, sent)]);
    assert_eq!(parts(&outcome, &organisation("bank-b")), [(0, roles::NAMED)]);
    assert!(parts(&outcome, &subject(nobody)).is_empty(), "nobody has enrolled it, and it has no code");
    assert_eq!(activities(&outcome).len(), 5);
}

#[test]
fn a_refused_transaction_and_one_that_reverts_count_for_their_senders_and_change_nobodys_storage() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let auditor = net.actor("bank-a", Role::Auditor);
    let operator = net.actor("bank-b", Role::Operator);
    let to = Say { to: TxKind::Call(token), input: Bytes::new(), gas: 60_000 };
    let outcome = net.block(&[auditor.sign(&to), operator.sign(&transfer(token, developer.address))]);
    assert!(outcome.receipts[0].outcome.refused());
    assert_eq!(outcome.receipts[1].outcome, Outcome::Reverted);
    assert_eq!(parts(&outcome, &subject(auditor.address)), [(0, roles::SENDER)]);
    assert_eq!(parts(&outcome, &subject(operator.address)), [(1, roles::SENDER)]);
    assert_eq!(parts(&outcome, &subject(token)), [(0, roles::CALLED), (1, roles::CALLED)]);
    assert!(parts(&outcome, &subject(developer.address)).is_empty());
}

#[test]
fn who_enrols_and_what_is_made_in_a_block_are_told_in_that_block() {
    let mut net = Consortium::new();
    let developer = net.stranger("bank-a", Role::Developer, "dev");
    let outcome = net.block(&[
        developer.sign(&developer.enrolment()),
        developer.sign(&Say::deploy(bytecode("Probe").into())),
    ]);
    let probe = outcome.receipts[1].contract_address.unwrap();
    assert_eq!(parts(&outcome, &subject(probe)), [(1, roles::CALLED)]);
    let enrolled = parts(&outcome, &subject(developer.address));
    assert_eq!(enrolled.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(parts(&outcome, &organisation("bank-a")), enrolled);
    let system = parts(&outcome, &subject(IDENTITY_REGISTRY));
    assert_eq!(system, [(0, roles::CALLED | roles::EMITTED)]);

    net.block(&[developer.sign(&Say::call(probe, &Probe::mayflyCall {}))]);
    let mayfly = probe.create(1);
    assert_eq!(account_state(&net.state, mayfly).unwrap(), AccountState::default(), "it is gone");
}

#[test]
fn a_receiver_has_a_row_and_stays_empty_for_the_machine() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let operator = net.stranger("bank-b", Role::Operator, "op");
    net.block(&[developer.sign(&transfer(token, operator.address))]);
    assert!(!net.state.values.contains_key(&StateKey::account(operator.address)), "it has not enrolled");
    net.enrol(&operator);
    let height = net.height;
    net.block(&[developer.sign(&transfer(token, operator.address))]);
    let state = account_state(&net.state, operator.address).unwrap();
    assert_eq!((state.nonce, state.last_active), (1, height));
    assert!(AccountState { nonce: 0, ..state }.is_empty() && !AccountState { nonce: 0, ..state }.is_absent());
}

#[test]
fn each_activity_names_the_one_before_and_the_state_names_the_last() {
    let mut net = Consortium::new();
    let (developer, token) = net.deploy(token_init_code(1_000));
    let operator = net.actor("bank-b", Role::Operator);
    let mut want = 0;
    for _ in 0..3 {
        let height = net.height;
        let outcome = net.block(&[developer.sign(&transfer(token, operator.address))]);
        let told = &activities(&outcome)[&organisation("bank-b")];
        if want != 0 {
            assert_eq!(told.previous, want);
        }
        want = height;
        net.block(&[]);
    }
    let row = net.state.values.get(&organisation("bank-b").state_key()).map(Vec::as_slice);
    assert_eq!(last_active(&organisation("bank-b"), row), Ok(want));
    let row = net.state.values.get(&StateKey::account(token)).map(Vec::as_slice);
    assert_eq!(last_active(&subject(token), row), Ok(want));
    assert_eq!(last_active(&subject(Address::ZERO), None), Ok(0));
    assert!(last_active(&subject(token), Some(&[1, 2])).is_err());
}

#[test]
fn a_block_without_transactions_changes_nothing() {
    let mut net = Consortium::new();
    let outcome = net.block(&[]);
    assert!(outcome.changes.is_empty() && outcome.history.is_none());
}

/// What a node keeps of a chain.
struct Kept {
    net: Consortium,
    nodes: BTreeMap<NodeAt, B256>,
    blocks: BTreeMap<u64, (Vec<VerifiedTx>, BlockOutcome)>,
}

impl Kept {
    fn block(&mut self, txs: Vec<VerifiedTx>) {
        let height = self.net.height;
        let outcome = self.net.block(&txs);
        self.nodes.extend(outcome.history.iter().flat_map(|history| history.nodes.clone()));
        self.blocks.insert(height, (txs, outcome));
    }

    fn claim(&self, subject: &Subject, from: u64, to: u64) -> Claim {
        let row = |key: &StateKey| self.net.state.values.get(key).map(Vec::as_slice);
        Claim {
            subject: subject.clone(),
            from,
            to,
            last: last_active(subject, row(&subject.state_key())).unwrap(),
            peaks: Peaks::decode(row(&Peaks::state_key()).unwrap()).unwrap(),
        }
    }

    fn prove(&self, claim: &Claim) -> Vec<ProvenBlock> {
        let (mut blocks, mut height) = (Vec::new(), claim.last);
        while height >= claim.from {
            let (txs, outcome) = &self.blocks[&height];
            let block = &outcome.history.as_ref().unwrap().activity;
            let (activity, activity_place, activity_path) = block.prove(&claim.subject).unwrap();
            let prove = |part: &Part| {
                let index = part.index as usize;
                let leaves = outcome.receipts.iter().map(|receipt| receipt.result_leaf()).collect();
                ProvenTransaction {
                    raw: txs[index].raw().clone(),
                    receipt: outcome.receipts[index].encode().into(),
                    path: merkle::path(leaves, index),
                }
            };
            let inside = height <= claim.to;
            let path = claim.peaks.path(block.place).unwrap();
            blocks.push(ProvenBlock {
                record: block.record,
                place: block.place,
                path: path.iter().map(|at| self.nodes[at]).collect(),
                transactions: activity.parts.iter().filter(|_| inside).map(prove).collect(),
                activity_place,
                activity_path,
                activity: activity.clone(),
            });
            height = activity.previous;
        }
        blocks
    }
}

/// Twelve blocks in which two accounts send to each other in turns, each third one empty.
fn chain() -> (Kept, Actor, Actor, Address, u64) {
    let net = Consortium::new();
    let mut kept = Kept { net, nodes: BTreeMap::new(), blocks: BTreeMap::new() };
    let developer = kept.net.stranger("bank-a", Role::Developer, "dev");
    let operator = kept.net.stranger("bank-b", Role::Operator, "op");
    kept.block(vec![developer.sign(&developer.enrolment()), operator.sign(&operator.enrolment())]);
    let token = developer.address.create(1);
    kept.block(vec![developer.sign(&Say::deploy(token_init_code(1_000)))]);
    let first = kept.net.height;
    for number in 0..12 {
        let to_operator = || developer.sign(&transfer(token, operator.address));
        let txs = match number % 3 {
            0 => vec![to_operator(), to_operator()],
            1 => vec![operator.sign(&transfer(token, developer.address))],
            _ => Vec::new(),
        };
        kept.block(txs);
    }
    (kept, developer, operator, token, first)
}

#[test]
fn all_that_a_chain_executed_is_proven_from_its_newest_state_for_accounts_contracts_and_organisations() {
    let (kept, developer, operator, token, first) = chain();
    let expected = [
        (subject(developer.address), 12),
        (subject(operator.address), 12),
        (subject(token), 12),
        (organisation("bank-a"), 12),
        (organisation("bank-b"), 12),
        (subject(GOVERNANCE), 0),
    ];
    for (subject, count) in expected {
        let claim = kept.claim(&subject, first, first + 11);
        assert_eq!(claim.verify(&kept.prove(&claim)).unwrap().len(), count, "{subject}");
    }
    let claim = kept.claim(&subject(operator.address), first + 1, first + 1);
    let seen = claim.verify(&kept.prove(&claim)).unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].block.0, seen[0].receipt.sender), (first + 1, operator.address));
    let empty = kept.claim(&subject(operator.address), first + 2, first + 2);
    assert_eq!(empty.verify(&kept.prove(&empty)), Ok(vec![]), "the block is empty");
}

#[test]
fn what_is_left_out_of_an_executed_chain_is_missed() {
    let (kept, developer, operator, _, first) = chain();
    let claim = kept.claim(&subject(developer.address), first, first + 11);
    let proof = kept.prove(&claim);
    let mut short = proof.clone();
    let gone = short.remove(3).record.height;
    assert!(matches!(claim.verify(&short), Err(ProofError::Skipped { want, .. }) if want == gone));
    // The operator's chain is no substitute, though it runs through the same blocks.
    let other = kept.claim(&subject(operator.address), first, first + 11);
    assert!(matches!(claim.verify(&kept.prove(&other)), Err(ProofError::Subject { .. })));
    // A later state knows more, and the old proof is not taken for it.
    let mut later = kept;
    later.block(vec![developer.sign(&Say::registry(&registry::organisationsCall {}))]);
    let now = later.claim(&subject(developer.address), first, first + 12);
    assert!(matches!(now.verify(&proof), Err(ProofError::Skipped { .. })));
    assert!(now.verify(&later.prove(&now)).is_ok());
}

/// A contract that emits an event for each word of its input, with that word as its only topic.
fn herald(net: &mut Consortium, developer: &Actor) -> Address {
    let init = hex!("745f5b368110600957005b80355f5fa1602001600156" "5f526015600bf3");
    let receipt = net.one(&developer.sign(&Say::deploy(init.to_vec().into())));
    receipt.contract_address.unwrap()
}

/// Names addresses by way of [`herald`]: so many different ones, and the first one again.
fn naming(herald: Address, names: u8) -> Say {
    let names = (1..=names).chain([1]).map(|name| Address::repeat_byte(name).into_word());
    let input: Vec<u8> = names.flat_map(|word| word.0).collect();
    Say { to: TxKind::Call(herald), input: input.into(), gas: 500_000 }
}

#[test]
fn whoever_names_more_than_eight_addresses_pays_for_each_further_one() {
    let mut net = Consortium::new();
    let developer = net.actor("bank-a", Role::Developer);
    let herald = herald(&mut net, &developer);
    let mut used = |names: u8| net.one(&developer.sign(&naming(herald, names))).gas_used;
    let [seven, eight, nine, ten] = [7, 8, 9, 10].map(&mut used);
    let word = eight - seven;
    assert_eq!((nine - eight, ten - nine), (word + gas::NAMED, word + gas::NAMED));
    let receipt = net.try_one(&developer.sign(&naming(herald, 10).gas(ten - 1)));
    assert_eq!((receipt.outcome, receipt.gas_used, receipt.logs.len()), (Outcome::Halted, ten - 1, 0));
    net.one(&developer.sign(&naming(herald, 10).gas(ten)));
}
