//! Identities outlive keys: recoveries by two registrars and by vote, and what goes over to the new key.

use std::{collections::BTreeSet, sync::Mutex};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent as _, SolValue as _, sol};
use concordat_core::{
    BlockExecutor, CONTRACTS, CallStatus, GOVERNANCE, IDENTITY_REGISTRY, IdentityEvent, PERMISSIONS,
    Registry, abi::IIdentityRegistry as registry, contracts::abi::IContracts as contracts,
    governance::abi::IGovernance as governance, permissions::abi::IPermissions as permissions,
};
use concordat_governance::{
    Action, Kind, Rule,
    action::{Basis, Scope},
    effect::Change,
};
use concordat_pki_authority::KeyType;
use concordat_types::{
    ReadError, Receipt, Role, StateKey, StateReader, receipt::Outcome, state::MemoryState,
};
use proptest::prelude::*;

use crate::{
    kit::{Actor, Consortium, Probe, Say, bytecode, certify, key, reason},
    refusals::crl_against,
};

sol! {
    contract IdentityToken {
        event Transfer(address indexed from, address indexed to, uint256 value);
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address owner) external view returns (uint256);
    }
}

const YES: u8 = 1;
const WINDOW: u64 = 10_000;
/// For how many blocks a request can be objected to.
pub const NOTICE: u64 = 100;

pub fn basis() -> Basis {
    Basis { document: B256::repeat_byte(1), reference: "Order 7".into() }
}

pub fn business() -> Say {
    Say { to: TxKind::Call(Address::repeat_byte(9)), input: Bytes::new(), gas: 30_000 }
}

/// Somebody with a certificate for a name and a key of its own.
pub fn holder(net: &mut Consortium, id: &str, role: Role, name: &str, seed: &str) -> Actor {
    let now = net.time_secs;
    certify(net.authority(id), &key(KeyType::Secp256k1, seed), role, name, 30, now)
}

fn enrolled(net: &mut Consortium, id: &str, role: Role, name: &str) -> Actor {
    let actor = holder(net, id, role, name, &format!("{id} {role} {name}"));
    net.enrol(&actor);
    actor
}

/// Two registrars of bank-a, each another person.
pub fn registrars(net: &mut Consortium) -> [Actor; 2] {
    ["Rita", "Rolf"].map(|name| enrolled(net, "bank-a", Role::Registrar, name))
}

pub fn request(old: &Actor, new: &Actor) -> Say {
    Say::registry(&registry::requestRecoveryCall { oldAccount: old.address, chain: new.chain.clone() })
}

pub fn confirm(old: &Actor, new: &Actor) -> Say {
    Say::registry(&registry::confirmRecoveryCall { oldAccount: old.address, chain: new.chain.clone() })
}

fn cancel(old: &Actor) -> Say {
    Say::registry(&registry::cancelRecoveryCall { oldAccount: old.address })
}

/// Two registrars replace an account, as soon as they can.
pub fn replace(net: &mut Consortium, registrars: &[Actor; 2], old: &Actor, new: &Actor) -> Receipt {
    net.one(&registrars[0].sign(&request(old, new)));
    net.height = pending(net, old).earliest;
    net.one(&registrars[1].sign(&confirm(old, new)))
}

/// Proposes as the first member; everybody in good standing votes yes, and time passes: the proposal's number.
pub fn carry(net: &mut Consortium, members: &[Actor], action: &Action) -> u64 {
    let propose = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let receipt = net.one(&members[0].sign(&Say::governance(&propose)));
    let id = governance::ProposalOpened::decode_log(&receipt.logs[0]).unwrap().id;
    for member in members {
        let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
        if proposal.closes >= net.height {
            let vote = governance::voteCall { id, choice: YES, digest: proposal.digest };
            net.try_one(&member.sign(&Say::governance(&vote)));
        }
    }
    net.height = net.height.max(net.ask(GOVERNANCE, &governance::proposalCall { id }).earliest);
    id
}

pub fn execute(id: u64) -> Say {
    Say::governance(&governance::executeCall { id })
}

/// Votes an action through.
pub fn pass(net: &mut Consortium, members: &[Actor], action: &Action) -> Receipt {
    let id = carry(net, members, action);
    let receipt = net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!(proposal.status, 1, "{}", proposal.reason);
    receipt
}

/// The code with which a proposal is refused.
pub fn proposal_refused(net: &mut Consortium, member: &Actor, action: &Action) -> u16 {
    let propose = governance::proposeCall { kind: action.kind().code(), payload: action.encode() };
    let receipt = net.try_one(&member.sign(&Say::governance(&propose)));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    governance::Refused::abi_decode(&receipt.output).unwrap().code
}

pub fn recover(old: &Actor, new: &Actor) -> Action {
    Action::RecoverKey { account: old.address, chain: new.chain.clone(), basis: basis() }
}

/// The error with which the registry refuses.
pub fn refused<E: SolError>(net: &mut Consortium, actor: &Actor, say: &Say) -> E {
    let receipt = net.try_one(&actor.sign(say));
    assert_eq!(receipt.outcome, Outcome::Reverted, "{receipt:?}");
    E::abi_decode(&receipt.output).unwrap_or_else(|_| panic!("{}", reason(&receipt.output)))
}

