//! Orders of regulators on chain: what they refuse, from when, until when, and what whoever is refused is told.

mod contracts;
mod steps;
mod tokens;

use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_sol_types::{SolCall, SolError as _, SolEvent as _};
use concordat_core::{
    ClientIdentity, ExecError, ORDERS, ReadAt, Readable, Registry, TxInvalid, admission, explain,
    orders::abi::IOrders as orders,
};
use concordat_governance::{
    Action,
    action::{Basis, Scope},
    regulator::{Mandate, Power},
};
use concordat_types::{Receipt, Role, receipt::Outcome};

use crate::{
    governance::{Committee, refused},
    kit::{Actor, Say, Token, org, token_init_code},
};

/// How long an order binds by itself, as chains begin.
const LAPSE: u64 = 20_000;

/// A governed chain with three registered regulators, two of one bank, and a customer of another with some tokens.
struct World {
    committee: Committee,
    regulators: Vec<Actor>,
    customer: Actor,
    token: Address,
}

impl World {
    fn new() -> Self {
        let mut committee = Committee::new();
        let regulators = [("bank-a", "one"), ("bank-b", "two"), ("bank-a", "three")];
        let regulators: Vec<Actor> = regulators
            .into_iter()
            .map(|(bank, name)| {
                let regulator = committee.net.stranger(bank, Role::Regulator, name);
                committee.net.enrol(&regulator);
                regulator
            })
            .collect();
        regulators.iter().for_each(|regulator| register(&mut committee, regulator, &mandate(31)));
        let (developer, token) = committee.net.deploy(token_init_code(1_000));
        let customer = committee.net.actor("bank-c", Role::Operator);
        committee.net.one(&developer.sign(&transfer(token, customer.address)));
        Self { committee, regulators, customer, token }
    }

    /// Somebody's order, which must be imposed: its number.
    fn order(&mut self, regulator: usize, call: &impl SolCall) -> u64 {
        let receipt = self.committee.net.one(&self.regulators[regulator].sign(&say(call)));
        imposed(&receipt).id
    }

    /// What comes of a payment of the customer.
    fn pays(&mut self) -> Receipt {
        let (to, value) = (Address::repeat_byte(9), U256::from(1));
        let payment = Say::call(self.token, &Token::transferCall { to, value });
        self.committee.net.try_one(&self.customer.sign(&payment))
    }

    fn told(&self, id: u64) -> orders::Order {
        self.committee.net.ask(ORDERS, &orders::orderCall { id })
    }

    fn passes(&mut self, action: &Action) {
        assert_eq!(self.committee.pass(action), 1, "{action:?}");
    }

    fn refused(&mut self, regulator: usize, call: &impl SolCall) -> u16 {
        refused(&mut self.committee.net, &self.regulators[regulator], &say(call))
    }
}

fn mandate(powers: u8) -> Mandate {
    let (organisations, contracts) = (None, None);
    let powers = Power::from_bits(powers).unwrap();
    Mandate { jurisdiction: "DE".into(), organisations, contracts, powers, until: 0 }
}

fn register(committee: &mut Committee, regulator: &Actor, mandate: &Mandate) {
    use concordat_core::governance::abi::IGovernance as governance;
    let action = Action::AdmitRegulator { account: regulator.address, mandate: mandate.clone() };
    let id = committee.propose(&action);
    committee.carry(id);
    let digest = committee.proposal(id).digest;
    committee.net.one(&regulator.sign(&Say::governance(&governance::consentCall { id, digest })));
    assert_eq!(committee.execute(id), 1);
}

fn say(call: &impl SolCall) -> Say {
    Say::call(ORDERS, call)
}

fn transfer(token: Address, to: Address) -> Say {
    Say::call(token, &Token::transferCall { to, value: U256::from(10) })
}

fn imposed(receipt: &Receipt) -> orders::OrderImposed {
    let event = receipt.logs.iter().find_map(|log| orders::OrderImposed::decode_log(log).ok());
    event.expect("an order was imposed").data
}

/// An order that freezes an account, of all or of its business alone.
fn freeze(account: Address, scope: u8) -> orders::freezeCall {
    freeze_at(account, scope, Address::ZERO)
}

/// The same for a contract or a token.
fn freeze_at(account: Address, scope: u8, contract: Address) -> orders::freezeCall {
    let (document, reference) = (B256::repeat_byte(1), "BaFin 7/2026".to_owned());
    orders::freezeCall {
        account,
        scope,
        contractAddress: contract,
        document,
        documentReference: reference,
        until: 0,
    }
}

