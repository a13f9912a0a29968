//! The registry of regulators on chain: consent, what is told of it, and who may veto.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolError as _, SolEvent as _};
use concordat_core::{GOVERNANCE, governance::abi::IGovernance as governance};
use concordat_governance::{
    Action, Effect,
    action::{Basis, Scope},
    regulator::{Mandate, Power},
};
use concordat_types::{Receipt, Role, receipt::Outcome};

use crate::{
    governance::{Committee, execute, refused},
    kit::{Actor, Consortium, Say, bytecode, org, reason},
};

const OBSERVE: u8 = 1;
const VETO: u8 = 8;

fn mandate(powers: u8, until: u64) -> Mandate {
    let (organisations, contracts) = (Some(BTreeSet::from([org("bank-b"), org("bank-c")])), None);
    let powers = Power::from_bits(powers).unwrap();
    Mandate { jurisdiction: "DE, supervision of banks".into(), organisations, contracts, powers, until }
}

fn admit(regulator: &Actor, powers: u8) -> Action {
    Action::AdmitRegulator { account: regulator.address, mandate: mandate(powers, 0) }
}

fn retire(regulator: &Actor) -> Action {
    Action::RetireRegulator { account: regulator.address }
}

fn consent(committee: &Committee, id: u64) -> Say {
    Say::governance(&governance::consentCall { id, digest: committee.proposal(id).digest })
}

/// A proposal that everybody has voted for and whose timelock is over.
fn carried(committee: &mut Committee, action: &Action) -> u64 {
    let id = committee.propose(action);
    committee.carry(id);
    id
}

fn register(committee: &mut Committee, regulator: &Actor, powers: u8) -> Receipt {
    let id = carried(committee, &admit(regulator, powers));
    let consent = consent(committee, id);
    committee.net.one(&regulator.sign(&consent));
    committee.net.one(&committee.members[1].sign(&execute(id)))
}

fn entry(net: &Consortium, account: Address) -> governance::Regulator {
    net.ask(GOVERNANCE, &governance::regulatorCall { account })
}

fn freeze(account: Address) -> Action {
    let basis = Basis { document: B256::repeat_byte(1), reference: "Order 7".into() };
    Action::FreezeAccount { account, scope: Scope::All, basis, until: 0 }
}

#[test]
fn a_regulator_is_registered_with_its_consent_and_everybody_reads_its_mandate() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let action = admit(&regulator, OBSERVE | VETO);
    let id = carried(&mut committee, &action);
    let digest = committee.proposal(id).digest;
    let preview = committee.net.ask(GOVERNANCE, &governance::previewCall { id });
    assert_eq!(preview.digest, digest);
    let text = Effect::decode(&preview.effect).unwrap().to_string();
    assert!(
        text.contains("of bank-a, jurisdiction \"DE, supervision of banks\", may observe, veto;"),
        "{text}"
    );

    assert_eq!(committee.refused(1, &execute(id)), 47);
    assert_eq!(committee.proposal(id).status, 0, "an early execution decides nothing");
    let none = committee.net.ask(GOVERNANCE, &governance::consentOfCall { id });
    assert!(!none.given && none.account == Address::ZERO);
    let said = consent(&committee, id);
    let receipt = committee.net.one(&regulator.sign(&said));
    let given = governance::ConsentGiven::decode_log(&receipt.logs[0]).unwrap().data;
    assert_eq!((given.id, given.account, given.digest), (id, regulator.address, digest));
    let kept = committee.net.ask(GOVERNANCE, &governance::consentOfCall { id });
    assert_eq!((kept.given, kept.account, kept.digest), (true, regulator.address, digest));
    assert_eq!(kept.height + 1, committee.net.height);

    let receipt = committee.net.one(&committee.members[1].sign(&execute(id)));
    let changed = governance::RegulatorChanged::decode_log(&receipt.logs[1]).unwrap().data;
    assert_eq!((changed.identity, changed.registered, changed.powers), (regulator.address, true, 9));
    let entry = entry(&committee.net, regulator.address);
    assert!(entry.registered && entry.inForce && entry.allContracts && !entry.allOrganisations);
    assert_eq!((entry.organisation.as_str(), entry.powers, entry.until), ("bank-a", 9, 0));
    assert_eq!(entry.organisations, ["bank-b", "bank-c"]);
    assert_eq!((entry.proposalId, entry.since + 1), (id, committee.net.height));
    let all = committee.net.ask(GOVERNANCE, &governance::regulatorsCall {});
    assert_eq!(all.iter().map(|one| one.identity).collect::<Vec<_>>(), [regulator.address]);
}