fn identity_of(net: &Consortium, account: Address) -> Address {
    net.ask(IDENTITY_REGISTRY, &registry::identityOfCall { account })
}

fn account_of(net: &Consortium, identity: Address) -> Address {
    net.ask(IDENTITY_REGISTRY, &registry::accountOfCall { identity })
}

fn pending(net: &Consortium, account: &Actor) -> registry::Recovery {
    net.ask(IDENTITY_REGISTRY, &registry::recoveryCall { account: account.address })
}

#[test]
fn two_registrars_replace_a_lost_key_and_the_old_account_acts_never_again() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    assert_eq!((identity_of(&net, old.address), account_of(&net, old.address)), (old.address, old.address));
    assert!(!pending(&net, &old).pending);

    let height = net.height;
    let receipt = net.one(&registrars[0].sign(&request(&old, &new)));
    let requested = registry::RecoveryRequested::decode_log(&receipt.logs[0]).unwrap();
    let told = pending(&net, &old);
    assert!(told.pending && told.requested == height);
    assert_eq!((told.earliest, told.expires), (height + NOTICE, height + NOTICE + WINDOW));
    assert_eq!((told.newAccount, told.requester), (new.address, registrars[0].address));
    assert_eq!((told.digest, told.expires), (requested.digest, requested.expires));
    net.one(&old.sign(&business()));
    net.height = told.earliest;

    let txs = [registrars[1].sign(&confirm(&old, &new)), old.sign(&business()), new.sign(&business())];
    let block = net.block(&txs);
    let outcomes: Vec<_> = block.receipts.iter().map(|receipt| receipt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::CertificateRevoked, Outcome::Success]);
    let rebound = registry::IdentityRebound::decode_log(&block.receipts[0].logs[0]).unwrap();
    assert_eq!((rebound.identity, rebound.oldAccount, rebound.newAccount, rebound.proposalId), {
        (old.address, old.address, new.address, 0)
    });
    let (identity, before, after) = (old.address, old.address, new.address);
    assert!(block.identity_events.contains(&IdentityEvent::IdentityRebound { identity, before, after }));
    assert!(matches!(block.identity_events[0], IdentityEvent::CertificateRevoked { .. }));

    assert_eq!((identity_of(&net, new.address), account_of(&net, old.address)), (old.address, new.address));
    assert_eq!(account_of(&net, new.address), new.address);
    assert!(!pending(&net, &old).pending);
    let renewed = holder(&mut net, "bank-a", Role::Operator, "Olga", "bank-a operator Olga");
    let renewal = Say::registry(&registry::renewCall { chain: renewed.chain.clone() });
    assert_eq!(net.try_one(&old.sign(&renewal)).outcome, Outcome::CertificateRevoked);
    let may_connect = Registry::new(&net.state).authorize_client(&renewed.chain, net.time_secs);
    assert!(
        may_connect.unwrap_err().to_string().contains("was replaced by"),
        "another certificate of the key"
    );
    assert!(Registry::new(&net.state).authorize_client(&new.chain, net.time_secs).is_ok());
    let entry = Registry::new(&net.state).account(new.address).unwrap().unwrap();
    assert!(entry.rebound && entry.active && entry.role == Role::Operator);
}

#[test]
fn an_identity_is_that_of_the_first_key_however_often_keys_are_replaced() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let first = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let keys = ["second", "third", "fourth"];
    let others = keys.map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    let mut last = &first;
    for new in &others {
        replace(&mut net, &registrars, last, new);
        last = new;
    }
    for account in [&first, &others[0], &others[1], &others[2]] {
        assert_eq!(identity_of(&net, account.address), first.address);
        assert_eq!(account_of(&net, account.address), last.address);
        let acts = net.try_one(&account.sign(&business())).outcome.succeeded();
        assert_eq!(acts, account.address == last.address);
    }
    let spare = holder(&mut net, "bank-a", Role::Operator, "Olga", "fifth");
    let error: registry::AccountReplaced = refused(&mut net, &registrars[0], &request(&first, &spare));
    assert_eq!((error.account, error.by), (first.address, last.address));
}

#[test]
fn a_new_key_renews_and_stays_the_same_identity() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    let now = net.time_secs;
    let renewed = certify(net.authority("bank-a"), &new.key, Role::Operator, "Olga", 60, now);
    net.one(&new.sign(&Say::registry(&registry::renewCall { chain: renewed.chain })));
    assert!(Registry::new(&net.state).account(new.address).unwrap().unwrap().rebound);
    assert_eq!(Registry::new(&net.state).identity_of(new.address).unwrap(), old.address);
    assert_eq!(Registry::new(&net.state).account_of(old.address).unwrap(), new.address);
}

