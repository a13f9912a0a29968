//! Who may read by a node's interfaces.

use alloy_primitives::Address;
use concordat_core::{ClientIdentity, ExecError, ReadAt, ReadRefusal, Readable, may_read};
use concordat_governance::{
    Action,
    action::{Basis, Scope},
};
use concordat_permissions::Code;
use concordat_types::{Role, StateKey};

use crate::{
    governance::Committee,
    kit::{Actor, Consortium, org},
    permissions::{enact, policy},
};

/// The status of a proposal that has taken place.
const EXECUTED: u8 = 1;

const READER: Address = Address::repeat_byte(0x77);

/// The holder of a certificate, whose key has this account.
fn client(account: Address, role: Role) -> ClientIdentity {
    ClientIdentity {
        org: org("bank-b"),
        role,
        spki_sha256: Default::default(),
        common_name: "till".into(),
        not_after: u64::MAX,
        address: Some(account),
        path: Vec::new(),
    }
}

fn asked(net: &Consortium, client: &ClientIdentity, wanted: Readable) -> Result<(), ReadRefusal> {
    let env = net.env();
    let at = ReadAt { height: env.height, time_secs: env.time_secs };
    may_read(&net.state, client, wanted, at).unwrap()
}

/// Refused by the policies: the deciding one and its proposal.
fn refused(result: Result<(), ReadRefusal>) -> (Option<Code>, String, Option<u64>) {
    let refusal = result.unwrap_err();
    let code = match &refusal {
        ReadRefusal::Policy(denial) => Some(denial.code),
        ReadRefusal::Frozen { .. } | ReadRefusal::Unnamed { .. } => None,
    };
    let policy = refusal.policy().cloned();
    (
        code,
        policy.as_ref().map(|policy| policy.id.to_string()).unwrap_or_default(),
        policy.and_then(|it| it.proposal),
    )
}

#[test]
fn everybody_with_a_role_reads_everything_until_a_policy_says_otherwise() {
    let net = Consortium::new();
    for role in [Role::Operator, Role::Auditor, Role::Regulator, Role::CommitteeMember] {
        let client = client(READER, role);
        for wanted in [Readable::Ledger, Readable::Contract(READER), Readable::AllContracts] {
            assert_eq!(asked(&net, &client, wanted), Ok(()), "{role}: {wanted:?}");
        }
    }
}

#[test]
fn an_enacted_policy_hides_one_contract_or_the_ledger() {
    let mut net = Consortium::new();
    let (hidden, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let one =
        format!("forbid (principal, action == Action::\"read\", resource == Contract::\"{hidden:#x}\");");
    enact(&mut net, &[policy("one-is-hidden", &one, 41)]);
    let auditor = client(READER, Role::Auditor);
    let told = (Some(Code::Forbidden), "one-is-hidden".to_owned(), Some(41));
    assert_eq!(refused(asked(&net, &auditor, Readable::Contract(hidden))), told);
    assert_eq!(asked(&net, &auditor, Readable::Contract(other)), Ok(()));
    assert_eq!(asked(&net, &auditor, Readable::Ledger), Ok(()));
    // Which contracts will answer, nobody knows before.
    let told = (None, "one-is-hidden".to_owned(), Some(41));
    assert_eq!(refused(asked(&net, &auditor, Readable::AllContracts)), told);

    let bank = "forbid (principal in Organisation::\"bank-b\", action == Action::\"read\", resource);";
    enact(&mut net, &[policy("bank-b-is-blind", bank, 42)]);
    let told = (Some(Code::Forbidden), "bank-b-is-blind".to_owned(), Some(42));
    assert_eq!(refused(asked(&net, &auditor, Readable::Ledger)), told);
    let elsewhere = ClientIdentity { org: org("bank-a"), ..auditor };
    assert_eq!(asked(&net, &elsewhere, Readable::Ledger), Ok(()));
}

#[test]
fn what_nothing_permits_or_nothing_can_decide_is_not_read() {
    let mut net = Consortium::new();
    let off = "permit (principal, action == Action::\"read\", resource) when { false };";
    enact(&mut net, &[policy("accounts-read", off, 7)]);
    let operator = client(READER, Role::Operator);
    assert_eq!(refused(asked(&net, &operator, Readable::Ledger)).0, Some(Code::NotPermitted));
    net.state.values.insert(StateKey::system(0x32, &[]), vec![0; 32]);
    let (env, state) = (net.env(), &net.state);
    let at = ReadAt { height: env.height, time_secs: env.time_secs };
    let verdict = may_read(state, &operator, Readable::Ledger, at);
    assert!(matches!(verdict, Err(ExecError::State(_))), "{verdict:?}");
}

#[test]
fn a_freeze_shuts_an_account_out_of_reading_if_it_is_of_scope_all() {
    let mut committee = Committee::new();
    let operator: Actor = committee.net.actor("bank-b", Role::Operator);
    let account = operator.address;
    let reader = client(account, Role::Operator);
    let basis = || Basis { document: Default::default(), reference: "Order 9".into() };
    let freeze = |scope, until| Action::FreezeAccount { account, scope, basis: basis(), until };
    assert_eq!(committee.pass(&freeze(Scope::Outgoing, 0)), EXECUTED);
    assert_eq!(asked(&committee.net, &reader, Readable::Ledger), Ok(()), "business alone is frozen");
    assert_eq!(committee.pass(&Action::UnfreezeAccount { account, basis: basis() }), EXECUTED);
    assert_eq!(committee.pass(&freeze(Scope::All, 0)), EXECUTED);
    for wanted in [Readable::Ledger, Readable::Contract(READER), Readable::AllContracts] {
        assert_eq!(asked(&committee.net, &reader, wanted), Err(ReadRefusal::Frozen { account }));
    }
    // Another key's certificate is another one's: bars bind the person, freezes the account.
    assert_eq!(asked(&committee.net, &client(READER, Role::Operator), Readable::Ledger), Ok(()));
    assert_eq!(committee.pass(&Action::UnfreezeAccount { account, basis: basis() }), EXECUTED);
    assert_eq!(asked(&committee.net, &reader, Readable::Ledger), Ok(()));
}
