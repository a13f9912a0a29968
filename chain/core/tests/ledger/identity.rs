//! Enrolment, renewal, revocation lists, and the registry's views.

use std::sync::OnceLock;

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::{SolCall, SolError, SolEvent as _};
use concordat_core::{
    BlockEnv, CallRequest, IDENTITY_REGISTRY, IdentityEvent, Registry, TxInvalid,
    abi::IIdentityRegistry as registry, call,
};
use concordat_pki_authority::{
    Authority, AuthorityOptions, CertificateRequest, KeyType, Passphrase, PrivateKey,
};
use concordat_pki_verify::RevocationReason;
use concordat_types::{Role, receipt::Outcome, state::MemoryState};
use proptest::prelude::*;

use crate::{
    kit::{Actor, Consortium, DAY, GENESIS_TIME, Say, certify, ders, key, org},
    refusals::crl_against,
};

/// Why a stranger's enrolment is refused.
fn enrolment_refusal(net: &Consortium, actor: &Actor) -> String {
    match net.invalid(&actor.sign_at(&actor.enrolment(), 0)) {
        TxInvalid::EnrolmentRefused { sender, reason } => {
            assert_eq!(sender, actor.address);
            reason
        }
        other => panic!("{other}"),
    }
}

/// The Solidity error of a call to the registry that must revert.
fn revert<E: SolError>(net: &mut Consortium, actor: &Actor, call: &impl SolCall) -> E {
    let receipt = net.try_one(&actor.sign(&Say::registry(call)));
    assert_eq!(receipt.outcome, Outcome::Reverted);
    E::abi_decode(&receipt.output).unwrap_or_else(|_| panic!("{}", crate::kit::reason(&receipt.output)))
}

#[test]
fn an_account_enrols_with_its_own_certificate() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let block = net.block(&[alice.sign(&alice.enrolment())]);
    let event = registry::AccountEnrolled::decode_log(&block.receipts[0].logs[0]).unwrap();
    assert_eq!(event.address, IDENTITY_REGISTRY);
    assert_eq!(
        (event.account, event.organisation.as_str(), event.role.as_str()),
        (alice.address, "bank-a", "operator")
    );
    let enrolled = IdentityEvent::AccountEnrolled { address: alice.address, org: org("bank-a") };
    assert_eq!(block.identity_events, [enrolled]);

    let entry = Registry::new(&net.state).account(alice.address).unwrap().unwrap();
    assert_eq!((entry.role, entry.common_name.as_str(), entry.path.len()), (Role::Operator, "Alice", 2));
    assert_eq!(entry.path[0].serial, alice.serial);
    assert!(entry.active && entry.enrolled_height == 1);
}

#[test]
fn keys_of_both_curves_enrol_and_several_in_one_block() {
    let mut net = Consortium::new();
    let actors: Vec<_> = [KeyType::P256, KeyType::Secp256k1, KeyType::P256]
        .into_iter()
        .enumerate()
        .map(|(i, kind)| net.stranger_with(kind, "bank-b", Role::Operator, &format!("user {i}"), 30))
        .collect();
    let txs: Vec<_> = actors.iter().map(|actor| actor.sign(&actor.enrolment())).collect();
    let block = net.block(&txs);
    assert!(block.receipts.iter().all(|receipt| receipt.outcome.succeeded()));
}

#[test]
fn an_enrolled_account_may_transact_later_in_the_same_block() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let txs = [alice.sign(&alice.enrolment()), alice.sign(&Say::registry(&registry::versionCall {}))];
    assert!(net.block(&txs).receipts.iter().all(|receipt| receipt.outcome.succeeded()));
}

#[test]
fn enrolment_is_refused_for_another_key() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let mallory = Actor { chain: alice.chain.clone(), ..net.stranger("bank-a", Role::Operator, "Mallory") };
    assert!(enrolment_refusal(&net, &mallory).contains("is for account"));
}