#[test]
fn balances_that_a_token_keeps_by_identity_stay() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let code = [bytecode("IdentityToken"), U256::from(1_000).abi_encode()].concat();
    let (developer, token) = net.deploy(code.into());
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let pay = |to: &Actor, value: u64| {
        Say::call(token, &IdentityToken::transferCall { to: to.address, value: U256::from(value) })
    };
    net.one(&developer.sign(&pay(&old, 70)));
    replace(&mut net, &registrars, &old, &new);
    let balance =
        |net: &Consortium, of: &Actor| net.ask(token, &IdentityToken::balanceOfCall { owner: of.address });
    assert_eq!((balance(&net, &old), balance(&net, &new)), (U256::from(70), U256::from(70)));
    net.one(&new.sign(&pay(&developer, 30)));
    // Who pays the account that was replaced pays the one that acts now.
    net.one(&developer.sign(&pay(&old, 5)));
    assert_eq!(balance(&net, &new), U256::from(45));
}

#[test]
fn a_policy_that_names_the_first_key_binds_the_one_that_came_after_it() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let text = format!(
        "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal == Account::\"0x{}\", action == Action::\"call\", \
         resource);",
        hex::encode(old.address)
    );
    pass(&mut net, &members, &Action::SetPolicy { id: "not-olga".into(), text });
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::NotPermitted);
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::NotPermitted);
    net.one(&other.sign(&business()));
    let asked = permissions::explainCall {
        account: new.address,
        action: concordat_permissions::Action::Call.code(),
        contractAddress: Address::repeat_byte(9),
        method: Default::default(),
    };
    let told = net.ask(PERMISSIONS, &asked);
    assert_eq!((told.allowed, told.policyId.as_str()), (false, "not-olga"));
}

#[test]
fn a_policy_that_names_a_later_key_is_refused_since_it_would_bind_nobody() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let policy = |account: Address| {
        let text = format!(
            "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal == Account::\"0x{}\", \
             action == Action::\"call\", resource);",
            hex::encode(account)
        );
        Action::SetPolicy { id: "not-olga".into(), text }
    };
    // Nobody has seen that key when it is voted on.
    let id = carry(&mut net, &members, &policy(new.address));
    replace(&mut net, &registrars, &old, &new);
    net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!((proposal.status, proposal.refusal), (2, 70));
    let told = format!("a later key of identity {}; name the identity", old.address);
    assert!(proposal.reason.ends_with(&told), "{}", proposal.reason);
    assert_eq!(proposal_refused(&mut net, &members[0], &policy(new.address)), 70);
    pass(&mut net, &members, &policy(old.address));
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::NotPermitted);
}

/// A policy that forbids an account to call.
fn not_olga(account: Address) -> Action {
    let text = format!(
        "@id(\"not-olga\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"call\", resource) \
         when {{ principal == Account::\"\\u{{30}}x{}\" }};",
        hex::encode(account)
    );
    Action::SetPolicy { id: "not-olga".into(), text }
}

#[test]
fn a_key_that_a_policy_names_in_advance_becomes_nobodys_later_key_until_it_is_taken_out() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    // However the policy spells it.
    pass(&mut net, &members, &not_olga(new.address));
    net.height += NOTICE;
    let named: registry::KeyNamed = refused(&mut net, &registrars[1], &confirm(&old, &new));
    assert_eq!((named.account, named.by.as_str()), (new.address, "policy not-olga"));
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&old, &new)), 37);
    net.one(&registrars[1].sign(&cancel(&old)));
    let _: registry::KeyNamed = refused(&mut net, &registrars[0], &request(&old, &new));
    // Another key will do, or the same once no policy names it.
    let other = holder(&mut net, "bank-a", Role::Operator, "Olga", "another key");
    net.one(&registrars[0].sign(&request(&old, &other)));
    net.one(&registrars[0].sign(&cancel(&old)));
    pass(&mut net, &members, &Action::RepealPolicy { id: "not-olga".into() });
    replace(&mut net, &registrars, &old, &new);
    // And from then on no policy names it any more.
    assert_eq!(proposal_refused(&mut net, &members[0], &not_olga(new.address)), 70);
}

#[test]
fn two_registrars_keep_the_common_name_and_a_vote_shows_that_it_changes() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = holder(&mut net, "bank-a", Role::Operator, "Otto", "new key");
    let error: registry::RecoveryChangesName = refused(&mut net, &registrars[0], &request(&old, &other));
    assert_eq!((error.held.as_str(), error.presented.as_str()), ("Olga", "Otto"));
    // What bars take for the same name is the same here.
    let same = holder(&mut net, "bank-a", Role::Operator, " olga", "another key");
    replace(&mut net, &registrars, &old, &same);
    let id = carry(&mut net, &members, &recover(&same, &other));
    let preview = net.ask(GOVERNANCE, &governance::previewCall { id });
    let effect = concordat_governance::Effect::decode(&preview.effect).unwrap();
    let Change::Identity { before, after, .. } = &effect.changes[0] else { panic!() };
    assert_eq!((before.common_name.as_str(), before.account), (" olga", same.address));
    assert_eq!((after.common_name.as_str(), after.account), ("Otto", other.address));
    net.one(&members[0].sign(&execute(id)));
    assert_eq!(account_of(&net, old.address), other.address);
}

