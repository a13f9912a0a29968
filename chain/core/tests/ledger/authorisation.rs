//! Who may do what on the chain, as a file that people review: every way to change something, by everybody.
//!
//! Nothing here is listed by hand but the contracts of the chain: methods come from their interfaces, kinds of proposals
//! and roles from their types. Each cell is what a block really says to that sender. Arguments are made from the types,
//! so that a new method needs the file written anew, and a look at it.

use std::{fs, path::Path};

use alloy_consensus::{SignableTransaction as _, TxEip2930, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_sol_types::{SolError as _, SolEvent as _, SolValue as _};
use concordat_core::{
    BlockExecutor, CONTRACTS, ExecError, GOVERNANCE, IDENTITY_REGISTRY, ORDERS, PERMISSIONS, RULES, Registry,
    SYSTEM_CONTRACTS, abi::IIdentityRegistry as registry, account_state,
    contracts::abi::IContracts as contracts, governance::abi::IGovernance as governance,
    orders::abi::IOrders as orders, permissions::abi::IPermissions as permissions,
    rules::abi::IRules as rules,
};
use concordat_governance::{Action, Kind, action::Scope};
use concordat_pki_authority::KeyType;
use concordat_types::{Holder, Role, VerifiedTx, receipt::Outcome};
use secp256k1::{Message, SECP256K1, SecretKey};

use crate::{
    kit::{Actor, CHAIN_ID, Consortium, DAY, Say, bytecode, org, token_init_code, verify},
    recovery::{basis, holder, pass, registrars, replace},
    refusals::crl_against,
};

/// A contract of the chain: its interface as `sol!` read it, and as it is written.
struct Interface {
    address: Address,
    name: &'static str,
    selectors: &'static [[u8; 4]],
    signatures: &'static [&'static str],
    source: &'static str,
}

macro_rules! interface {
    ($address:expr, $name:literal, $calls:ty) => {
        Interface {
            address: $address,
            name: $name,
            selectors: <$calls>::SELECTORS,
            signatures: <$calls>::SIGNATURES,
            source: include_str!(concat!("../../contracts/", $name, ".sol")),
        }
    };
}

fn interfaces() -> [Interface; 6] {
    [
        interface!(IDENTITY_REGISTRY, "IIdentityRegistry", registry::IIdentityRegistryCalls),
        interface!(GOVERNANCE, "IGovernance", governance::IGovernanceCalls),
        interface!(PERMISSIONS, "IPermissions", permissions::IPermissionsCalls),
        interface!(CONTRACTS, "IContracts", contracts::IContractsCalls),
        interface!(RULES, "IRules", rules::IRulesCalls),
        interface!(ORDERS, "IOrders", orders::IOrdersCalls),
    ]
}

impl Interface {
    /// The methods that change something: selector and signature, in the order of the source.
    fn changing(&self) -> Vec<([u8; 4], &'static str)> {
        let declared = |signature: &str| {
            let head = format!("function {}(", signature.split_once('(').unwrap().0);
            let place =
                self.source.find(&head).unwrap_or_else(|| panic!("{signature} is not in {}", self.name));
            let (declaration, _) = self.source[place..].split_once(';').unwrap();
            let view = declaration.split_whitespace().any(|word| matches!(word, "view" | "pure"));
            (place, view)
        };
        let methods = self.selectors.iter().copied().zip(self.signatures.iter().copied());
        let mut changing: Vec<_> = methods
            .map(|(selector, signature)| (declared(signature), selector, signature))
            .filter(|((_, view), ..)| !view)
            .collect();
        changing.sort_unstable();
        changing.into_iter().map(|(_, selector, signature)| (selector, signature)).collect()
    }
}

/// A chain on which somebody of each kind waits to be let in or not.
struct World {
    net: Consortium,
    /// The columns.
    people: Vec<(String, Actor)>,
    /// A contract of the developer.
    probe: Address,
    /// An operator of the bank of all of them.
    operator: Address,
    /// A validator of that bank.
    consensus_key: B256,
    /// A proposal that is open for ballots and a veto.
    open: u64,
}

