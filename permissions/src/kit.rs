//! Random policies and requests for tests, over few names, so that they meet.

use std::sync::LazyLock;

use alloy_primitives::Address;
use concordat_types::{OrgId, Role};
use proptest::prelude::*;

use crate::{
    Action, Context, ContractFacts, EnactedPolicy, ListKind, Listing, PolicySet, Principal, Request, Resource,
};

/// An address of few.
pub(crate) fn address(number: u8) -> Address {
    Address::repeat_byte(number)
}

/// A policy with its annotations.
pub(crate) fn enacted(id: &str, body: &str) -> EnactedPolicy {
    let text = format!("@id(\"{id}\")\n@reason(\"because of {id}\")\n{body}");
    EnactedPolicy { id: id.parse().unwrap(), text, proposal: 7 }
}

/// The catalogue alone. Reading it takes longer than most tests.
pub(crate) fn catalogue() -> &'static PolicySet {
    static CATALOGUE: LazyLock<PolicySet> = LazyLock::new(|| PolicySet::new(&[]).unwrap());
    &CATALOGUE
}

/// The set with those of the policies that may stand in one.
pub(crate) fn accepted(bodies: &[String]) -> PolicySet {
    let (mut set, mut good) = (catalogue().with(&[]).unwrap(), Vec::new());
    for (number, body) in bodies.iter().enumerate() {
        good.push(enacted(&format!("policy-{number}"), body));
        match set.with(&good) {
            Ok(larger) => set = larger,
            Err(_) => drop(good.pop()),
        }
    }
    set
}

/// A request that owns what it speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    account: Address,
    organisation: OrgId,
    role: Role,
    action: Action,
    contract: Option<(Address, Option<OrgId>, Option<Address>, bool)>,
    context: Context,
}

/// How many facts [`Question::step`] tells apart.
pub(crate) const FACTS: usize = 14;

impl Question {
    /// The same question, but for one fact, which is another question's.
    pub(crate) fn step(&mut self, other: &Question, fact: usize) {
        match fact {
            0 => self.account = other.account,
            1 => self.organisation = other.organisation.clone(),
            2 => self.role = other.role,
            3 => self.action = other.action,
            4 => self.contract = other.contract.clone(),
            5 => self.context.caller = other.context.caller,
            6 => self.context.method = other.context.method,
            7 => self.context.time_secs = other.context.time_secs,
            8 => self.context.deploy_list = other.context.deploy_list,
            9 => self.context.contract_list = other.context.contract_list,
            10 => self.context.method_list = other.context.method_list,
            _ => self.step_contract(other, fact),
        }
    }

    /// The same about an action on a contract.
    pub(crate) fn on_contract(mut self, action: Action) -> Self {
        self.action = action;
        self.contract = self.contract.or(Some((address(1), None, None, false)));
        self
    }

    fn step_contract(&mut self, other: &Question, fact: usize) {
        if let (Some(contract), Some(other)) = (&mut self.contract, &other.contract) {
            match fact {
                11 => contract.1 = other.1.clone(),
                12 => contract.2 = other.2,
                _ => contract.3 = other.3,
            }
        }
    }

    pub(crate) fn request(&self) -> Request<'_> {
        let resource = self.contract.as_ref().map_or(
            Resource::Ledger,
            |(address, organisation, administrator, system)| {
                Resource::Contract(ContractFacts {
                    address: *address,
                    organisation: organisation.as_ref(),
                    administrator: *administrator,
                    system: *system,
                })
            },
        );
        Request {
            principal: Principal { account: self.account, organisation: &self.organisation, role: self.role },
            action: self.action,
            resource,
            context: self.context,
        }
    }
}

pub(crate) fn few_addresses() -> impl Strategy<Value = Address> + Clone {
    (1_u8..4).prop_map(address)
}

fn few_organisations() -> impl Strategy<Value = OrgId> + Clone {
    prop::sample::select(vec!["bank-a", "bank-b", "bank-c"]).prop_map(|id| id.parse().unwrap())
}

fn listing() -> impl Strategy<Value = Listing> {
    (prop::sample::select(ListKind::ALL.to_vec()), any::<bool>())
        .prop_map(|(kind, listed)| Listing { kind, listed })
}

pub(crate) fn context() -> impl Strategy<Value = Context> {
    let method = prop::option::of(prop::sample::select(vec![[0_u8; 4], [1; 4], [2; 4]]));
    let time = prop_oneof![8 => 0_u64..4_000_000_000, 1 => Just(u64::MAX)];
    (prop::option::of(few_addresses()), method, time, listing(), listing(), listing()).prop_map(
        |(caller, method, time_secs, deploy_list, contract_list, method_list)| Context {
            caller,
            method,
            time_secs,
            deploy_list,
            contract_list,
            method_list,
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    // Mostly those that do business.
    prop_oneof![
        2 => Just(Role::Operator),
        2 => Just(Role::Developer),
        1 => prop::sample::select(Role::ALL.to_vec())
    ]
}

/// Any request; mostly one of an action on what it can be done to.
pub(crate) fn question() -> impl Strategy<Value = Question> {
    let contract = (
        few_addresses(),
        prop::option::of(few_organisations()),
        prop::option::of(few_addresses()),
        any::<bool>(),
    );
    let action = prop::sample::select(Action::ALL.to_vec());
    (few_addresses(), few_organisations(), role(), action, prop::option::weighted(0.5, contract), context())
        .prop_map(|(account, organisation, role, action, contract, context)| {
            let mut question = Question { account, organisation, role, action, contract, context };
            // Two of three that make no sense are turned into calls.
            if !action.applies_to(&question.request().resource) && account != address(1) {
                question.action = if question.contract.is_some() { Action::Call } else { Action::Deploy };
            }
            question
        })
}

fn one_of(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(choices).prop_map(ToOwned::to_owned)
}

fn literal(kind: &'static str) -> impl Strategy<Value = String> {
    few_addresses().prop_map(move |address| format!("{kind}::\"{address:#x}\""))
}

fn organisation_literal() -> impl Strategy<Value = String> {
    few_organisations().prop_map(|id| format!("Organisation::\"{id}\""))
}

fn role_literal() -> impl Strategy<Value = String> {
    one_of(&[
        "Role::\"operator\"",
        "Role::\"developer\"",
        "Role::\"auditor\"",
        "Role::\"committee-member\"",
        "Role::\"regulator\"",
    ])
}

fn principal_scope() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => one_of(&["principal", "principal is Account"]),
        2 => literal("Account").prop_map(|account| format!("principal == {account}")),
        1 => literal("Account").prop_map(|account| format!("principal in {account}")),
        2 => organisation_literal().prop_map(|id| format!("principal in {id}")),
        2 => role_literal().prop_map(|role| format!("principal in {role}")),
        1 => role_literal().prop_map(|role| format!("principal is Account in {role}")),
    ]
}