#[test]
fn enrolment_is_refused_to_organisations_that_are_no_members() {
    let mut net = Consortium::new();
    let mut foreign = Authority::create(&org("bank-x"), &AuthorityOptions::default(), GENESIS_TIME).unwrap();
    let user = certify(&mut foreign, &key(KeyType::Secp256k1, "x"), Role::Operator, "x", 30, net.time_secs);
    assert_eq!(enrolment_refusal(&net, &user), "organisation bank-x is not a member of this chain");
    // Somebody else's authority in a member's name.
    let mut forged = Authority::create(&org("bank-a"), &AuthorityOptions::default(), GENESIS_TIME).unwrap();
    let user = certify(&mut forged, &key(KeyType::Secp256k1, "y"), Role::Operator, "y", 30, net.time_secs);
    assert!(enrolment_refusal(&net, &user).starts_with("the certification path does not hold"));
    net.time_secs += 1;
}

/// A certificate whose holder is of another organisation with a name as long, signed again with its authority's key.
fn forged(der: &[u8], (from, to): (&str, &str), authority: &PrivateKey) -> Bytes {
    let length = |at: usize| usize::from(der[at]) << 8 | usize::from(der[at + 1]);
    // Two headers of four bytes: of the certificate, and of what is signed.
    let mut signed = der[4..8 + length(6)].to_vec();
    let subject = signed.windows(from.len()).rposition(|bytes| bytes == from.as_bytes()).unwrap();
    signed[subject..subject + to.len()].copy_from_slice(to.as_bytes());
    let signature = authority.sign(&signed).unwrap();
    // ecdsa-with-SHA256, then a bit string without unused bits.
    let algorithm = hex::decode("300a06082a8648ce3d040302").unwrap();
    let bits = [&[0x03, u8::try_from(signature.len() + 1).unwrap(), 0], &signature[..]].concat();
    let content = [signed, algorithm, bits].concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, high, low], &content[..]].concat().into()
}

#[test]
fn a_stolen_issuing_authority_vouches_for_nobody_of_another_organisation() {
    let mut net = Consortium::new();
    let mut mallory = net.stranger_with(KeyType::P256, "bank-a", Role::Operator, "mallory", 30);
    let (folder, passphrase) = (tempfile::tempdir().unwrap(), Passphrase::new("correct horse").unwrap());
    net.authority("bank-a").save(folder.path(), &passphrase).unwrap();
    let stolen = PrivateKey::read(&folder.path().join("issuing/ca.key"), &passphrase).unwrap();
    let own = mallory.chain[0].clone();

    // The forgery is sound but for the name.
    mallory.chain[0] = forged(&own, ("bank-a", "bank-a"), &stolen);
    let registry = Registry::new(&net.state);
    assert!(registry.authorize_client(&mallory.chain, net.now()).is_ok());

    mallory.chain[0] = forged(&own, ("bank-a", "bank-b"), &stolen);
    let refused = registry.authorize_client(&mallory.chain, net.now()).unwrap_err().to_string();
    assert!(refused.contains("bank-a issuing CA"), "{refused}");
    assert_eq!(enrolment_refusal(&net, &mallory), refused);
    // Nor does the authority of bank-b's people stand above it.
    let alice = net.stranger("bank-b", Role::Operator, "alice");
    let registry = Registry::new(&net.state);
    mallory.chain[1] = alice.chain[1].clone();
    assert!(registry.authorize_client(&mallory.chain, net.now()).is_err());
}

#[test]
fn enrolment_is_refused_for_roles_that_the_organisation_may_not_grant() {
    let mut net = Consortium::new();
    let developer = net.stranger("small-bank", Role::Developer, "dev");
    let reason = enrolment_refusal(&net, &developer);
    assert_eq!(reason, "the certificate authority of small-bank may not grant the role developer");
    let operator = net.stranger("small-bank", Role::Operator, "op");
    net.enrol(&operator);
}

#[test]
fn enrolment_is_refused_for_certificates_of_machines() {
    let mut net = Consortium::new();
    let node = net.stranger_with(KeyType::P256, "bank-a", Role::Observer, "node", 30);
    assert!(enrolment_refusal(&net, &node).contains("role observer"));
}