#[test]
fn nobody_confirms_a_request_before_whoever_holds_the_old_key_could_object() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let block =
        net.block(&[registrars[0].sign(&request(&old, &new)), registrars[1].sign(&confirm(&old, &new))]);
    assert_eq!(block.receipts[1].outcome, Outcome::Reverted);
    let early = registry::RecoveryTooEarly::abi_decode(&block.receipts[1].output).unwrap();
    let earliest = pending(&net, &old).earliest;
    assert_eq!((early.account, early.earliest), (old.address, earliest));
    net.height = earliest - 1;
    let _: registry::RecoveryTooEarly = refused(&mut net, &registrars[1], &confirm(&old, &new));
    assert_eq!(net.height, earliest);
    // Until it is confirmed the owner objects, in the very block of the confirmation.
    let block = net.block(&[old.sign(&cancel(&old)), registrars[1].sign(&confirm(&old, &new))]);
    assert!(block.receipts[0].outcome.succeeded());
    assert!(registry::NoRecovery::abi_decode(&block.receipts[1].output).is_ok());
    // Where the committee waits longer itself, registrars do as well.
    let rule = Rule { timelock_blocks: 5_000, ..Rule::initial(Kind::RecoverKey, 4) };
    pass(&mut net, &members, &Action::SetRule { kind: Kind::RecoverKey, rule });
    net.one(&registrars[0].sign(&request(&old, &new)));
    let told = pending(&net, &old);
    assert_eq!((told.earliest, told.expires), (told.requested + 5_000, told.requested + 5_000 + WINDOW));
    net.height = told.earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
}

#[test]
fn a_freeze_while_a_request_waits_holds_the_new_key() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let (account, scope) = (old.address, Scope::All);
    pass(&mut net, &members, &Action::EmergencyFreeze { account, scope, basis: basis() });
    // Whoever stole the key can object no more, and who gets the new one cannot act before the committee lets it.
    assert_eq!(net.try_one(&old.sign(&cancel(&old))).outcome, Outcome::Frozen);
    net.height = pending(&net, &old).earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
}

#[test]
fn a_freeze_goes_over_to_the_new_key_with_its_end_and_is_lifted_by_any_of_its_accounts() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let account = old.address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    pass(&mut net, &members, &freeze);
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::CertificateRevoked);
    for asked in [&old, &new] {
        assert!(net.ask(GOVERNANCE, &governance::freezeCall { account: asked.address }).binds);
    }
    pass(&mut net, &members, &Action::UnfreezeAccount { account, basis: basis() });
    net.one(&new.sign(&business()));
    assert!(!net.ask(GOVERNANCE, &governance::freezeCall { account: new.address }).binds);
    // Nothing of the freeze is left behind at the old account, which is read like any other.
    assert_eq!(net.try_one(&old.sign(&business())).outcome, Outcome::CertificateRevoked);
    let entry = Registry::new(&net.state).account(old.address).unwrap().unwrap();
    assert!(!entry.frozen);
}

#[test]
fn a_freeze_that_was_voted_on_before_a_recovery_binds_after_it() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let (account, until) = (old.address, net.height + 500);
    let freeze = Action::FreezeAccount { account, scope: Scope::Outgoing, basis: basis(), until };
    let id = carry(&mut net, &members, &freeze);
    replace(&mut net, &registrars, &old, &new);
    let receipt = net.one(&members[0].sign(&execute(id)));
    let frozen = receipt.logs.iter().find_map(|log| governance::AccountFrozen::decode_log(log).ok()).unwrap();
    assert_eq!(frozen.account, new.address, "the one that is refused");
    assert_eq!(net.try_one(&new.sign(&business())).outcome, Outcome::Frozen);
    net.height = until + 1;
    net.one(&new.sign(&business()));
}

#[test]
fn a_vote_replaces_a_members_key_and_its_seat_follows() {
    let (mut net, mut members) = Consortium::governed();
    let stolen = members.pop().unwrap();
    let new = holder(&mut net, "bank-d", Role::CommitteeMember, "member", "new key");
    let receipt = pass(&mut net, &members, &recover(&stolen, &new));
    let rebound =
        receipt.logs.iter().find_map(|log| governance::IdentityRebound::decode_log(log).ok()).unwrap();
    assert_eq!((rebound.identity, rebound.newAccount), (stolen.address, new.address));
    assert!(rebound.proposalId > 0);
    let seats = receipt.logs.iter().filter_map(|log| governance::SeatChanged::decode_log(log).ok());
    let seats: Vec<_> = seats.map(|seat| (seat.member, seat.weight)).collect();
    assert_eq!(seats, [(stolen.address, 0), (new.address, 1)]);
    let told: BTreeSet<_> =
        net.ask(GOVERNANCE, &governance::committeeCall {}).iter().map(|seat| seat.member).collect();
    assert!(told.contains(&new.address) && !told.contains(&stolen.address) && told.len() == 4);

    let operator = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let account = operator.address;
    let freeze = Action::FreezeAccount { account, scope: Scope::All, basis: basis(), until: 0 };
    let propose = governance::proposeCall { kind: freeze.kind().code(), payload: freeze.encode() };
    assert_eq!(net.try_one(&stolen.sign(&Say::governance(&propose))).outcome, Outcome::CertificateRevoked);
    net.one(&new.sign(&Say::governance(&propose)));
    // Policies are checked for locking out the committee by its members' identities.
    members.push(new);
    let text =
        "@id(\"closed\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"call\", resource);";
    pass(&mut net, &members, &Action::SetPolicy { id: "closed".into(), text: text.into() });
}