fn resource_scope() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => one_of(&["resource", "resource is Contract", "resource == Ledger::\"this\"", "resource is Ledger"]),
        2 => literal("Contract").prop_map(|contract| format!("resource == {contract}")),
        1 => literal("Contract").prop_map(|contract| format!("resource in {contract}")),
        1 => organisation_literal().prop_map(|id| format!("resource in {id}")),
        1 => organisation_literal().prop_map(|id| format!("resource is Contract in {id}")),
    ]
}

fn action_scope() -> impl Strategy<Value = String> {
    one_of(&[
        "action == Action::\"deploy\"",
        "action == Action::\"call\"",
        "action == Action::\"read\"",
        "action == Action::\"administer\"",
        "action in [Action::\"deploy\", Action::\"create\"]",
        "action in [Action::\"call\", Action::\"delegatecall\", Action::\"staticcall\"]",
        "action in [Action::\"call\", Action::\"read\", Action::\"deploy\"]",
        "action in [Action::\"staticcall\", Action::\"call\", Action::\"call\"]",
    ])
}

/// Conditions that do not fail, on every fact there is.
pub(crate) const ATOMS: &[&str] = &[
    "context.internal",
    "context.method == \"0x01010101\"",
    "[\"0x01010101\", \"0x02020202\"].contains(context.method)",
    "context.method like \"0x02*\"",
    "context.caller == \"0x0202020202020202020202020202020202020202\"",
    "context.time < datetime(\"2030-01-01\")",
    "context.time.toTime() >= duration(\"12h\")",
    "context.deployList == List::\"allow\"",
    "context.contractList == List::\"deny\" && context.onContractList",
    "context.onMethodList",
    "principal.organisation == Organisation::\"bank-a\"",
    "principal.role == Role::\"operator\"",
    "principal has organisation",
    "[principal].contains(Account::\"0x0101010101010101010101010101010101010101\")",
    "principal in [Role::\"operator\", Role::\"regulator\"]",
    "principal in [Organisation::\"bank-b\", Organisation::\"bank-c\"]",
    "resource in Organisation::\"bank-a\"",
    "resource is Contract",
    "resource is Contract in Organisation::\"bank-b\"",
    "resource in [Contract::\"0x0202020202020202020202020202020202020202\"]",
    "resource.system",
    "resource has administrator",
    "resource has administrator && resource.administrator == principal",
    "resource has organisation && resource.organisation == principal.organisation",
    "resource has organisation && principal in resource.organisation",
    "if context.internal then context.onDeployList else principal in Role::\"developer\"",
    "{\"a\": context.method}.a == \"\"",
    "action == Action::\"call\"",
];

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => one_of(ATOMS),
        // These fail where they are reached.
        1 => one_of(&[
            "(if context.internal then 9223372036854775807 else 0) + 1 > 0",
            "context.onDeployList && context.time.offset(duration(\"9223372036854775807ms\")) > context.time",
        ]),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let clause = (any::<bool>(), one_of(&["&&", "||"]), any::<bool>(), atom(), atom()).prop_map(
        |(when, operator, both, one, other)| {
            let word = if when { "when" } else { "unless" };
            if both {
                format!("{word} {{ ({one}) {operator} !({other}) }}")
            } else {
                format!("{word} {{ {one} }}")
            }
        },
    );
    prop::collection::vec(clause, 0..3).prop_map(|clauses| clauses.join(" "))
}

/// The text of a policy without its annotations. Some may not stand in a set.
pub(crate) fn policy() -> impl Strategy<Value = String> {
    policy_on(action_scope())
}

/// The same, on any of these actions.
pub(crate) fn policy_on(actions: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (one_of(&["permit", "permit", "forbid"]), principal_scope(), actions, resource_scope(), condition())
        .prop_map(|(effect, principal, action, resource, condition)| {
            format!("{effect} ({principal}, {action}, {resource}) {condition};")
        })
}

/// Any choice of actions, reserved ones too, or none at all.
pub(crate) fn any_action_scope() -> impl Strategy<Value = String> {
    let some = prop::sample::subsequence(Action::ALL.to_vec(), 1..4).prop_map(|actions| {
        let names: Vec<String> =
            actions.iter().map(|action| format!("Action::\"{}\"", action.name())).collect();
        format!("action in [{}]", names.join(", "))
    });
    prop_oneof![1 => Just("action".to_owned()), 3 => some]
}