#[test]
fn enrolment_is_refused_outside_of_the_certificates_validity() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let now = net.time_secs;
    net.time_secs = now + 31 * DAY;
    assert!(enrolment_refusal(&net, &alice).contains("expired"));
    net.time_secs = now - 3 * DAY;
    assert!(enrolment_refusal(&net, &alice).contains("not valid before"));
}

#[test]
fn enrolment_is_refused_with_a_revoked_certificate() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let mallory = net.stranger("bank-a", Role::Operator, "Mallory");
    let list = crl_against(&mut net, "bank-a", &mallory);
    net.one(&registrar.sign(&Say::registry(&list)));
    assert!(enrolment_refusal(&net, &mallory).contains("is revoked"));
}

#[test]
fn enrolment_is_refused_with_broken_chains() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let long = vec![alice.chain[0].clone(); 9];
    let cases = [vec![], vec![alice.chain[0].clone()], vec![Bytes::from_static(b"\x30\x00")], long];
    for chain in cases {
        let broken = Actor { chain, ..net.stranger("bank-a", Role::Operator, "Alice") };
        assert!(enrolment_refusal(&net, &broken).starts_with("the certification path does not hold"));
    }
    net.enrol(&alice);
}

#[test]
fn call_data_that_are_no_enrolment_are_refused_without_looking_further() {
    let mut net = Consortium::new();
    let alice = net.stranger("bank-a", Role::Operator, "Alice");
    let selector = registry::enrolCall::SELECTOR.to_vec();
    let huge = [selector.clone(), vec![0; 30_000]].concat();
    for input in [selector.clone(), [selector, vec![0xff; 64]].concat(), huge] {
        let say = Say { input: input.into(), ..alice.enrolment() };
        let refused = net.invalid(&alice.sign_at(&say, 0));
        assert!(matches!(refused, TxInvalid::EnrolmentRefused { .. }), "{refused}");
    }
}

#[test]
fn nobody_enrols_twice() {
    let mut net = Consortium::new();
    let alice = net.actor("bank-a", Role::Operator);
    let call = registry::enrolCall { chain: alice.chain.clone() };
    let error: registry::AlreadyEnrolled = revert(&mut net, &alice, &call);
    assert_eq!(error.account, alice.address);
}

#[test]
fn an_expired_account_renews_and_goes_on_under_its_old_address() {
    let mut net = Consortium::new();
    let alice = net.actor("bank-a", Role::Operator);
    net.time_secs += 40 * DAY;
    let view = Say::registry(&registry::versionCall {});
    assert_eq!(net.try_one(&alice.sign(&view)).outcome, Outcome::CertificateExpired);
    let now = net.time_secs;
    let renewed = certify(net.authority("bank-a"), &alice.key, Role::Operator, "someone", 30, now);
    let call = registry::renewCall { chain: renewed.chain };
    let block = net.block(&[alice.sign(&Say::registry(&call)), alice.sign(&view)]);
    assert!(block.receipts.iter().all(|receipt| receipt.outcome.succeeded()));
    let entry = Registry::new(&net.state).account(alice.address).unwrap().unwrap();
    assert_eq!((entry.enrolled_height, &entry.path[0].serial), (1, &renewed.serial));
    let event = IdentityEvent::CertificateRenewed { address: alice.address, org: org("bank-a") };
    assert_eq!(block.identity_events, [event]);
}