#[test]
fn nobody_consents_for_a_regulator_nor_to_another_effect_nor_twice() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let other = committee.net.actor("bank-b", Role::Regulator);
    let id = committee.propose(&admit(&regulator, VETO));
    let said = consent(&committee, id);
    assert_eq!(committee.refused(0, &said), 48);
    assert_eq!(refused(&mut committee.net, &other, &said), 48);
    let wrong = Say::governance(&governance::consentCall { id, digest: B256::ZERO });
    assert_eq!(refused(&mut committee.net, &regulator, &wrong), 14);
    let unknown = Say::governance(&governance::consentCall { id: 9, digest: B256::ZERO });
    assert_eq!(refused(&mut committee.net, &regulator, &unknown), 10);
    committee.net.one(&regulator.sign(&said));
    assert_eq!(refused(&mut committee.net, &regulator, &said), 35);

    let operator = committee.net.actor("bank-a", Role::Operator);
    let freezing = committee.propose(&freeze(operator.address));
    let said = consent(&committee, freezing);
    assert_eq!(refused(&mut committee.net, &regulator, &said), 48);
}

#[test]
fn the_last_regulator_goes_only_with_its_consent() {
    let mut committee = Committee::new();
    let [one, two] = ["bank-a", "bank-b"].map(|id| committee.net.actor(id, Role::Regulator));
    register(&mut committee, &one, VETO);
    register(&mut committee, &two, OBSERVE);
    let ids = [&one, &two].map(|regulator| carried(&mut committee, &retire(regulator)));
    assert_eq!(committee.execute(ids[0]), 1);
    assert!(!entry(&committee.net, one.address).registered);
    assert_eq!(committee.refused(1, &execute(ids[1])), 47);
    let said = consent(&committee, ids[1]);
    committee.net.one(&two.sign(&said));
    assert_eq!(committee.execute(ids[1]), 1);
    assert!(committee.net.ask(GOVERNANCE, &governance::regulatorsCall {}).is_empty());
    assert_eq!(committee.refused(0, &crate::governance::propose(&retire(&two))), 45);
}

#[test]
fn once_any_is_registered_only_regulators_with_the_power_veto() {
    let mut committee = Committee::new();
    let [one, two, three] = ["bank-a", "bank-b", "bank-c"].map(|id| committee.net.actor(id, Role::Regulator));
    let operator = committee.net.actor("bank-d", Role::Operator);
    committee.pass(&freeze(operator.address));
    let unfreeze = Action::UnfreezeAccount {
        account: operator.address,
        basis: Basis { document: B256::repeat_byte(1), reference: "Order 8".into() },
    };
    let veto = |id| Say::governance(&governance::vetoCall { id, basis: B256::repeat_byte(5) });
    let id = committee.propose(&unfreeze);
    committee.net.one(&three.sign(&veto(id)));
    register(&mut committee, &one, VETO);
    register(&mut committee, &two, OBSERVE);
    let id = committee.propose(&unfreeze);
    let refusal = committee.net.try_one(&three.sign(&veto(id)));
    let refusal = governance::Refused::abi_decode(&refusal.output).unwrap();
    assert_eq!(refusal.code, 49);
    assert!(refusal.reason.contains("with the power veto; an admit-regulator proposal gives it"));
    assert_eq!(refused(&mut committee.net, &two, &veto(id)), 49);
    committee.net.one(&one.sign(&veto(id)));
    assert_eq!(committee.proposal(id).status, 6);
}

#[test]
fn only_regulators_in_good_standing_and_what_exists_are_registered() {
    let mut committee = Committee::new();
    let operator = committee.net.actor("bank-a", Role::Operator);
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let propose = crate::governance::propose;
    assert_eq!(committee.refused(0, &propose(&admit(&operator, VETO))), 46);
    let (account, height) = (regulator.address, committee.net.height);
    let over = Action::AdmitRegulator { account, mandate: mandate(VETO, height) };
    assert_eq!(committee.refused(0, &propose(&over)), 46);
    let unknown = Mandate { organisations: Some([org("bank-x")].into()), ..mandate(VETO, 0) };
    let unknown = Action::AdmitRegulator { account, mandate: unknown };
    assert_eq!(committee.refused(0, &propose(&unknown)), 31);
    let nowhere = Mandate { contracts: Some([Address::repeat_byte(9)].into()), ..mandate(VETO, 0) };
    let nowhere = Action::AdmitRegulator { account, mandate: nowhere };
    assert_eq!(committee.refused(0, &propose(&nowhere)), 80);
    let (_, probe) = committee.net.deploy(bytecode("Probe").into());
    let there = Mandate { contracts: Some([probe].into()), ..mandate(VETO, 0) };
    let id = committee.propose(&Action::AdmitRegulator { account, mandate: there });
    assert_eq!(committee.proposal(id).status, 0);
    let idle = Action::AdmitRegulator { account, mandate: Mandate { powers: [].into(), ..mandate(VETO, 0) } };
    assert_eq!(committee.refused(0, &propose(&idle)), 6);
}