#[test]
fn a_vote_recovers_any_key_and_ends_what_its_registrars_had_begun() {
    let (mut net, members) = Consortium::governed();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, wrong] =
        ["new key", "wrong"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    net.one(&registrars[0].sign(&request(&old, &wrong)));
    pass(&mut net, &members, &recover(&old, &new));
    assert_eq!(account_of(&net, old.address), new.address);
    assert!(!pending(&net, &old).pending);
    let _: registry::AccountReplaced = refused(&mut net, &registrars[1], &confirm(&old, &wrong));
    let regulator = enrolled(&mut net, "bank-b", Role::Regulator, "Regine");
    let next = holder(&mut net, "bank-b", Role::Regulator, "Regine", "regulator's new key");
    pass(&mut net, &members, &recover(&regulator, &next));
    net.one(&next.sign(&Say::registry(&registry::versionCall {})));
}

#[test]
fn a_proposal_to_recover_is_refused_for_the_wrong_certificate_and_fails_once_it_is_too_late() {
    let (mut net, members) = Consortium::governed();
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let refusals = [
        (holder(&mut net, "bank-b", Role::Operator, "Olga", "one"), 57),
        (holder(&mut net, "bank-a", Role::Auditor, "Olga", "two"), 57),
        (enrolled(&mut net, "bank-a", Role::Operator, "Otto"), 58),
        (
            Actor {
                chain: vec![Bytes::from_static(b"no certificate")],
                ..holder(&mut net, "bank-a", Role::Operator, "x", "x")
            },
            34,
        ),
    ];
    for (new, code) in &refusals {
        assert_eq!(proposal_refused(&mut net, &members[0], &recover(&old, new)), *code);
    }
    let stranger = holder(&mut net, "bank-a", Role::Operator, "Nobody", "nobody");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    assert_eq!(proposal_refused(&mut net, &members[0], &recover(&stranger, &new)), 50);
    let id = carry(&mut net, &members, &recover(&old, &new));
    net.enrol(&new);
    net.one(&members[0].sign(&execute(id)));
    let proposal = net.ask(GOVERNANCE, &governance::proposalCall { id });
    assert_eq!((proposal.status, proposal.refusal), (2, 58), "{}", proposal.reason);
    let rule = net.ask(GOVERNANCE, &governance::ruleCall { kind: Kind::RecoverKey.code() });
    assert!(rule.veto && rule.timelockBlocks == 10);
}

#[test]
fn registrars_replace_neither_members_nor_regulators_nor_themselves() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    for role in [Role::CommitteeMember, Role::Regulator] {
        let old = enrolled(&mut net, "bank-a", role, "Mona");
        let new = holder(&mut net, "bank-a", role, "Mona", &format!("new {role}"));
        let error: registry::RecoveryByVote = refused(&mut net, &registrars[0], &request(&old, &new));
        assert_eq!((error.account, error.role), (old.address, role.to_string()));
    }
    let new = holder(&mut net, "bank-a", Role::Registrar, "Rita", "Rita's new key");
    let error: registry::NotAnotherRegistrar =
        refused(&mut net, &registrars[0], &request(&registrars[0], &new));
    assert_eq!(error.account, registrars[0].address);
    // A third one asks, and Rita may not confirm; Rolf may.
    let third = enrolled(&mut net, "bank-a", Role::Registrar, "Ruth");
    net.one(&third.sign(&request(&registrars[0], &new)));
    net.height += NOTICE;
    let _: registry::NotAnotherRegistrar = refused(&mut net, &registrars[0], &confirm(&registrars[0], &new));
    net.one(&registrars[1].sign(&confirm(&registrars[0], &new)));
    assert_eq!(account_of(&net, registrars[0].address), new.address);
}

#[test]
fn only_registrars_of_the_organisation_ask_confirm_and_cancel() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let foreign = enrolled(&mut net, "bank-b", Role::Registrar, "Fred");
    let operator = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    for stranger in [&foreign, &operator] {
        let _: registry::NotRegistrar = refused(&mut net, stranger, &request(&old, &new));
    }
    let _: registry::NotRegistrar = refused(&mut net, &old, &request(&old, &new));
    net.one(&registrars[0].sign(&request(&old, &new)));
    for stranger in [&foreign, &operator] {
        let _: registry::NotRegistrar = refused(&mut net, stranger, &confirm(&old, &new));
        let _: registry::NotRegistrar = refused(&mut net, stranger, &cancel(&old));
    }
    let _: registry::NotRegistrar = refused(&mut net, &old, &confirm(&old, &new));
    assert!(pending(&net, &old).pending);
}