fn release(id: u64) -> orders::releaseCall {
    orders::releaseCall { id, document: B256::repeat_byte(2), documentReference: "BaFin 8/2026".into() }
}

fn confirm(world: &World, id: u64) -> orders::confirmCall {
    orders::confirmCall { id, digest: world.told(id).digest }
}

fn basis() -> Basis {
    Basis { document: B256::repeat_byte(3), reference: "Minutes 9".into() }
}

/// What a refused transaction's receipt tells of the order.
fn notice(receipt: &Receipt) -> orders::OrderInForce {
    orders::OrderInForce::abi_decode(&receipt.output).unwrap()
}

#[test]
fn an_order_binds_from_the_next_transaction_and_the_refused_account_reads_its_number() {
    let mut world = World::new();
    let (customer, token) = (world.customer.address, world.token);
    let payment = || transfer(token, Address::repeat_byte(9));
    let txs = [
        world.customer.sign(&payment()),
        world.regulators[0].sign(&say(&freeze(customer, 1))),
        world.customer.sign(&payment()),
        world.customer.sign(&say(&orders::versionCall {})),
    ];
    let block = world.committee.net.block(&txs);
    let outcomes: Vec<Outcome> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, Outcome::Ordered, Outcome::Ordered]);
    let event = imposed(&block.receipts[1]);
    assert_eq!((event.id, event.target, event.issuer), (1, customer, world.regulators[0].address));
    assert_eq!(event.lapses, world.committee.net.height - 1 + LAPSE);
    let told = notice(&block.receipts[2]);
    assert_eq!((told.id, told.measure, told.account), (1, 1, customer));
    assert_eq!((told.documentReference.as_str(), told.until), ("BaFin 7/2026", event.lapses));
    assert_eq!(Receipt::decode(&block.receipts[2].encode()).unwrap(), block.receipts[2]);
}

#[test]
fn the_pool_turns_away_what_an_order_refuses_and_so_does_the_explanation() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 2));
    let net = &world.committee.net;
    let tx = world.customer.sign(&transfer(world.token, Address::ZERO));
    let Err(ExecError::Invalid(invalid)) = admission(&net.state, &tx, &net.env()) else {
        panic!("it took it")
    };
    assert_eq!(invalid.kind(), "ordered");
    let until = world.told(id).lapses;
    assert_eq!(
        invalid.to_string(),
        format!(
            "refused: by order of a regulator: frozen by order {id} (reference \"BaFin 7/2026\"), through height {until}"
        )
    );
    let input = Token::transferCall::SELECTOR;
    let wish = concordat_core::Wish {
        account: world.customer.address,
        kind: TxKind::Call(world.token),
        input: &input,
    };
    let grounds = explain(&net.state, &net.env(), &wish).unwrap().unwrap();
    assert_eq!(grounds.refused, Some(Outcome::Ordered));
    assert_eq!(grounds.order.unwrap().id, id);
}

#[test]
fn a_freeze_of_business_leaves_the_chain_itself_and_a_freeze_of_all_nothing_not_even_reading() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 2));
    assert_eq!(world.pays().outcome, Outcome::Ordered);
    let deploy = world.customer.sign(&Say::deploy(token_init_code(1)));
    assert_eq!(world.committee.net.try_one(&deploy).outcome, Outcome::Ordered);
    world.committee.net.one(&world.customer.sign(&say(&orders::versionCall {})));
    assert!(reads(&world));
    world.order(0, &freeze(world.customer.address, 1));
    assert_eq!(world.told(id).status, 4, "superseded");
    let view = world.customer.sign(&say(&orders::versionCall {}));
    assert_eq!(world.committee.net.try_one(&view).outcome, Outcome::Ordered);
    assert!(!reads(&world));
}

/// Whether the customer may read the ledger.
fn reads(world: &World) -> bool {
    let net = &world.committee.net;
    let client = ClientIdentity {
        org: org("bank-c"),
        role: Role::Operator,
        spki_sha256: Default::default(),
        common_name: "till".into(),
        not_after: u64::MAX,
        address: Some(world.customer.address),
        path: Vec::new(),
    };
    let at = ReadAt { height: net.height, time_secs: net.time_secs };
    concordat_core::may_read(&net.state, &client, Readable::Ledger, at).unwrap().is_ok()
}