#[test]
fn a_renewal_changes_neither_role_nor_organisation_and_must_last_longer() {
    let mut net = Consortium::new();
    let alice = net.actor("bank-a", Role::Operator);
    let now = net.time_secs;
    let same: registry::RenewalNotLater =
        revert(&mut net, &alice, &registry::renewCall { chain: alice.chain.clone() });
    assert_eq!(same.current, same.presented);
    let developer = certify(net.authority("bank-a"), &alice.key, Role::Developer, "x", 60, now);
    let role: registry::RenewalChanges =
        revert(&mut net, &alice, &registry::renewCall { chain: developer.chain });
    assert_eq!((role.what.as_str(), role.presented.as_str()), ("role", "developer"));
    let moved = certify(net.authority("bank-b"), &alice.key, Role::Operator, "x", 60, now);
    let org: registry::RenewalChanges = revert(&mut net, &alice, &registry::renewCall { chain: moved.chain });
    assert_eq!((org.what.as_str(), org.presented.as_str()), ("organisation", "bank-b"));
    let other = net.stranger_with(KeyType::Secp256k1, "bank-a", Role::Operator, "other", 60);
    let _: registry::KeyMismatch = revert(&mut net, &alice, &registry::renewCall { chain: other.chain });
}

#[test]
fn a_revoked_account_cannot_renew_but_one_that_renewed_first_is_safe() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-b", Role::Registrar);
    let (alice, bob) = (net.actor("bank-a", Role::Operator), net.actor("bank-a", Role::Auditor));
    let now = net.time_secs;
    let renewal = |net: &mut Consortium, actor: &Actor, role| {
        let renewed = certify(net.authority("bank-a"), &actor.key, role, "someone", 60, now);
        Say::registry(&registry::renewCall { chain: renewed.chain })
    };
    let first = renewal(&mut net, &bob, Role::Auditor);
    net.one(&bob.sign(&first));
    for actor in [&alice, &bob] {
        let list = crl_against(&mut net, "bank-a", actor);
        net.one(&registrar.sign(&Say::registry(&list)));
    }
    let late = renewal(&mut net, &alice, Role::Operator);
    assert_eq!(net.try_one(&alice.sign(&late)).outcome, Outcome::CertificateRevoked);
    net.one(&bob.sign(&Say::registry(&registry::versionCall {})));
}

#[test]
fn a_crl_is_taken_in_once_and_only_newer_ones_follow() {
    let mut net = Consortium::new();
    let anyone = net.actor("bank-b", Role::Auditor);
    let victim = net.actor("bank-a", Role::Operator);
    let list = crl_against(&mut net, "bank-a", &victim);
    let receipt = net.one(&anyone.sign(&Say::registry(&list)));
    let revoked = registry::CertificateRevoked::decode_log(&receipt.logs[0]).unwrap();
    assert_eq!((&revoked.serial, revoked.reason), (&victim.serial, 1));
    let accepted = registry::CrlAccepted::decode_log(&receipt.logs[1]).unwrap();
    assert_eq!((accepted.organisation.as_str(), accepted.newlyRevoked), ("bank-a", 1));
    let again: registry::CrlNotNewer = revert(&mut net, &anyone, &list);
    assert_eq!(again.current, again.presented);
    let asked = registry::revocationCall { issuer: revoked.issuer, serial: victim.serial.clone() };
    let answer = net.ask(IDENTITY_REGISTRY, &asked);
    assert!(answer.revoked && answer.reason == 1 && answer.height > 0);
    assert!(net.ask(IDENTITY_REGISTRY, &registry::accountCall { account: victim.address }).revoked);
}

#[test]
fn more_revocations_than_one_call_takes_all_bind_in_the_end() {
    const REVOKED: usize = 2_100;
    let mut net = Consortium::new();
    let registrar = net.actor("bank-b", Role::Registrar);
    let now = i64::try_from(net.time_secs).unwrap();
    let authority = net.authority("bank-a");
    let request = CertificateRequest::create(
        &key(KeyType::Secp256k1, "many"),
        authority.org(),
        Role::Operator,
        "many",
        &[],
    );
    let request = request.unwrap();
    let mut one = || {
        let issued = authority.issue(&request, &request.profile(30), now).unwrap();
        authority.revoke(issued.certificate().serial(), RevocationReason::KeyCompromise, now).unwrap();
        issued
    };
    let revoked: Vec<_> = (0..REVOKED).map(|_| one()).collect();
    let issuer = authority.issuing_certificate().clone();
    let lists = authority.crl(30, now).unwrap().lists;
    assert_eq!(lists.len(), 6);
    for crl in &lists {
        let issuer_chain = vec![Bytes::copy_from_slice(issuer.der())];
        let crl = Bytes::copy_from_slice(crl.der());
        let call = registry::submitCrlCall { crl, issuerChain: issuer_chain };
        net.one(&registrar.sign(&Say::registry(&call).gas(14_000_000)));
    }
    let registry = Registry::new(&net.state);
    let issuer = issuer.spki_sha256().into();
    let binds = |serial: &[u8]| registry.revocation(issuer, serial).unwrap().is_some();
    assert!(revoked.iter().all(|issued| binds(issued.certificate().serial().as_bytes())));
    assert!(!binds(&registrar.serial), "another bank's");
}