#[test]
fn a_confirmation_is_by_another_person_for_the_same_key() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, other] =
        ["new key", "other"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    net.one(&registrars[0].sign(&request(&old, &new)));
    let _: registry::NotAnotherRegistrar = refused(&mut net, &registrars[0], &confirm(&old, &new));
    // Another key of the same person is no other person.
    let second = holder(&mut net, "bank-a", Role::Registrar, "RITA", "Rita's second key");
    net.enrol(&second);
    let _: registry::NotAnotherRegistrar = refused(&mut net, &second, &confirm(&old, &new));
    let error: registry::OtherRecovery = refused(&mut net, &registrars[1], &confirm(&old, &other));
    assert_ne!(error.requested, error.confirmed);
    let _: registry::RecoveryPending = refused(&mut net, &registrars[1], &request(&old, &other));
    net.height += NOTICE;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
}

#[test]
fn the_owner_protests_and_either_registrar_takes_a_request_back() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let _: registry::NoRecovery = refused(&mut net, &old, &cancel(&old));
    for by in [&old, &registrars[0], &registrars[1]] {
        net.one(&registrars[0].sign(&request(&old, &new)));
        let receipt = net.one(&by.sign(&cancel(&old)));
        let cancelled = registry::RecoveryCancelled::decode_log(&receipt.logs[0]).unwrap();
        assert_eq!((cancelled.oldAccount, cancelled.by), (old.address, by.address));
        let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    }
    let stranger = holder(&mut net, "bank-a", Role::Operator, "Nobody", "nobody");
    let _: registry::NotEnrolled = refused(&mut net, &registrars[0], &cancel(&stranger));
    let _: registry::NotEnrolled = refused(&mut net, &registrars[0], &request(&stranger, &new));
}

#[test]
fn a_request_lapses_after_ten_thousand_blocks() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let expires = pending(&net, &old).expires;
    net.height = expires + 1;
    assert!(!pending(&net, &old).pending);
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &confirm(&old, &new));
    let _: registry::NoRecovery = refused(&mut net, &registrars[1], &cancel(&old));
    // Whoever still wants it asks again, the other one as well.
    net.one(&registrars[1].sign(&request(&old, &new)));
    net.height = pending(&net, &old).expires;
    net.one(&registrars[0].sign(&confirm(&old, &new)));
}

#[test]
fn a_request_is_refused_for_the_wrong_certificate() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let foreign = holder(&mut net, "bank-b", Role::Operator, "Olga", "one");
    let _: registry::OrganisationMismatch = refused(&mut net, &registrars[0], &request(&old, &foreign));
    let other = holder(&mut net, "bank-a", Role::Developer, "Olga", "two");
    let _: registry::RecoveryChangesRole = refused(&mut net, &registrars[0], &request(&old, &other));
    let known = holder(&mut net, "bank-a", Role::Operator, "Olga", "in use");
    net.enrol(&known);
    for used in [&old, &known] {
        let _: registry::KeyInUse = refused(&mut net, &registrars[0], &request(&old, used));
    }
    let broken = Actor {
        chain: vec![Bytes::from_static(b"x")],
        ..holder(&mut net, "bank-a", Role::Operator, "x", "x")
    };
    let _: registry::CertificateInvalid = refused(&mut net, &registrars[0], &request(&old, &broken));
}

#[test]
fn what_has_changed_since_the_request_is_judged_at_its_confirmation() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let [new, next] =
        ["new key", "next"].map(|seed| holder(&mut net, "bank-a", Role::Operator, "Olga", seed));
    net.one(&registrars[0].sign(&request(&old, &new)));
    net.enrol(&new);
    net.height += NOTICE;
    let _: registry::KeyInUse = refused(&mut net, &registrars[1], &confirm(&old, &new));
    net.one(&registrars[1].sign(&cancel(&old)));
    net.one(&registrars[0].sign(&request(&old, &next)));
    net.height += NOTICE;
    let list = crl_against(&mut net, "bank-a", &registrars[0]);
    net.one(&registrars[1].sign(&Say::registry(&list)));
    let fell: registry::RequesterFell = refused(&mut net, &registrars[1], &confirm(&old, &next));
    assert_eq!(fell.account, registrars[0].address);
    // Whose key was stolen is found out in time, too.
    let third = enrolled(&mut net, "bank-a", Role::Registrar, "Ruth");
    net.one(&third.sign(&cancel(&old)));
    net.one(&third.sign(&request(&old, &next)));
    net.height += NOTICE;
    let list = crl_against(&mut net, "bank-a", &next);
    net.one(&third.sign(&Say::registry(&list)));
    let _: registry::PathRevoked = refused(&mut net, &registrars[1], &confirm(&old, &next));
}

#[test]
fn a_key_whose_certificate_is_revoked_already_is_replaced_and_its_revocation_stays_as_it_was() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    let list = crl_against(&mut net, "bank-a", &old);
    net.one(&registrars[0].sign(&Say::registry(&list)));
    let path = Registry::new(&net.state).account(old.address).unwrap().unwrap().path;
    let revocation = |net: &Consortium| {
        Registry::new(&net.state).revocation(path[0].issuer, &path[0].serial).unwrap().unwrap()
    };
    let before = revocation(&net);
    replace(&mut net, &registrars, &old, &new);
    assert_eq!(revocation(&net), before);
    net.one(&new.sign(&business()));
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let next = holder(&mut net, "bank-a", Role::Operator, "Otto", "Otto's new key");
    replace(&mut net, &registrars, &other, &next);
    let path = Registry::new(&net.state).account(other.address).unwrap().unwrap().path;
    let row = Registry::new(&net.state).revocation(path[0].issuer, &path[0].serial).unwrap().unwrap();
    assert_eq!((row.reason, row.height), (4, net.height - 1), "superseded");
}

