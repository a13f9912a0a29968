//! Admission and retirement of validators.

use alloy_primitives::B256;
use alloy_sol_types::{SolCall, SolError, SolEvent as _};
use concordat_core::{IDENTITY_REGISTRY, IdentityEvent, Registry, abi::IIdentityRegistry as registry};
use concordat_pki_authority::KeyType;
use concordat_types::{Role, receipt::Outcome};

use crate::kit::{Actor, Consortium, Say, org};

fn candidate(net: &mut Consortium, id: &str, name: &str, power: u64) -> registry::admitValidatorCall {
    let node = net.stranger_with(KeyType::P256, id, Role::Validator, name, 30);
    let vote = net.stranger_with(KeyType::Ed25519, id, Role::Consensus, name, 30);
    registry::admitValidatorCall {
        nodeChain: node.chain,
        consensusChain: vote.chain,
        nodeAddress: "new.example:26656".into(),
        power,
    }
}

fn consensus_keys(net: &Consortium, id: &str) -> Vec<B256> {
    let records = Registry::new(&net.state).validator_records().unwrap();
    records.iter().filter(|v| v.org.as_str() == id).map(|v| v.consensus_key.into()).collect()
}

fn revert<E: SolError>(net: &mut Consortium, actor: &Actor, call: &impl SolCall) -> E {
    let block = net.block(&[actor.sign(&Say::registry(call))]);
    assert_eq!(block.receipts[0].outcome, Outcome::Reverted);
    assert_eq!(block.validators, None);
    let output = &block.receipts[0].output;
    E::abi_decode(output).unwrap_or_else(|_| panic!("{}", crate::kit::reason(output)))
}

#[test]
fn a_registrar_replaces_a_validator_within_the_budget() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let before = consensus_keys(&net, "bank-a");
    let retire = registry::retireValidatorCall { consensusKey: before[0] };
    let admit = candidate(&mut net, "bank-a", "validator-9", 10);
    let block = net.block(&[registrar.sign(&Say::registry(&retire)), registrar.sign(&Say::registry(&admit))]);
    assert!(block.receipts.iter().all(|receipt| receipt.outcome.succeeded()));
    let admitted = registry::ValidatorAdmitted::decode_log(&block.receipts[1].logs[0]).unwrap();
    assert_eq!(
        block.identity_events,
        [
            IdentityEvent::ValidatorRetired { org: org("bank-a"), consensus_key: before[0] },
            IdentityEvent::ValidatorAdmitted { org: org("bank-a"), consensus_key: admitted.consensusKey },
        ]
    );
    let set = block.validators.unwrap();
    assert_eq!((set.validators().len(), set.total_power()), (3, 30));
    assert_eq!(set, Registry::new(&net.state).validators().unwrap());
    assert_eq!(net.ask(IDENTITY_REGISTRY, &registry::validatorsCall {}).len(), 3);
}

#[test]
fn a_block_that_changes_no_validator_announces_none() {
    let mut net = Consortium::new();
    let registrar = net.stranger("bank-a", Role::Registrar, "r");
    assert_eq!(net.block(&[registrar.sign(&registrar.enrolment())]).validators, None);
}

#[test]
fn an_organisation_cannot_outgrow_its_power_budget() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let call = candidate(&mut net, "bank-a", "validator-9", 1);
    let error: registry::PowerBudgetExceeded = revert(&mut net, &registrar, &call);
    assert_eq!((error.budget, error.wanted), (20, 21));
}

#[test]
fn only_registrars_change_validators_and_only_their_own() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let registrar_b = net.actor("bank-b", Role::Registrar);
    let retire = registry::retireValidatorCall { consensusKey: consensus_keys(&net, "bank-a")[0] };
    let _: registry::NotRegistrar = revert(&mut net, &operator, &retire);
    let error: registry::NotRegistrar = revert(&mut net, &registrar_b, &retire);
    assert_eq!(error.organisation, "bank-a");
    let foreign = candidate(&mut net, "bank-a", "validator-9", 1);
    let error: registry::OrganisationMismatch = revert(&mut net, &registrar_b, &foreign);
    assert_eq!((error.expected.as_str(), error.presented.as_str()), ("bank-b", "bank-a"));
}

#[test]
fn validators_need_the_right_certificates_and_an_address() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let retire = registry::retireValidatorCall { consensusKey: consensus_keys(&net, "bank-a")[0] };
    net.one(&registrar.sign(&Say::registry(&retire)));
    let good = candidate(&mut net, "bank-a", "validator-9", 10);

    let observer = net.stranger_with(KeyType::P256, "bank-a", Role::Observer, "o", 30);
    let call = registry::admitValidatorCall { nodeChain: observer.chain, ..good.clone() };
    let error: registry::RoleNotFit = revert(&mut net, &registrar, &call);
    assert_eq!((error.expected.as_str(), error.presented.as_str()), ("validator", "observer"));

    let call = registry::admitValidatorCall { consensusChain: good.nodeChain.clone(), ..good.clone() };
    let _: registry::CertificateInvalid = revert(&mut net, &registrar, &call);
    let call = registry::admitValidatorCall { nodeAddress: "nowhere".into(), ..good.clone() };
    let _: registry::ValidatorSetInvalid = revert(&mut net, &registrar, &call);
    let call = registry::admitValidatorCall { power: 0, ..good.clone() };
    let _: registry::ValidatorSetInvalid = revert(&mut net, &registrar, &call);

    net.one(&registrar.sign(&Say::registry(&good)));
    let _: registry::ValidatorExists = revert(&mut net, &registrar, &good);
}

#[test]
fn the_last_validator_stays_and_unknown_ones_cannot_go() {
    let mut net = Consortium::new();
    let (a, b) = (net.actor("bank-a", Role::Registrar), net.actor("bank-b", Role::Registrar));
    let unknown = registry::retireValidatorCall { consensusKey: B256::repeat_byte(1) };
    let _: registry::ValidatorUnknown = revert(&mut net, &a, &unknown);
    for consensus_key in consensus_keys(&net, "bank-a") {
        net.one(&a.sign(&Say::registry(&registry::retireValidatorCall { consensusKey: consensus_key })));
    }
    let last = registry::retireValidatorCall { consensusKey: consensus_keys(&net, "bank-b")[0] };
    let error: registry::ValidatorSetInvalid = revert(&mut net, &b, &last);
    assert!(error.reason.contains("at least one"), "{}", error.reason);
}