#[test]
fn crls_of_strangers_and_forgers_are_refused() {
    let mut net = Consortium::new();
    let anyone = net.actor("bank-b", Role::Auditor);
    let now = i64::try_from(net.time_secs).unwrap();
    let submit = |authority: &mut Authority| {
        let issuer = Bytes::copy_from_slice(authority.issuing_certificate().der());
        let crl = Bytes::copy_from_slice(authority.crl(30, now).unwrap().lists[0].der());
        registry::submitCrlCall { crl, issuerChain: vec![issuer] }
    };
    let mut foreign = Authority::create(&org("bank-x"), &AuthorityOptions::default(), GENESIS_TIME).unwrap();
    let call = submit(&mut foreign);
    let unknown: registry::UnknownOrganisation = revert(&mut net, &anyone, &call);
    assert_eq!(unknown.organisation, "bank-x");
    let mut forged = Authority::create(&org("bank-a"), &AuthorityOptions::default(), GENESIS_TIME).unwrap();
    let call = submit(&mut forged);
    let _: registry::CrlInvalid = revert(&mut net, &anyone, &call);
    let garbage = registry::submitCrlCall { crl: Bytes::from_static(b"no list"), issuerChain: vec![] };
    let _: registry::CrlInvalid = revert(&mut net, &anyone, &garbage);
}

#[test]
fn the_views_tell_what_the_registry_holds() {
    let mut net = Consortium::new();
    let alice = net.actor("bank-a", Role::Operator);
    let at = IDENTITY_REGISTRY;
    assert_eq!(net.ask(at, &registry::versionCall {}), 1);
    assert_eq!(net.ask(at, &registry::organisationsCall {}), ["bank-a", "bank-b", "small-bank"]);
    let bank = net.ask(at, &registry::organisationCall { id: "bank-a".into() });
    assert_eq!((bank.name.as_str(), bank.powerBudget, bank.caCertificates.len()), ("The bank-a", 20, 1));
    assert!(net.ask(at, &registry::isEnrolledCall { account: alice.address }));
    assert!(!net.ask(at, &registry::isEnrolledCall { account: Address::ZERO }));
    let account = net.ask(at, &registry::accountCall { account: alice.address });
    assert_eq!((account.organisation.as_str(), account.serial), ("bank-a", alice.serial.clone()));
    let asked = registry::certificateCall { fingerprint: account.fingerprint };
    assert_eq!(net.ask(at, &asked), alice.address);
    assert_eq!(net.ask(at, &registry::validatorsCall {}).len(), 3);
}

#[test]
fn views_refuse_what_is_not_there_in_solidity_errors() {
    let net = Consortium::new();
    let outcome = net.ask_raw(IDENTITY_REGISTRY, &registry::accountCall { account: Address::ZERO });
    assert!(registry::NotEnrolled::abi_decode(&outcome.output).is_ok());
    let outcome = net.ask_raw(IDENTITY_REGISTRY, &registry::organisationCall { id: "nobody".into() });
    assert!(registry::UnknownOrganisation::abi_decode(&outcome.output).is_ok());
    for input in [&b""[..], b"\x01", b"\xde\xad\xbe\xef"] {
        let request =
            CallRequest { to: Some(IDENTITY_REGISTRY), input: input.to_vec().into(), ..Default::default() };
        let outcome = call(&net.state, &net.env(), &request).unwrap();
        assert!(registry::MalformedCall::abi_decode(&outcome.output).is_ok());
    }
}

