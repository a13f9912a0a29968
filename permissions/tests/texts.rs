//! What is taken from the texts of policies: whom they name, how much they are to evaluate, and that no text harms.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "what fails fails the test")]

use std::sync::LazyLock;

use concordat_permissions::{
    Action, Context, ContractFacts, EnactedPolicy, Load, PolicyId, PolicySet, Principal, Request, Resource,
};
use concordat_types::{Address, OrgId, Role};
use proptest::prelude::*;

static CATALOGUE: LazyLock<PolicySet> = LazyLock::new(|| PolicySet::new(&[]).unwrap());
static BANK: LazyLock<OrgId> = LazyLock::new(|| "bank-a".parse().unwrap());

const ACCOUNT: Address = Address::repeat_byte(1);
const CONTRACT: Address = Address::repeat_byte(2);

fn enacted(body: &str) -> [EnactedPolicy; 1] {
    let text = format!("@id(\"the-policy\")\n@reason(\"a test\")\n{body}");
    [EnactedPolicy { id: "the-policy".parse().unwrap(), text, proposal: 7 }]
}

fn set(body: &str) -> PolicySet {
    CATALOGUE.with(&enacted(body)).unwrap()
}

/// A call of the contract by the account.
fn call(role: Role) -> Request<'static> {
    let contract =
        ContractFacts { address: CONTRACT, organisation: Some(&BANK), administrator: None, system: false };
    Request {
        principal: Principal { account: ACCOUNT, organisation: &BANK, role },
        action: Action::Call,
        resource: Resource::Contract(contract),
        context: Context::default(),
    }
}

/// What a policy with this condition adds to a call.
fn load(scope: &str, condition: &str) -> Load {
    set(&format!("forbid ({scope}) when {{ {condition} }};")).load(&call(Role::Operator))
}

#[test]
fn the_terms_of_conditions_are_golden() {
    let calls = "principal, action == Action::\"call\", resource";
    let golden = [
        ("context.internal", 2),
        ("!context.internal", 3),
        ("context.method == \"0x01020304\"", 4),
        ("context.method == \"\" || context.caller == \"\"", 9),
        ("[\"0x01020304\", \"0x05060708\"].contains(context.method)", 6),
        ("context.method like \"0x01*\"", 8),
        ("if context.internal then context.onMethodList else context.onContractList", 7),
        ("principal in Organisation::\"bank-a\"", 3),
        ("resource has administrator && resource.administrator == principal", 7),
        // A text that is read as a time counts for more.
        ("context.time < datetime(\"2027-01-01\")", 12),
    ];
    let told: Vec<(&str, u64)> =
        golden.iter().map(|(condition, _)| (*condition, load(calls, condition).terms)).collect();
    assert_eq!(told, golden);
}

#[test]
fn only_enacted_policies_whose_scope_a_request_is_in_are_counted() {
    let [calls, deploys] =
        ["call", "deploy"].map(|action| format!("principal, action == Action::\"{action}\", resource"));
    assert_eq!(CATALOGUE.load(&call(Role::Operator)), Load::default());
    assert_eq!(load(&calls, "context.internal"), Load { policies: 1, terms: 2 });
    assert_eq!(load(&deploys, "context.internal"), Load::default());
    let auditors = set("forbid (principal in Role::\"auditor\", action == Action::\"call\", resource);");
    assert_eq!(auditors.load(&call(Role::Operator)), Load::default());
    assert_eq!(auditors.load(&call(Role::Auditor)), Load { policies: 1, terms: 0 });
}

#[test]
fn policies_are_known_by_the_accounts_that_they_name_however_those_are_spelt() {
    let account = |start: &str| format!("Account::\"{start}{}\"", "01".repeat(20));
    let on_calls = |principal: &str, condition: &str| {
        format!("forbid ({principal}, action == Action::\"call\", resource) when {{ {condition} }};")
    };
    for body in [
        on_calls(&format!("principal == {}", account("0x")), "context.internal"),
        on_calls(&format!("principal == {}", account("\\u{30}x")), "context.internal"),
        on_calls("principal", &format!("principal == {}", account("\\x30x"))),
        on_calls(
            "principal",
            &format!("resource has administrator && resource.administrator == {}", account("0x")),
        ),
        on_calls("principal", &format!("!([{}].contains(principal))", account("0x"))),
    ] {
        let set = set(&body);
        assert_eq!(set.naming(ACCOUNT).map(PolicyId::as_str), Some("the-policy"), "{body}");
        assert_eq!(set.accounts(&"the-policy".parse().unwrap()).collect::<Vec<_>>(), [ACCOUNT]);
        assert_eq!(set.naming(CONTRACT), None);
    }
    // A contract is no account, and a comment names nobody.
    let contract = format!("Contract::\"0x{}\"", "01".repeat(20));
    let other = format!(
        "forbid (principal, action == Action::\"call\", resource == {contract}); // {}",
        account("0x")
    );
    assert_eq!(set(&other).naming(ACCOUNT), None);
}

/// Policies to begin with.
const SOUND: [&str; 3] = [
    "forbid (principal in Role::\"operator\", action in [Action::\"call\", Action::\"read\"], resource) \
     when { context.method like \"0x01*\" || context.time < datetime(\"2027-01-01\") };",
    "permit (principal == Account::\"0x0101010101010101010101010101010101010101\", action == Action::\"call\", \
     resource in Organisation::\"bank-a\") unless { resource has administrator && !context.internal };",
    "forbid (principal, action, resource is Contract) when { if context.onMethodList then true else 1 + 2 > 3 };",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    // The fuzz target `policies` does the same, guided by coverage.
    #[test]
    fn mutated_policies_make_no_set_or_one_that_decides_the_same_each_time(
        base in prop::sample::select(SOUND.to_vec()),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), "[(){}\\[\\]&|!.\"a-f0-9x=<>+*, -]{0,3}", 0_usize..4), 0..4,
        ),
    ) {
        let [mut policy] = enacted(base);
        for (place, with, gone) in &changes {
            let from = place.index(policy.text.len() + 1);
            let to = (from + gone).min(policy.text.len());
            policy.text.replace_range(from..to, with);
        }
        let policies = [policy];
        let (beside, alone) = (CATALOGUE.with(&policies), PolicySet::new(&policies));
        prop_assert_eq!(beside.is_ok(), alone.is_ok());
        if let (Ok(beside), Ok(alone)) = (beside, alone) {
            prop_assert_eq!(beside.digest(), alone.digest());
            for role in Role::ALL {
                let request = call(*role);
                prop_assert_eq!(beside.decide(&request), alone.decide(&request));
                prop_assert_eq!(beside.load(&request), alone.load(&request));
            }
        }
    }
}