#[test]
fn nobody_confirmed_it_so_it_lapses_with_no_write() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 1));
    world.committee.net.height = world.told(id).lapses;
    assert_eq!(world.pays().outcome, Outcome::Ordered, "through the last block");
    assert_eq!(world.pays().outcome, Outcome::Success);
    assert_eq!(world.told(id).status, 3);
    assert!(in_force(&world).is_empty());
    assert_eq!(world.refused(1, &freeze(world.customer.address, 1)), 135, "and not at once again");
}

/// The orders that bind the customer now.
fn in_force(world: &World) -> Vec<u64> {
    let account = world.customer.address;
    let told = world.committee.net.ask(ORDERS, &orders::inForceCall { account });
    told.iter().map(|order| order.id).collect()
}

#[test]
fn accounts_without_orders_have_no_mark_and_cost_what_they_did() {
    let mut world = World::new();
    // The first payment makes the receiver's slot.
    world.pays();
    let before = world.pays();
    let id = world.order(0, &freeze(world.customer.address, 1));
    let other = world.committee.net.actor("bank-d", Role::Operator).address;
    world.order(0, &freeze(other, 1));
    world.committee.net.one(&world.regulators[0].sign(&say(&release(id))));
    let after = world.pays();
    assert_eq!((after.outcome, after.gas_used), (Outcome::Success, before.gas_used));
}

#[test]
fn a_blacklisting_shuts_out_the_subject_until_it_lapses() {
    let mut world = World::new();
    let call = orders::blacklistCall {
        account: world.customer.address,
        document: B256::repeat_byte(1),
        documentReference: "BaFin 7/2026".into(),
        until: 0,
    };
    let id = world.order(0, &call);
    let receipt = world.pays();
    assert_eq!((receipt.outcome, notice(&receipt).measure), (Outcome::Ordered, 5));
    // The same person with another key.
    let again = {
        let now = world.committee.net.time_secs;
        let key = crate::kit::key(concordat_pki_authority::KeyType::Secp256k1, "another");
        let authority = world.committee.net.authority("bank-c");
        crate::kit::certify(authority, &key, Role::Operator, "Someone", 30, now)
    };
    let connects = |world: &World| {
        let net = &world.committee.net;
        Registry::new(&net.state).authorize_client(&again.chain, net.now())
    };
    let refused = connects(&world).unwrap_err().to_string();
    assert!(refused.contains("\"Someone\" of bank-c is barred"), "{refused}");
    let enrolment = again.sign_at(&again.enrolment(), 0);
    let invalid = world.committee.net.invalid(&enrolment);
    assert!(matches!(invalid, TxInvalid::EnrolmentRefused { .. }), "{invalid}");
    let confirm = confirm(&world, id);
    world.committee.net.one(&world.regulators[1].sign(&say(&confirm)));
    world.committee.net.height += 2 * LAPSE;
    assert_eq!(world.pays().outcome, Outcome::Ordered);
    world.committee.net.invalid(&enrolment);
    world.passes(&Action::LiftOrder { order: id, basis: basis() });
    assert_eq!(world.pays().outcome, Outcome::Success);
    assert!(connects(&world).is_ok());
    world.committee.net.one(&enrolment);
}

#[test]
fn an_order_follows_an_identity_to_its_new_key() {
    let mut world = World::new();
    let id = world.order(0, &freeze(world.customer.address, 1));
    let new = world.committee.net.stranger("bank-c", Role::Operator, "the new key");
    let recover =
        Action::RecoverKey { account: world.customer.address, chain: new.chain.clone(), basis: basis() };
    world.passes(&recover);
    let payment = transfer(world.token, Address::ZERO);
    let receipt = world.committee.net.try_one(&new.sign(&payment));
    assert_eq!((receipt.outcome, notice(&receipt).id), (Outcome::Ordered, id));
    world.committee.net.one(&world.regulators[0].sign(&say(&release(id))));
    assert_ne!(world.committee.net.try_one(&new.sign(&payment)).outcome, Outcome::Ordered);
}

#[test]
fn what_a_committee_freezes_and_what_a_regulator_orders_end_apart() {
    let mut world = World::new();
    let account = world.customer.address;
    let id = world.order(0, &freeze(account, 1));
    world.passes(&Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 });
    assert_eq!(world.pays().outcome, Outcome::Frozen);
    world.passes(&Action::UnfreezeAccount { account, basis: basis() });
    assert_eq!(world.pays().outcome, Outcome::Ordered, "the order is left");
    world.passes(&Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 });
    world.committee.net.one(&world.regulators[0].sign(&say(&release(id))));
    assert_eq!(world.pays().outcome, Outcome::Frozen, "the freeze is left");
    assert!(in_force(&world).is_empty());
}