impl World {
    /// Everybody's keys are of a kind, apart from those of members.
    fn new(kind: KeyType) -> Self {
        let (mut net, mut members) = Consortium::governed();
        let mut people: Vec<(String, Actor)> = Vec::new();
        for role in Role::ALL.iter().filter(|role| role.holder() == Holder::Account) {
            let actor = match (role, kind) {
                (Role::CommitteeMember, KeyType::Secp256k1) => members.remove(0),
                _ => enrolled(&mut net, kind, "bank-a", *role, "column", 30),
            };
            people.push((role.to_string(), actor));
        }
        let operator = holder(&mut net, "bank-a", Role::Operator, "Olga", "Olga");
        net.enrol(&operator);
        let stranger = net.stranger_with(kind, "bank-a", Role::Operator, "stranger", 30);
        people.push(("stranger".into(), stranger));
        let fallen = fall(&mut net, kind, &members);
        people.extend(fallen);
        let (_, developer) = people.iter().find(|(name, _)| name == "developer").unwrap();
        let receipt = net.one(&developer.sign(&Say::deploy(bytecode("Probe").into())));
        let account = people.iter().find(|(name, _)| name == "frozen").unwrap().1.address;
        let unfreeze = Action::UnfreezeAccount { account, basis: basis() };
        let propose = governance::proposeCall { kind: unfreeze.kind().code(), payload: unfreeze.encode() };
        let opened = net.one(&members[0].sign(&Say::governance(&propose)));
        // Whose certificate was for a day has none any more.
        net.time_secs += 2 * DAY;
        let validators = Registry::new(&net.state).validator_records().unwrap();
        let own = validators.iter().find(|validator| validator.org.as_str() == "bank-a").unwrap();
        Self {
            people,
            probe: receipt.contract_address.unwrap(),
            operator: operator.address,
            consensus_key: own.consensus_key.into(),
            open: governance::ProposalOpened::decode_log(&opened.logs[0]).unwrap().id,
            net,
        }
    }

    /// One line: what a block says to each of them.
    fn line(&self, name: &str, tx: impl Fn(&Actor, u64) -> VerifiedTx) -> String {
        let words = self.people.iter().map(|(_, actor)| {
            let nonce = account_state(&self.net.state, actor.address).unwrap().nonce;
            self.word(&tx(actor, nonce))
        });
        format!("{name} {}\n", words.collect::<Vec<_>>().join(" "))
    }

    fn word(&self, tx: &VerifiedTx) -> String {
        let mut executor = BlockExecutor::new(&self.net.state, self.net.env()).unwrap();
        let receipt = match executor.execute(tx) {
            Ok(receipt) => receipt,
            Err(ExecError::Invalid(invalid)) => return format!("invalid:{}", invalid.kind()),
            Err(error) => panic!("{error}"),
        };
        match receipt.outcome {
            Outcome::Success => "ok".to_owned(),
            Outcome::Reverted => error_name(&receipt.output),
            outcome => format!("{}:{outcome:?}", outcome.code()),
        }
    }

    /// Arguments of these types, of which those that name somebody or something name what is there.
    fn arguments(&self, of: Address, types: &str, actor: &Actor) -> Vec<u8> {
        let (mut heads, mut tails) = (Vec::new(), Vec::new());
        let types = parameters(types);
        for parameter in &types {
            let place = U256::from(32 * types.len() + tails.len());
            let (head, tail) = match *parameter {
                "address" if of == CONTRACTS => (self.probe.into_word(), None),
                // A freeze of all names no contract, and a demand an organisation instead.
                "address" if of == ORDERS => (B256::ZERO, None),
                "string" if of == ORDERS => (place.into(), Some(text("bank-a"))),
                "address" => (self.operator.into_word(), None),
                "bool" | "uint8" => (B256::with_last_byte(1), None),
                "bytes4" => (B256::right_padding_from(&[1; 4]), None),
                "bytes32" => (self.consensus_key, None),
                "uint64" | "uint256" => (U256::from(self.open).into(), None),
                "bytes" | "string" => (place.into(), Some(vec![0; 32])),
                "address[]" => (place.into(), Some(vec![self.operator].abi_encode()[32..].to_vec())),
                "bytes[]" => (place.into(), Some(actor.chain.abi_encode()[32..].to_vec())),
                _ => (B256::ZERO, None),
            };
            heads.extend_from_slice(head.as_slice());
            tails.extend(tail.unwrap_or_default());
        }
        [heads, tails].concat()
    }
}

