//! Going back to an earlier state on chain: what is restored, what is recorded, and what stops it.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent as _;
use concordat_core::{
    BlockEnv, GOVERNANCE, SlotAccess, TxAccess, block_access, gas, governance::abi::IGovernance as governance,
};
use concordat_governance::{
    Action,
    action::{Basis, Reversed, Rollback, SlotChange},
};
use concordat_types::{Role, VerifiedTx, state::MemoryState};

use crate::{
    governance::{Committee, execute, propose},
    kit::{Actor, Consortium, Say, Token, token_init_code},
};

const EXECUTED: u8 = 1;
const FAILED: u8 = 2;

/// A chain on which the wrong account was paid.
struct Mistake {
    committee: Committee,
    payer: Actor,
    wrong: Actor,
    token: Address,
    /// The state after the height to go back to, and the block that follows it.
    before: MemoryState,
    env: BlockEnv,
    tx: VerifiedTx,
}

fn pay(token: Address, to: Address, value: u64) -> Say {
    Say::call(token, &Token::transferCall { to, value: U256::from(value) })
}

fn balance(net: &Consortium, token: Address, owner: Address) -> u64 {
    net.ask(token, &Token::balanceOfCall { owner }).to()
}

impl Mistake {
    fn new() -> Self {
        let mut committee = Committee::new();
        let (payer, token) = committee.net.deploy(token_init_code(1_000));
        let wrong = committee.net.actor("bank-b", Role::Operator);
        let (before, env) = (committee.net.state.clone(), committee.net.env());
        let tx = payer.sign(&pay(token, wrong.address, 250));
        committee.net.one(&tx);
        Self { committee, payer, wrong, token, before, env, tx }
    }

    fn access(&self) -> Vec<TxAccess> {
        block_access(&self.before, self.env.clone(), std::slice::from_ref(&self.tx), 100_000).unwrap()
    }

    /// What reverses the payment.
    fn rollback(&self) -> Rollback {
        let written = self.access().remove(0).slots.into_iter().filter(|slot| slot.before != slot.after);
        let restore = |SlotAccess { contract, slot, before, after }| SlotChange {
            contract,
            slot,
            before: after,
            after: before,
        };
        Rollback {
            basis: Basis { document: B256::repeat_byte(1), reference: "Order 7".into() },
            height: self.env.height - 1,
            root: B256::repeat_byte(3),
            transactions: vec![Reversed { height: self.env.height, hash: self.tx.hash() }],
            slots: written.map(restore).collect(),
        }
    }

    fn balances(&self) -> [u64; 2] {
        let net = &self.committee.net;
        [&self.payer, &self.wrong].map(|owner| balance(net, self.token, owner.address))
    }
}

#[test]
fn a_wrong_transfer_is_reversed_and_recorded() {
    let mut it = Mistake::new();
    assert_eq!(it.balances(), [750, 250]);
    let rollback = it.rollback();
    assert_eq!(rollback.slots.len(), 2, "{rollback:?}");
    let action = Action::RollBack(rollback.clone());
    let id = it.committee.propose(&action);
    let none = it.committee.net.ask(GOVERNANCE, &governance::rollbackCall { id });
    assert_eq!((none.executed, none.slots, none.transactions.len()), (0, 0, 0));
    it.committee.carry(id);
    let executed = it.committee.net.height;
    let receipt = it.committee.net.one(&it.committee.members[1].sign(&execute(id)));
    assert_eq!(it.balances(), [1_000, 0]);
    assert!(receipt.gas_used > 2 * (gas::ROW_WRITE + gas::ROW_READ) + 2 * gas::ROW_WRITE, "{receipt:?}");

    let told = governance::StateRolledBack::decode_log(&receipt.logs[1]).unwrap().data;
    let root = B256::repeat_byte(3);
    assert_eq!((told.proposalId, told.height, told.root, told.slots), (id, rollback.height, root, 2));
    let told = governance::TransactionReversed::decode_log(&receipt.logs[2]).unwrap().data;
    assert_eq!((told.hash, told.height, told.proposalId), (it.tx.hash(), it.env.height, id));
    let record = it.committee.net.ask(GOVERNANCE, &governance::rollbackCall { id });
    assert_eq!((record.executed, record.height, record.root), (executed, rollback.height, root));
    assert_eq!((record.slots, record.slotsDigest), (2, rollback.slots_digest()));
    assert_eq!((record.transactions, record.heights), (vec![it.tx.hash()], vec![it.env.height]));
}