#[test]
fn the_rows_of_a_recovery_are_golden() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    net.one(&registrars[0].sign(&request(&old, &new)));
    let row = |net: &Consortium, table: u8, key: &Actor| {
        net.state.get(&StateKey::system(table, key.address.as_slice())).unwrap().map(hex::encode)
    };
    let told = pending(&net, &old);
    let address = |actor: &Actor| format!("94{}", hex::encode(actor.address));
    let request = format!("f84ca0{}{}{}04", hex::encode(told.digest), address(&new), address(&registrars[0]));
    assert_eq!(row(&net, 0x0f, &old), Some(request));
    net.height = told.earliest;
    net.one(&registrars[1].sign(&confirm(&old, &new)));
    assert_eq!(row(&net, 0x0f, &old), None);
    assert_eq!((row(&net, 0x0d, &new), row(&net, 0x0e, &old)), (Some(address(&old)), Some(address(&new))));
    assert_eq!((row(&net, 0x0d, &old), row(&net, 0x0e, &new)), (None, None));
    let standing = row(&net, 0x03, &new).unwrap();
    assert!(standing.starts_with("8480"), "active operator, rebound: {standing}");
}

/// Reads of a state, noted down.
struct Noted<'a> {
    state: &'a MemoryState,
    read: Mutex<Vec<StateKey>>,
}

impl StateReader for Noted<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Vec<u8>>, ReadError> {
        self.read.lock().unwrap().push(key.clone());
        self.state.get(key)
    }

    fn block_hash(&self, height: u64) -> Result<Option<B256>, ReadError> {
        self.state.block_hash(height)
    }
}

/// The tables of system contracts that a block of one transaction of an actor reads.
fn tables_read(net: &Consortium, actor: &Actor) -> Vec<u8> {
    let noted = Noted { state: &net.state, read: Mutex::default() };
    let mut executor = BlockExecutor::new(&noted, net.env()).unwrap();
    executor.execute(&actor.sign_at(&business(), actor.nonce.get())).unwrap();
    executor.finish().unwrap();
    let read = noted.read.lock().unwrap();
    read.iter()
        .filter_map(|key| if let [0x10, table, ..] = key.as_bytes() { Some(*table) } else { None })
        .collect()
}

#[test]
fn only_the_transactions_of_new_keys_cost_a_further_read() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let other = enrolled(&mut net, "bank-a", Role::Operator, "Otto");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    replace(&mut net, &registrars, &old, &new);
    let plain = tables_read(&net, &other);
    assert!(plain.iter().all(|table| !(0x0d..=0x12).contains(table)), "{plain:02x?}");
    let rebound = tables_read(&net, &new);
    assert_eq!(rebound.len(), plain.len() + 1);
    assert_eq!(rebound.iter().filter(|table| **table == 0x0d).count(), 1);
}

#[test]
fn contracts_ask_and_never_recover_and_too_little_gas_changes_nothing() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let old = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "new key");
    for say in [request(&old, &new), confirm(&old, &new), cancel(&old)] {
        let forwarded = net.ask_forwarded(registrars[0].address, &say.input);
        assert!(registry::OnlyDirectTransaction::abi_decode(&forwarded.output).is_ok(), "{forwarded:?}");
    }
    let asked = registry::identityOfCall { account: old.address }.abi_encode();
    let answer = net.ask_forwarded(registrars[0].address, &asked.into());
    assert_eq!(answer.status, CallStatus::Success);
    assert_eq!(answer.output, old.address.abi_encode());
    let poor = request(&old, &new).gas(150_000);
    assert_eq!(net.try_one(&registrars[0].sign(&poor)).outcome, Outcome::Halted);
    assert!(!pending(&net, &old).pending);
}

impl Consortium {
    /// What a contract that forwards its input to the registry answers.
    fn ask_forwarded(&self, from: Address, input: &Bytes) -> concordat_core::CallOutcome {
        let mut code =
            hex::decode("3660006000376000600036600060007300000000000000000000000000000000000000005af1")
                .unwrap();
        let place = code.len() - 22;
        code[place..place + 20].copy_from_slice(IDENTITY_REGISTRY.as_slice());
        code.extend(hex::decode("3d6000803e3d6000f3").unwrap());
        let forwarder = Address::repeat_byte(0x77);
        let pretended = concordat_core::AccountOverride { code: Some(code.into()), ..Default::default() };
        let request = concordat_core::CallRequest {
            from,
            to: Some(forwarder),
            input: input.clone(),
            overrides: [(forwarder, pretended)].into(),
            ..Default::default()
        };
        concordat_core::call(&self.state, &self.env(), &request).unwrap()
    }
}