fn enrolled(net: &mut Consortium, kind: KeyType, id: &str, role: Role, name: &str, days: u32) -> Actor {
    let actor = net.stranger_with(kind, id, role, name, days);
    net.enrol(&actor);
    actor
}

/// Operators each of whom has fallen in another way.
fn fall(net: &mut Consortium, kind: KeyType, members: &[Actor]) -> Vec<(String, Actor)> {
    let operator = |net: &mut Consortium, id: &str, name: &str, days| {
        (name.to_owned(), enrolled(net, kind, id, Role::Operator, name, days))
    };
    let suspended = operator(net, "bank-d", "suspended", 30);
    let revoked = operator(net, "bank-a", "revoked", 30);
    let expired = operator(net, "bank-a", "expired", 1);
    let frozen = operator(net, "bank-a", "frozen", 30);
    let barred = operator(net, "bank-a", "barred", 30);
    let replaced = operator(net, "bank-a", "replaced", 30);
    let registrars = registrars(net);
    let list = crl_against(net, "bank-a", &revoked.1);
    net.one(&registrars[0].sign(&Say::registry(&list)));
    let new = holder(net, "bank-a", Role::Operator, "replaced", "the new key");
    replace(net, &registrars, &replaced.1, &new);
    let (account, scope) = (frozen.1.address, Scope::All);
    pass(net, members, &Action::FreezeAccount { account, scope, basis: basis(), until: 0 });
    pass(net, members, &Action::BarAccount { account: barred.1.address, basis: basis() });
    pass(net, members, &Action::SuspendOrganisation(org("bank-d")));
    vec![suspended, revoked, expired, frozen, barred, replaced]
}

/// A text as the tail of arguments.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.to_owned().abi_encode();
    bytes.drain(..32);
    bytes
}

/// The types of a signature, or of what stands between its brackets.
fn parameters(signature: &str) -> Vec<&str> {
    let (_, list) = signature.split_once('(').unwrap();
    let list = list.strip_suffix(')').unwrap();
    let mut depth = 0_u32;
    let parts = list.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The name of a contract's error; of governance's refusals the code.
fn error_name(output: &Bytes) -> String {
    if let Ok(refused) = governance::Refused::abi_decode(output) {
        return format!("Refused-{}", refused.code);
    }
    let selector = *output.first_chunk::<4>().expect("an error of a contract of the chain");
    let names = [
        registry::IIdentityRegistryErrors::name_by_selector(selector),
        governance::IGovernanceErrors::name_by_selector(selector),
        permissions::IPermissionsErrors::name_by_selector(selector),
        contracts::IContractsErrors::name_by_selector(selector),
        rules::IRulesErrors::name_by_selector(selector),
        orders::IOrdersErrors::name_by_selector(selector),
    ];
    names.into_iter().flatten().next().expect("an error of an interface").to_owned()
}

/// Signs as type 0 or 1, which nobody else here needs.
fn sign_old(actor: &Actor, say: &Say, nonce: u64, legacy: bool) -> VerifiedTx {
    let (gas_limit, gas_price, to, input) = (say.gas, 0, say.to, say.input.clone());
    let secret = SecretKey::from_byte_array(*actor.key.raw_secret().unwrap()).unwrap();
    let sign = |hash: B256| {
        let (id, compact) =
            SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &secret).serialize_compact();
        Signature::from_bytes_and_parity(&compact, i32::from(id) == 1)
    };
    let value = U256::ZERO;
    let envelope: TxEnvelope = if legacy {
        let chain_id = Some(CHAIN_ID);
        let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
        let signature = sign(tx.signature_hash());
        tx.into_signed(signature).into()
    } else {
        let (chain_id, access_list) = (CHAIN_ID, Default::default());
        let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
        let signature = sign(tx.signature_hash());
        tx.into_signed(signature).into()
    };
    verify(envelope.encoded_2718().into())
}

