//! What stands in a block without being executed: it uses up its nonce, gas for its place in the block, and nothing else.

use alloy_primitives::{Address, Bytes, TxKind};
use alloy_sol_types::SolError as _;
use concordat_core::{
    Registry, Wish, abi::IIdentityRegistry as registry, account_state, explain,
    permissions::abi::IPermissions::NotPermitted,
};
use concordat_pki_verify::RevocationReason;
use concordat_types::{Role, StateKey, VerifiedTx, receipt::Outcome};

use crate::kit::{Actor, Consortium, DAY, Say, effects, token_init_code};

fn business() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 }
}

fn assert_refused(net: &mut Consortium, tx: &VerifiedTx, outcome: Outcome) {
    assert!(refused(net, tx, outcome).is_empty());
}

/// The same by the policies: by this one, or, where it is empty, because none permits it.
fn assert_not_permitted(net: &mut Consortium, tx: &VerifiedTx, policy: &str) {
    let output = refused(net, tx, Outcome::NotPermitted);
    assert_eq!(NotPermitted::abi_decode(&output).unwrap().policy, policy);
}

/// What the receipt of a refused transaction says beyond its outcome. Only the sender's nonce has changed.
fn refused(net: &mut Consortium, tx: &VerifiedTx, outcome: Outcome) -> Bytes {
    let block = net.block(std::slice::from_ref(tx));
    let receipt = &block.receipts[0];
    assert_eq!((receipt.outcome, receipt.gas_used), (outcome, block.gas_used));
    assert!((21_000..=tx.gas_limit()).contains(&receipt.gas_used), "its place in the block: {receipt:?}");
    assert!(receipt.logs.is_empty() && receipt.contract_address.is_none());
    assert_eq!(effects(&block), [&StateKey::account(tx.sender())]);
    assert_eq!(account_state(&net.state, tx.sender()).unwrap().nonce, tx.nonce() + 1);
    receipt.output.clone()
}

/// The CRL that revokes someone, as its issuing authority signs it.
pub fn crl_against(net: &mut Consortium, id: &str, actor: &Actor) -> registry::submitCrlCall {
    let now = i64::try_from(net.time_secs).unwrap();
    let authority = net.authority(id);
    let serial = concordat_pki_verify::Serial::from_magnitude(&actor.serial).unwrap();
    authority.revoke(&serial, RevocationReason::KeyCompromise, now).unwrap();
    let crl = authority.crl(30, now).unwrap();
    let issuer = Bytes::copy_from_slice(authority.issuing_certificate().der());
    registry::submitCrlCall { crl: Bytes::copy_from_slice(crl.lists[0].der()), issuerChain: vec![issuer] }
}

#[test]
fn an_expired_certificate_is_refused_at_block_time() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let until = Registry::new(&net.state).account(operator.address).unwrap().unwrap().not_after;
    net.time_secs = until;
    net.one(&operator.sign(&business()));
    assert_eq!(net.time_secs, until + 1);
    assert_refused(&mut net, &operator.sign(&business()), Outcome::CertificateExpired);
}

#[test]
fn an_expired_issuing_authority_ends_its_accounts_too() {
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    net.time_secs += 1826 * DAY;
    assert_refused(&mut net, &operator.sign(&business()), Outcome::CertificateExpired);
}

#[test]
fn a_revocation_binds_from_the_next_transaction_of_the_same_block() {
    let mut net = Consortium::new();
    let victim = net.actor("bank-a", Role::Operator);
    let registrar = net.actor("bank-b", Role::Registrar);
    let list = crl_against(&mut net, "bank-a", &victim);
    let txs = [
        victim.sign(&business()),
        registrar.sign(&Say::registry(&list)),
        victim.sign(&business()),
        victim.sign(&business()),
    ];
    let outcomes: Vec<_> = net.block(&txs).receipts.iter().map(|receipt| receipt.outcome).collect();
    let refused = Outcome::CertificateRevoked;
    assert_eq!(outcomes, [Outcome::Success, Outcome::Success, refused, refused]);
    assert_refused(&mut net, &victim.sign(&business()), refused);
}

#[test]
fn a_revoked_issuing_authority_takes_its_accounts_along() {
    let mut net = Consortium::new();
    let victim = net.actor("bank-a", Role::Operator);
    let registrar = net.actor("bank-b", Role::Registrar);
    let now = i64::try_from(net.time_secs).unwrap();
    let authority = net.authority("bank-a");
    let issuing = authority.issuing_certificate().serial().clone();
    authority.revoke(&issuing, RevocationReason::CaCompromise, now).unwrap();
    let crl = Bytes::copy_from_slice(authority.root_crl(30, now).unwrap().lists[0].der());
    net.one(&registrar.sign(&Say::registry(&registry::submitCrlCall { crl, issuerChain: vec![] })));
    assert_refused(&mut net, &victim.sign(&business()), Outcome::CertificateRevoked);
}

#[test]
fn accounts_that_are_not_in_good_standing_are_refused() {
    // The row is what execution reads, and what a bar writes.
    let mut net = Consortium::new();
    let operator = net.actor("bank-a", Role::Operator);
    let key = StateKey::system(0x03, operator.address.as_slice());
    let active = net.state.values.get(&key).unwrap().clone();
    let mut barred = active.clone();
    // The first byte's highest bit says "active".
    *barred.first_mut().unwrap() &= 0x7f;
    net.state.values.insert(key.clone(), barred);
    assert_refused(&mut net, &operator.sign(&business()), Outcome::Barred);
    net.state.values.insert(key, active);
    net.one(&operator.sign(&business()));
}

#[test]
fn only_developers_deploy_and_only_business_roles_call_contracts() {
    let mut net = Consortium::new();
    for role in [Role::CommitteeMember, Role::Regulator, Role::Registrar, Role::Auditor] {
        let actor = net.actor("bank-a", role);
        assert_not_permitted(&mut net, &actor.sign(&business()), "exclusive-roles");
        let deployment = actor.sign(&Say::deploy(token_init_code(1)));
        assert_not_permitted(&mut net, &deployment, "exclusive-roles");
        net.one(&actor.sign(&Say::registry(&registry::versionCall {})));
    }
    let operator = net.actor("bank-a", Role::Operator);
    assert_not_permitted(&mut net, &operator.sign(&Say::deploy(token_init_code(1))), "");
    net.one(&operator.sign(&business()));
}

#[test]
fn an_explanation_tells_the_outcome_of_the_block_and_what_the_policies_say_besides() {
    let mut net = Consortium::new();
    let (operator, say) = (net.actor("bank-a", Role::Operator), business());
    let explained = |net: &Consortium, account| {
        explain(&net.state, &net.env(), &Wish { account, kind: say.to, input: &say.input }).unwrap()
    };
    assert_eq!(explained(&net, Address::repeat_byte(7)), None);
    let grounds = explained(&net, operator.address).unwrap();
    assert_eq!((grounds.refused, grounds.standing.role), (None, Role::Operator));
    assert_eq!(grounds.organisation.to_string(), "bank-a");
    assert_eq!(grounds.permission.decision.policies[0].id.as_str(), "operators-call");

    let crl = crl_against(&mut net, "bank-a", &operator);
    let registrar = net.actor("bank-a", Role::Registrar);
    net.one(&registrar.sign(&Say::registry(&crl)));
    assert_refused(&mut net, &operator.sign(&say), Outcome::CertificateRevoked);
    let grounds = explained(&net, operator.address).unwrap();
    assert_eq!(grounds.refused, Some(Outcome::CertificateRevoked));
    assert!(grounds.permission.decision.allowed, "the policies alone would permit it");
}