/// What may happen to an identity.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Recover,
    VoteRecover,
    Freeze,
    Unfreeze,
    Bar,
    Lift,
    Wait,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn exactly_one_account_can_act_for_an_identity_unless_it_is_frozen_or_barred(
        turns in prop::collection::vec(prop::sample::select(vec![
            Turn::Recover, Turn::Recover, Turn::VoteRecover, Turn::Freeze, Turn::Unfreeze, Turn::Bar, Turn::Lift,
            Turn::Wait,
        ]), 1..8),
        named in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let (mut net, members) = Consortium::governed();
        let registrars = registrars(&mut net);
        let mut accounts = vec![enrolled(&mut net, "bank-a", Role::Operator, "Olga")];
        let (mut frozen, mut barred) = (false, false);
        for (index, (turn, named)) in turns.iter().zip(&named).enumerate() {
            let named = named.get(&accounts).address;
            let last = accounts.last().unwrap();
            match turn {
                Turn::Recover | Turn::VoteRecover if barred => {}
                Turn::Recover | Turn::VoteRecover => {
                    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", &format!("key {index}"));
                    match turn {
                        Turn::Recover => replace(&mut net, &registrars, last, &new),
                        _ => pass(&mut net, &members, &recover(last, &new)),
                    };
                    accounts.push(new);
                }
                Turn::Freeze if !frozen => {
                    let (account, scope) = (named, Scope::All);
                    pass(&mut net, &members, &Action::FreezeAccount { account, scope, basis: basis(), until: 0 });
                    frozen = true;
                }
                Turn::Unfreeze if frozen => {
                    pass(&mut net, &members, &Action::UnfreezeAccount { account: named, basis: basis() });
                    frozen = false;
                }
                Turn::Bar if !barred => {
                    pass(&mut net, &members, &Action::BarAccount { account: named, basis: basis() });
                    barred = true;
                }
                Turn::Lift if barred => {
                    let target = concordat_governance::action::BarTarget::Account(named);
                    pass(&mut net, &members, &Action::LiftBar { target, basis: basis() });
                    barred = false;
                }
                _ => net.height += 1,
            }
            let current = accounts.last().unwrap().address;
            for account in &accounts {
                let outcome = net.try_one(&account.sign(&business())).outcome;
                let expected = match account.address == current {
                    false => Outcome::CertificateRevoked,
                    true if barred => Outcome::Barred,
                    true if frozen => Outcome::Frozen,
                    true => Outcome::Success,
                };
                prop_assert_eq!(outcome, expected, "after {:?}", &turns[..=index]);
                prop_assert_eq!(identity_of(&net, account.address), accounts[0].address);
                prop_assert_eq!(account_of(&net, identity_of(&net, account.address)), current);
            }
        }
    }
}

#[test]
fn lists_and_administration_go_over_to_the_new_key() {
    let mut net = Consortium::new();
    let registrars = registrars(&mut net);
    let (developer, probe) = net.deploy(bytecode("Probe").into());
    let listed = enrolled(&mut net, "bank-a", Role::Operator, "Olga");
    let count =
        Say { to: TxKind::Call(probe), input: Probe::counterCall {}.abi_encode().into(), gas: 100_000 };
    let contract_say =
        |input: Vec<u8>| Say { to: TxKind::Call(CONTRACTS), input: input.into(), gas: 1_000_000 };
    let allow = contracts::setContractListCall { contractAddress: probe, kind: 1 }.abi_encode();
    net.one(&developer.sign(&contract_say(allow)));
    let new = holder(&mut net, "bank-a", Role::Operator, "Olga", "Olga's second");
    replace(&mut net, &registrars, &listed, &new);
    // By either of its addresses an identity is meant.
    let accounts = vec![new.address, listed.address];
    let add = contracts::addToContractListCall { contractAddress: probe, accounts }.abi_encode();
    net.one(&developer.sign(&contract_say(add)));
    assert_eq!(net.try_one(&new.sign(&count)).outcome, Outcome::Success);
    for account in [new.address, listed.address] {
        assert!(net.ask(CONTRACTS, &contracts::isOnContractListCall { contractAddress: probe, account }));
    }

    let heir = holder(&mut net, "bank-a", Role::Developer, "someone", "the developer's second");
    replace(&mut net, &registrars, &developer, &heir);
    let deny = contracts::setContractListCall { contractAddress: probe, kind: 2 }.abi_encode();
    net.one(&heir.sign(&contract_say(deny)));
    assert_eq!(net.try_one(&new.sign(&count)).outcome, Outcome::NotPermitted);
    // Whoever is handed a contract by the address of a new key has it by its identity.
    let hand_over =
        contracts::setAdministratorCall { contractAddress: probe, administrator: new.address }.abi_encode();
    net.one(&heir.sign(&contract_say(hand_over)));
    let info = net.ask(CONTRACTS, &contracts::contractInfoCall { contractAddress: probe });
    assert_eq!(info.administrator, listed.address);
    let none = contracts::setContractListCall { contractAddress: probe, kind: 0 }.abi_encode();
    net.one(&new.sign(&contract_say(none)));
}