/// What certificates of each role enrol.
fn enrolments(net: &mut Consortium) -> String {
    let mut lines = String::from("# certificates that enrol an account\n");
    // Whose key signs no transaction has somebody else present its certificate.
    let courier = net.stranger("bank-a", Role::Operator, "courier");
    for role in Role::ALL {
        let (kind, sends) = match role.holder() {
            Holder::Account => (KeyType::Secp256k1, true),
            Holder::ConsensusKey => (KeyType::Ed25519, false),
            _ => (KeyType::P256, true),
        };
        let actor = net.stranger_with(kind, "bank-a", *role, "newcomer", 30);
        let sender = if sends { &actor } else { &courier };
        let mut executor = BlockExecutor::new(&net.state, net.env()).unwrap();
        let word = match executor.execute(&sender.sign_at(&actor.enrolment(), 0)) {
            Ok(receipt) => format!("{:?}", receipt.outcome),
            Err(ExecError::Invalid(invalid)) => format!("invalid:{}", invalid.kind()),
            Err(error) => panic!("{error}"),
        };
        lines.push_str(&format!("{role} {word}\n"));
    }
    lines
}

/// Every type of transaction, and what it can be for.
fn transactions(world: &World, hsm: &World) -> String {
    let call = Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 };
    let view = Say::registry(&registry::versionCall {});
    let deploy = Say::deploy(token_init_code(1));
    let mut lines = String::from("# transactions\n");
    for (what, say) in [("calls-a-contract", &call), ("deploys", &deploy), ("calls-the-chain", &view)] {
        let name = |number: &str| format!("type-{number}-{what}");
        lines += &world.line(&name("0x00"), |actor, nonce| sign_old(actor, say, nonce, true));
        lines += &world.line(&name("0x01"), |actor, nonce| sign_old(actor, say, nonce, false));
        lines += &world.line(&name("0x02"), |actor, nonce| actor.sign_at(say, nonce));
        lines += &hsm.line(&name("0x50"), |actor, nonce| actor.sign_at(say, nonce));
    }
    lines
}

/// Every kind of proposal. The payload is none, so that who may propose is told that, and everybody else something else.
fn proposals(world: &World) -> String {
    let mut lines = String::from("# proposals\n");
    for kind in Kind::ALL {
        let propose = governance::proposeCall { kind: kind.code(), payload: Bytes::new() };
        lines += &world.line(&format!("propose-{kind}"), |actor, nonce| {
            actor.sign_at(&Say::governance(&propose), nonce)
        });
    }
    lines
}

/// Every method that changes something.
fn methods(world: &World) -> String {
    let mut lines = String::from("# methods of the chain's contracts that change something\n");
    for interface in interfaces() {
        for (selector, signature) in interface.changing() {
            lines += &world.line(&format!("{}.{signature}", interface.name), |actor, nonce| {
                let arguments = world.arguments(interface.address, signature, actor);
                let input = [&selector[..], &arguments].concat().into();
                actor.sign_at(&Say { to: TxKind::Call(interface.address), input, gas: 8_000_000 }, nonce)
            });
        }
    }
    lines
}

/// The first words of lines.
fn names(file: &str) -> Vec<&str> {
    file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn who_may_do_what_is_the_reviewed_matrix_and_nothing_is_missing_in_it() {
    let [mut world, hsm] = [KeyType::Secp256k1, KeyType::P256].map(World::new);
    let columns: Vec<&str> = world.people.iter().map(|(name, _)| name.as_str()).collect();
    let header = format!("# who: {}\n", columns.join(" "));
    let have =
        [header, transactions(&world, &hsm), proposals(&world), methods(&world), enrolments(&mut world.net)]
            .concat();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/authorisation.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &have).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap();
    let listed = names(&reviewed);
    let missing: Vec<&str> = names(&have).into_iter().filter(|name| !listed.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "nobody has said who may do these: {missing:?}; UPDATE_GOLDEN=1 and review them"
    );
    assert_eq!(have, reviewed, "UPDATE_GOLDEN=1 writes the file anew; review what changed");
}

#[test]
fn every_contract_of_the_chain_has_its_interface_in_the_matrix() {
    assert_eq!(interfaces().map(|interface| interface.address), SYSTEM_CONTRACTS);
    for interface in interfaces() {
        // A file may hold another one beside it: what the chain calls is no method of its own.
        let begins = format!("interface {} {{", interface.name);
        let (_, body) = interface.source.split_once(&begins).unwrap();
        let (body, _) = body.split_once("\n}").unwrap();
        let declared = body.matches("    function ").count();
        assert_eq!(interface.selectors.len(), declared, "{}", interface.name);
    }
}
