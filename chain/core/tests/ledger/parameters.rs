//! The chain's parameters and its protocol version, by vote.

use alloy_primitives::Bytes;
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_core::{
    BlockEnv, CallRequest, CallStatus, GOVERNANCE, TxInvalid, admission, call,
    governance::{InForce, Upgrade, abi::IGovernance as governance, in_force},
    trace_transaction,
};
use concordat_governance::{Action, action::Parameters, upgrade::MIN_NOTICE_BLOCKS};
use concordat_types::{ChainParams, Role, receipt::Outcome};

use crate::{
    governance::{Committee, execute, refused},
    kit::{Actor, Consortium, Say, reason},
};

/// Init code that makes a contract of 30,000 bytes of `STOP`: more than EIP-170 allows.
const LARGE: &[u8] = &[0x61, 0x75, 0x30, 0x5f, 0xf3];

fn parameters(net: &Consortium) -> Parameters {
    Parameters::of(&net.env().params)
}

fn announce(version: u64) -> Say {
    Say::governance(&governance::announceVersionCall { version_: version })
}

fn large() -> Say {
    Say::deploy(Bytes::from_static(LARGE)).gas(8_000_000)
}

/// The registrars of three of four banks, who have announced a version.
fn announced(net: &mut Consortium, version: u64) -> Vec<Actor> {
    let banks = ["bank-a", "bank-b", "bank-c"];
    let registrars: Vec<Actor> = banks.map(|id| net.actor(id, Role::Registrar)).into();
    for (bank, registrar) in banks.iter().zip(&registrars) {
        let receipt = net.one(&registrar.sign(&announce(version)));
        let said = governance::VersionAnnounced::decode_log(&receipt.logs[0]).unwrap();
        assert_eq!((said.organisation.as_str(), said.version), (*bank, version));
    }
    registrars
}

/// The committee votes for version 2; the height from which it holds.
fn scheduled(committee: &mut Committee) -> u64 {
    announced(&mut committee.net, 2);
    let height = committee.net.height + MIN_NOTICE_BLOCKS + 50;
    assert_eq!(committee.pass(&Action::SetProtocolVersion { version: 2, height }), 1);
    height
}

#[test]
fn another_gas_limit_holds_from_the_block_after_the_one_that_sets_it() {
    let mut committee = Committee::new();
    let before = parameters(&committee.net);
    let after = Parameters { block_gas_limit: 20_000_000, empty_block_interval_ms: 500, ..before };
    let id = committee.propose(&Action::SetParameters(after));
    committee.carry(id);
    let mut executor = committee.net.executor();
    let execution = committee.members[1].sign(&execute(id));
    let receipt = executor.execute(&execution).unwrap().clone();
    assert!(receipt.outcome.succeeded(), "{}", reason(&receipt.output));
    assert!(executor.gas_left() > 280_000_000, "this block has the limit that it began with");
    let outcome = executor.finish().unwrap();
    let params = after.with_version(1);
    assert_eq!(outcome.next, InForce { params, upgrade: None });
    let changed = governance::ParametersChanged::decode_log(&receipt.logs[1]).unwrap();
    assert_eq!((changed.blockGasLimit, changed.messageDelayMs, changed.proposalId), (20_000_000, 5_000, id));
    committee.net.accept(&outcome);
    assert_eq!(committee.net.executor().gas_left(), 20_000_000);
    assert_eq!(committee.net.env().params, params);
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::parametersCall {}).blockGasLimit, 20_000_000);
    let genesis = committee.net.genesis.params;
    assert_eq!(in_force(&committee.net.state, &genesis, committee.net.height).unwrap(), outcome.next);
}

#[test]
fn what_fits_into_no_block_is_not_taken_and_every_transaction_fits_into_some() {
    let mut committee = Committee::new();
    let least = Parameters { block_gas_limit: 1 << 24, ..parameters(&committee.net) };
    assert_eq!(committee.pass(&Action::SetParameters(least)), 1);
    let env = committee.net.env();
    let [one, other] = [0, 1].map(|member| &committee.members[member]);
    let full = one.sign_at(&announce(2).gas(1 << 24), one.nonce.get());
    assert!(admission(&committee.net.state, &full, &env).is_ok());
    let mut executor = committee.net.executor();
    executor.execute(&other.sign_at(&announce(2), other.nonce.get())).unwrap();
    let error = executor.execute(&full).unwrap_err();
    assert!(matches!(error, concordat_core::ExecError::Invalid(TxInvalid::GasAboveBlock { .. })), "{error}");
    assert_eq!(
        committee.pass(&Action::SetParameters(Parameters { block_gas_limit: 30_000_000, ..least })),
        1
    );
}

#[test]
fn nothing_changes_without_a_vote() {
    let (net, _) = Consortium::governed();
    let InForce { params, upgrade } = in_force(&net.state, &net.genesis.params, net.height).unwrap();
    assert_eq!((params, upgrade), (ChainParams::default(), None));
    let protocol = net.ask(GOVERNANCE, &governance::protocolCall {});
    assert_eq!((protocol.running, protocol.next, protocol.height), (1, 0, 0));
    let organisation = "bank-a".into();
    assert_eq!(net.ask(GOVERNANCE, &governance::announcedVersionCall { organisation }), 0);
    let organisation = "no organisation".into();
    assert_eq!(net.ask(GOVERNANCE, &governance::announcedVersionCall { organisation }), 0);
}