#[test]
fn the_slots_are_those_of_the_state_before() {
    let mut it = Mistake::new();
    let slots = it.rollback().slots;
    let keys = slots.iter().map(|slot| concordat_types::StateKey::storage(slot.contract, slot.slot.into()));
    let keys: Vec<_> = keys.collect();
    let action = Action::RollBack(it.rollback());
    assert_eq!(it.committee.pass(&action), EXECUTED);
    for key in &keys {
        assert_eq!(it.committee.net.state.values.get(key), it.before.values.get(key), "{key:?}");
    }
}

#[test]
fn what_was_restored_is_what_the_next_transaction_of_the_block_finds() {
    let mut it = Mistake::new();
    let id = it.committee.propose(&Action::RollBack(it.rollback()));
    it.committee.carry(id);
    let (before, env) = (it.committee.net.state.clone(), it.committee.net.env());
    let txs = [
        it.committee.members[1].sign(&execute(id)),
        it.payer.sign(&pay(it.token, Address::ZERO.create(1), 1_000)),
    ];
    let outcome = it.committee.net.block(&txs);
    assert!(outcome.receipts.iter().all(|receipt| receipt.outcome.succeeded()), "{outcome:?}");
    assert_eq!(it.balances(), [0, 0]);
    let access = block_access(&before, env, &txs, 100_000).unwrap();
    let rolled = it.rollback().slots;
    let wrote = |access: &TxAccess| access.slots.iter().filter(|slot| slot.before != slot.after).count();
    assert_eq!(access.iter().map(wrote).collect::<Vec<_>>(), [2, 2], "what a rollback wrote is told as well");
    assert_eq!((access[0].slots[0].before, access[0].slots[0].after), (rolled[0].before, rolled[0].after));
}

#[test]
fn whatever_moved_later_refuses_the_plan_by_name() {
    let mut it = Mistake::new();
    let plan = Action::RollBack(it.rollback());
    let id = it.committee.propose(&plan);
    it.committee.carry(id);
    let onward = it.wrong.sign(&pay(it.token, it.committee.members[0].address, 1));
    it.committee.net.one(&onward);
    assert_eq!(it.committee.refused(0, &propose(&plan)), 100);
    assert_eq!(it.committee.execute(id), FAILED);
    let proposal = it.committee.proposal(id);
    assert_eq!(proposal.refusal, 100);
    assert!(proposal.reason.contains("something later depends on it; plan anew"), "{}", proposal.reason);
    assert_eq!(it.balances(), [750, 249]);
}

#[test]
fn the_chain_itself_and_what_is_no_contract_are_not_rolled_back() {
    let mut it = Mistake::new();
    let of = |contract, it: &Mistake| {
        let slot = SlotChange { contract, slot: U256::ONE, before: U256::ZERO, after: U256::ONE };
        propose(&Action::RollBack(Rollback { slots: vec![slot], ..it.rollback() }))
    };
    for (contract, code) in [(GOVERNANCE, 102), (Address::with_last_byte(2), 80), (it.payer.address, 80)] {
        let said = of(contract, &it);
        assert_eq!(it.committee.refused(0, &said), code, "{contract}");
    }
    let later = Rollback { height: it.committee.net.height + 5, transactions: vec![], ..it.rollback() };
    assert_eq!(it.committee.refused(0, &propose(&Action::RollBack(later))), 101);
}

#[test]
fn the_access_of_a_block_tells_reads_writes_and_what_was_made_but_nothing_of_failures() {
    let it = Mistake::new();
    let access = it.access();
    assert_eq!((access.len(), access[0].hash, &access[0].made), (1, it.tx.hash(), &vec![]));
    assert!(access[0].slots.iter().all(|slot| slot.contract == it.token), "{access:?}");
    let too_much = it.payer.sign_at(&pay(it.token, it.wrong.address, 9_999), it.tx.nonce());
    let none = block_access(&it.before, it.env.clone(), &[too_much], 100_000).unwrap();
    assert_eq!(none, [], "it failed, and nothing came of what it read");
    let made = it.payer.sign_at(&Say::deploy(token_init_code(5)), it.tx.nonce());
    let access = block_access(&it.before, it.env.clone(), &[made], 100_000).unwrap();
    assert_eq!(access[0].made.len(), 1);
    let small = block_access(&it.before, it.env.clone(), std::slice::from_ref(&it.tx), 100);
    assert!(matches!(small, Err(concordat_core::ExecError::TraceTooLarge { limit_bytes: 100 })));
}