#[test]
fn an_entry_follows_its_identity_to_a_recovered_key() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    register(&mut committee, &regulator, VETO);
    let spare = committee.net.stranger("bank-a", Role::Regulator, "spare");
    let basis = Basis { document: B256::repeat_byte(1), reference: "Report 3".into() };
    let recover = Action::RecoverKey { account: regulator.address, chain: spare.chain.clone(), basis };
    assert_eq!(committee.pass(&recover), 1);
    let found = entry(&committee.net, spare.address);
    assert_eq!((found.identity, found.account), (regulator.address, spare.address));
    let id = carried(&mut committee, &retire(&spare));
    let said = consent(&committee, id);
    let receipt = committee.net.try_one(&regulator.sign(&said));
    assert_eq!(receipt.outcome, Outcome::CertificateRevoked);
    committee.net.one(&spare.sign(&said));
    assert_eq!(committee.execute(id), 1);
}

#[test]
fn a_consent_pays_for_its_row_and_its_event_before_they_are_written() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let id = committee.propose(&admit(&regulator, VETO));
    let said = consent(&committee, id);
    let receipt = committee.net.try_one(&regulator.sign(&said.clone().gas(60_000)));
    assert_eq!(receipt.outcome, Outcome::Halted, "{}", reason(&receipt.output));
    assert!(!committee.net.ask(GOVERNANCE, &governance::consentOfCall { id }).given);
    let receipt = committee.net.one(&regulator.sign(&said));
    assert!((75_000..90_000).contains(&receipt.gas_used), "{}", receipt.gas_used);
}

#[test]
fn a_veto_pays_for_each_regulator_that_it_reads() {
    let mut committee = Committee::new();
    let [one, two] = ["bank-a", "bank-b"].map(|id| committee.net.actor(id, Role::Regulator));
    let action = crate::governance::admission(&mut committee.net, "bank-e");
    let cost = |committee: &mut Committee| {
        let id = committee.propose(&action);
        let veto = Say::governance(&governance::vetoCall { id, basis: B256::repeat_byte(5) });
        committee.net.one(&one.sign(&veto)).gas_used
    };
    let nobody = cost(&mut committee);
    register(&mut committee, &one, VETO);
    let first = cost(&mut committee);
    register(&mut committee, &two, VETO);
    let second = cost(&mut committee);
    // Its own entry, and whose identity it is; then each other entry.
    assert_eq!((first - nobody, second - first), (3 * 2_100, 2_100));
}

#[test]
fn a_consent_out_of_a_contract_is_refused() {
    let mut committee = Committee::new();
    let regulator = committee.net.actor("bank-a", Role::Regulator);
    let id = committee.propose(&admit(&regulator, VETO));
    // Hands its call data to governance, and reverts with the answer.
    let forwarder = alloy_primitives::hex!("74365f5f375f5f365f5f61c0025af13d5f5f3e3d5ffd5f526015600bf3");
    let (developer, forwarder) = committee.net.deploy(forwarder.to_vec().into());
    let call = governance::consentCall { id, digest: committee.proposal(id).digest };
    let receipt = committee.net.try_one(&developer.sign(&Say::call(forwarder, &call)));
    assert_eq!(receipt.outcome, Outcome::Reverted);
    assert!(governance::OnlyDirectTransaction::abi_decode(&receipt.output).is_ok(), "{}", receipt.output);
    assert!(!committee.net.ask(GOVERNANCE, &governance::consentOfCall { id }).given);
}

#[test]
fn of_somebody_who_is_not_registered_nothing_is_told() {
    let committee = Committee::new();
    let nobody = entry(&committee.net, Address::repeat_byte(9));
    assert!(!nobody.registered && !nobody.inForce && nobody.powers == 0 && nobody.account == Address::ZERO);
}
