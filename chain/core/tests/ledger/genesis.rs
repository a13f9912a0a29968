//! From the agreed document to the first state.

use concordat_core::{GenesisStateError, Registry, RegistryError, genesis_state};
use concordat_pki_authority::KeyType;
use concordat_types::{Genesis, Role};

use crate::kit::{Consortium, DAY, GENESIS_TIME};

fn refusal(change: impl FnOnce(&mut Genesis)) -> GenesisStateError {
    let mut genesis = Consortium::new().genesis;
    change(&mut genesis);
    genesis_state(&genesis).unwrap_err()
}

#[test]
fn founding_members_and_validators_stand_in_the_first_state() {
    let net = Consortium::new();
    let made = genesis_state(&net.genesis).unwrap();
    let registry = Registry::new(&net.state);
    assert_eq!(registry.validators().unwrap(), made.validators);
    assert_eq!((made.validators.validators().len(), made.validators.total_power()), (3, 30));
    let budgets: Vec<_> =
        registry.organisations().unwrap().into_iter().map(|o| (o.id.to_string(), o.power_budget)).collect();
    let expected = [("bank-a", 20), ("bank-b", 10), ("small-bank", 0)];
    assert_eq!(budgets, expected.map(|(id, budget)| (id.to_owned(), budget)));
    assert!(made.changes.values().all(|value| value.as_ref().is_some_and(|value| !value.is_empty())));
}

#[test]
fn a_refusal_names_the_organisation_and_the_field() {
    let error = refusal(|genesis| {
        let other = genesis.organisations[1].validators[0].node_certificate.clone();
        genesis.organisations[0].validators[1].node_certificate = other;
    });
    let text = error.to_string();
    assert!(text.starts_with("organisation bank-a, validators[1].node_certificate: "), "{text}");
}

#[test]
fn roots_must_be_the_organisations_own_and_valid() {
    let error = refusal(|genesis| {
        let other = genesis.organisations[1].ca_certificates.clone();
        genesis.organisations[0].ca_certificates = other;
    });
    let GenesisStateError::Certificate { reason, .. } = error else { panic!("{error}") };
    assert!(matches!(reason, RegistryError::OrganisationMismatch { .. }));
    let error = refusal(|genesis| genesis.organisations[0].ca_certificates.clear());
    assert!(matches!(error, GenesisStateError::NoRoot { .. }));
    let error = refusal(|genesis| genesis.genesis_time = GENESIS_TIME - 1_000 * i64::try_from(DAY).unwrap());
    assert!(matches!(error, GenesisStateError::Certificate { .. }), "{error}");
    assert_eq!(refusal(|genesis| genesis.genesis_time = -1), GenesisStateError::Time(-1));
}

#[test]
fn validators_need_a_grantable_role_and_fitting_certificates() {
    let error = refusal(|genesis| {
        genesis.organisations[0].roles.remove(&Role::Validator);
    });
    let GenesisStateError::Certificate { reason, .. } = error else { panic!("{error}") };
    assert!(matches!(reason, RegistryError::RoleNotGrantable { role: Role::Validator, .. }));
    let error = refusal(|genesis| {
        let validator = &mut genesis.organisations[0].validators[0];
        std::mem::swap(&mut validator.node_certificate, &mut validator.consensus_certificate);
    });
    assert!(error.to_string().contains("node_certificate"), "{error}");
    let mut net = Consortium::new();
    let observer = net.stranger_with(KeyType::P256, "bank-a", Role::Observer, "o", 30);
    let pem: String =
        observer.chain.iter().map(|der| concordat_pki_authority::pem::encode("CERTIFICATE", der)).collect();
    net.genesis.genesis_time = net.time_secs.try_into().unwrap();
    net.genesis.organisations[0].validators[0].node_certificate = pem;
    let error = genesis_state(&net.genesis).unwrap_err();
    assert!(error.to_string().contains("observer"), "{error}");
}

#[test]
fn keys_are_not_shared_between_validators() {
    let error = refusal(|genesis| {
        let node = genesis.organisations[0].validators[0].node_certificate.clone();
        genesis.organisations[0].validators[1].node_certificate = node;
    });
    assert!(matches!(error, GenesisStateError::SharedKey { .. }), "{error}");
    let error = refusal(|genesis| {
        let vote = genesis.organisations[0].validators[0].consensus_certificate.clone();
        genesis.organisations[0].validators[1].consensus_certificate = vote;
    });
    assert!(error.to_string().contains("consensus_certificate"), "{error}");
}

#[test]
fn text_that_is_no_pem_is_refused() {
    let begin = "-----BEGIN CERTIFICATE-----";
    for text in ["", "hello", begin, &format!("{begin}\n!!!\n-----END CERTIFICATE-----")] {
        let error = refusal(|genesis| genesis.organisations[0].ca_certificates[0] = text.to_owned());
        assert!(matches!(error, GenesisStateError::Pem { .. }), "{text:?}: {error}");
    }
}

#[test]
fn validator_addresses_and_powers_are_checked() {
    let error = refusal(|genesis| genesis.organisations[0].validators[0].address = "nowhere".into());
    assert!(error.to_string().contains("validators[0].address"), "{error}");
    let error = refusal(|genesis| genesis.organisations[0].validators[0].power = 0);
    assert!(matches!(error, GenesisStateError::Validators(_)), "{error}");
}