#[test]
fn nodes_and_clients_are_authorised_by_their_chains() {
    let mut net = Consortium::new();
    let node = net.stranger_with(KeyType::P256, "bank-a", Role::Observer, "observer-1", 30);
    let client = net.stranger_with(KeyType::P256, "bank-b", Role::Operator, "back office", 30);
    let registry = Registry::new(&net.state);
    let identity = registry.authorize_node(&node.chain, net.time_secs).unwrap();
    assert_eq!(
        (identity.org.as_str(), identity.role, identity.common_name.as_str()),
        ("bank-a", Role::Observer, "observer-1")
    );
    let identity = registry.authorize_client(&client.chain, net.now()).unwrap();
    assert_eq!((identity.org.as_str(), identity.address), ("bank-b", Some(client.address)));
    assert!(registry.authorize_node(&client.chain, net.time_secs).is_err());
    assert!(registry.authorize_client(&node.chain, net.now()).is_err());
    let late = registry.authorize_node(&node.chain, net.time_secs + 31 * DAY).unwrap_err();
    assert!(late.to_string().contains("expired"), "{late}");
    assert!(registry.authorize_node(&ders(&[]), net.time_secs).is_err());
}

#[test]
fn a_revoked_node_is_no_longer_authorised() {
    let mut net = Consortium::new();
    let registrar = net.actor("bank-a", Role::Registrar);
    let node = net.stranger_with(KeyType::P256, "bank-a", Role::Observer, "observer-1", 30);
    let path = Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).unwrap().path;
    assert!(!Registry::new(&net.state).is_path_revoked(&path).unwrap());
    let list = crl_against(&mut net, "bank-a", &node);
    net.one(&registrar.sign(&Say::registry(&list)));
    assert!(Registry::new(&net.state).is_path_revoked(&path).unwrap());
    assert!(Registry::new(&net.state).authorize_node(&node.chain, net.time_secs).is_err());
}

/// A state, who asks it, and well-formed calls of the functions that take bytes, to be mutated.
struct Seeds {
    state: MemoryState,
    env: BlockEnv,
    from: Address,
    calls: Vec<Vec<u8>>,
}

fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let mut net = Consortium::new();
        let alice = net.actor("bank-a", Role::Registrar);
        let bob = net.stranger("bank-a", Role::Operator, "Bob");
        let chain = bob.chain.clone();
        let calls = vec![
            registry::enrolCall { chain: chain.clone() }.abi_encode(),
            registry::renewCall { chain: chain.clone() }.abi_encode(),
            crl_against(&mut net, "bank-a", &bob).abi_encode(),
            registry::admitValidatorCall {
                nodeChain: chain.clone(),
                consensusChain: chain,
                nodeAddress: "a:1".into(),
                power: 1,
            }
            .abi_encode(),
            registry::revocationCall { issuer: Default::default(), serial: alice.serial.clone() }
                .abi_encode(),
            registry::organisationCall { id: "bank-a".into() }.abi_encode(),
        ];
        Seeds { env: net.env(), from: alice.address, state: net.state, calls }
    })
}

proptest! {
    #[test]
    fn mutated_and_truncated_calls_never_panic_and_change_nothing_by_accident(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        let seeds = seeds();
        let mut input = which.get(&seeds.calls).clone();
        for (at, with) in mutations {
            let at = at.index(input.len());
            input[at] ^= with;
        }
        if truncate {
            input.truncate(keep.index(input.len()));
        }
        let request = CallRequest {
            from: seeds.from,
            to: Some(IDENTITY_REGISTRY),
            input: input.into(),
            ..CallRequest::default()
        };
        call(&seeds.state, &seeds.env, &request).unwrap();
    }
}