#[test]
fn registrars_announce_and_others_do_not() {
    let mut committee = Committee::new();
    let registrars = announced(&mut committee.net, 2);
    let organisation = "bank-b".into();
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::announcedVersionCall { organisation }), 2);
    let code = |committee: &mut Committee, actor: &Actor, version| {
        refused(&mut committee.net, actor, &announce(version))
    };
    assert_eq!(code(&mut committee, &registrars[0], 2), 35);
    assert_eq!(code(&mut committee, &registrars[0], 0), 116);
    let operator = committee.net.actor("bank-a", Role::Operator);
    assert_eq!(code(&mut committee, &operator, 2), 114);
    assert_eq!(committee.refused(0, &announce(2)), 114);
    committee.net.one(&registrars[0].sign(&announce(1)));
    let organisation = "bank-a".into();
    assert_eq!(committee.net.ask(GOVERNANCE, &governance::announcedVersionCall { organisation }), 1);
}

#[test]
fn an_upgrade_waits_for_those_who_validate() {
    let mut committee = Committee::new();
    let height = committee.net.height + MIN_NOTICE_BLOCKS + 50;
    let id = committee.propose(&Action::SetProtocolVersion { version: 2, height });
    committee.carry(id);
    let receipt = committee.net.try_one(&committee.members[1].sign(&execute(id)));
    let told = governance::Refused::abi_decode(&receipt.output).unwrap();
    assert_eq!(told.code, 113);
    assert!(told.reason.ends_with(": bank-a, bank-b, bank-c, bank-d"), "{}", told.reason);
    announced(&mut committee.net, 2);
    assert_eq!(committee.execute(id), 1);
}

#[test]
fn version_2_holds_from_its_height_on_and_allows_larger_contracts() {
    let mut committee = Committee::new();
    let height = scheduled(&mut committee);
    let net = &mut committee.net;
    let developer = net.actor("bank-a", Role::Developer);
    let refused = net.try_one(&developer.sign(&large()));
    assert_eq!(refused.outcome, Outcome::Halted);
    let protocol = net.ask(GOVERNANCE, &governance::protocolCall {});
    assert_eq!((protocol.running, protocol.next, protocol.height), (1, 2, height));
    let genesis = net.genesis.params;
    let last = in_force(&net.state, &genesis, height - 1).unwrap();
    assert_eq!((last.params.protocol_version, last.upgrade), (1, Some(Upgrade { version: 2, height })));
    let before = BlockEnv { height: height - 1, ..net.env() };
    net.height = height - 1;
    assert_eq!(
        net.block(&[]).next,
        InForce { params: ChainParams { protocol_version: 2, ..genesis }, upgrade: None }
    );
    assert_eq!(net.env().params.protocol_version, 2);
    // A question about the past is answered by the rules of the past.
    let request = CallRequest { from: developer.address, input: LARGE.into(), ..CallRequest::default() };
    let then = call(&net.state, &before, &request).unwrap();
    assert_eq!(then.status, CallStatus::Halted("max code size exceeded".into()));
    assert_eq!(call(&net.state, &net.env(), &request).unwrap().status, CallStatus::Success);
    let tx = developer.sign(&large());
    let traced = |env| trace_transaction(&net.state, env, &[], &tx, 1 << 20).unwrap().error;
    assert_eq!(traced(before), Some("max code size exceeded".into()));
    assert_eq!(traced(net.env()), None);
    let made = net.one(&tx);
    let code = concordat_core::code(&net.state, made.contract_address.unwrap()).unwrap();
    assert_eq!(code.len(), 30_000);
}

#[test]
fn init_code_may_be_as_large_as_the_version_of_the_block_says() {
    let mut committee = Committee::new();
    let height = scheduled(&mut committee);
    let developer = committee.net.actor("bank-a", Role::Developer);
    let mut code = vec![0x5f, 0x5f, 0xf3];
    code.resize(49_153, 0);
    let tx = developer.sign(&Say::deploy(code.into()).gas(8_000_000));
    let refused = TxInvalid::InitCodeTooLarge { size: 49_153, limit: 49_152 };
    assert_eq!(committee.net.invalid(&tx), refused);
    let env = committee.net.env();
    assert_eq!(admission(&committee.net.state, &tx, &env), Err(refused.into()));
    committee.net.height = height;
    committee.net.one(&tx);
}

#[test]
fn what_is_taken_back_before_it_begins_never_begins() {
    let mut committee = Committee::new();
    let height = scheduled(&mut committee);
    assert_eq!(committee.pass(&Action::SetProtocolVersion { version: 1, height: 0 }), 1);
    let protocol = committee.net.ask(GOVERNANCE, &governance::protocolCall {});
    assert_eq!((protocol.running, protocol.next, protocol.height), (1, 0, 0));
    committee.net.height = height;
    assert_eq!(committee.net.env().params.protocol_version, 1);
}
