use alloy_primitives::Address;
use cedar_policy::{Authorizer, Entities, Schema, ValidationMode};
use concordat_types::OrgId;
use proptest::prelude::*;

use super::*;
use crate::{
    ContractFacts,
    enacted::MAX_TEXT_BYTES,
    kit::{self, accepted, catalogue, enacted, policy, question},
    text::{MAX_IFS, MAX_NESTING},
};

fn with(bodies: &[(&str, &str)]) -> Result<PolicySet, PolicyError> {
    let enacted: Vec<EnactedPolicy> = bodies.iter().map(|(id, body)| enacted(id, body)).collect();
    catalogue().with(&enacted)
}

fn refusal(body: &str) -> PolicyError {
    with(&[("the-policy", body)]).unwrap_err()
}

fn bank(id: &str) -> OrgId {
    id.parse().unwrap()
}

fn call(organisation: &OrgId, role: Role, context: Context) -> Request<'_> {
    Request {
        principal: Principal { account: kit::address(1), organisation, role },
        action: Action::Call,
        resource: Resource::Contract(ContractFacts {
            address: kit::address(9),
            organisation: None,
            administrator: None,
            system: false,
        }),
        context,
    }
}

fn ids(decision: &Decision) -> Vec<&str> {
    decision.policies.iter().map(|policy| policy.id.as_str()).collect()
}

// ---- What is decided -----------------------------------------------------------------------------------------

#[test]
fn what_a_policy_permits_is_allowed_and_names_it() {
    let bank = bank("bank-a");
    let decision = catalogue().decide(&call(&bank, Role::Operator, Context::default()));
    assert_eq!(
        (decision.allowed, decision.code, ids(&decision)),
        (true, Code::Permitted, vec!["operators-call"])
    );
    assert_eq!(decision.policies[0].proposal, None);
}

#[test]
fn what_nothing_permits_is_refused() {
    let bank = bank("bank-a");
    let deploy = Request {
        action: Action::Deploy,
        resource: Resource::Ledger,
        ..call(&bank, Role::Operator, Context::default())
    };
    let decision = catalogue().decide(&deploy);
    assert_eq!((decision.allowed, decision.code, ids(&decision)), (false, Code::NotPermitted, vec![]));
}

#[test]
fn what_a_policy_forbids_is_refused_whatever_others_permit() {
    let body = "forbid (principal in Organisation::\"bank-a\", action == Action::\"call\", resource);";
    let set = with(&[("bank-a-rests", body)]).unwrap();
    let (a, b) = (bank("bank-a"), bank("bank-b"));
    let decision = set.decide(&call(&a, Role::Operator, Context::default()));
    assert_eq!((decision.code, ids(&decision)), (Code::Forbidden, vec!["bank-a-rests"]));
    assert_eq!(decision.policies[0].proposal, Some(7));
    assert_eq!(decision.policies[0].reason, "because of bank-a-rests");
    assert!(set.decide(&call(&b, Role::Operator, Context::default())).allowed);
}

#[test]
fn what_cannot_be_evaluated_is_refused_even_if_it_would_only_permit() {
    let overflow = "(if context.internal then 9223372036854775807 else 0) + 1 > 0";
    for effect in ["permit", "forbid"] {
        let body = format!(
            "{effect} (principal, action == Action::\"call\", resource) when {{ {overflow} && false }};"
        );
        let body = body.replace("&& false", "&& context.onMethodList");
        let set = with(&[("overflows", &body)]).unwrap();
        let bank = bank("bank-a");
        let inner = Context { caller: Some(kit::address(2)), ..Context::default() };
        let decision = set.decide(&call(&bank, Role::Operator, inner));
        assert_eq!((decision.code, ids(&decision)), (Code::Undecidable, vec!["overflows"]), "{effect}");
        assert!(!decision.allowed && decision.errors[0].error.contains("overflow"), "{decision}");
        assert!(set.decide(&call(&bank, Role::Operator, Context::default())).allowed, "{effect}");
    }
}

#[test]
fn a_prohibition_stands_beside_a_policy_that_fails() {
    let fails =
        "permit (principal, action == Action::\"call\", resource) when { 9223372036854775807 + 1 > 0 };";
    let set = with(&[("aa-fails", fails)]).unwrap();
    let bank = bank("bank-a");
    let decision = set.decide(&call(&bank, Role::Auditor, Context::default()));
    assert_eq!((decision.code, ids(&decision)), (Code::Forbidden, vec!["exclusive-roles"]));
    assert_eq!(decision.errors.len(), 1);
}

#[test]
fn the_time_is_the_block_s_and_office_hours_hold_to_the_second() {
    let body = "forbid (principal, action == Action::\"call\", resource) unless { context.time.toTime() >= \
                duration(\"8h\") && context.time.toTime() < duration(\"18h\") };";
    let set = with(&[("office-hours", body)]).unwrap();
    let bank = bank("bank-a");
    let at = |time_secs| {
        set.decide(&call(&bank, Role::Operator, Context { time_secs, ..Context::default() })).code
    };
    let midnight = 1_800_000_000 / 86_400 * 86_400;
    assert_eq!(at(midnight + 8 * 3_600 - 1), Code::Forbidden);
    assert_eq!(at(midnight + 8 * 3_600), Code::Permitted);
    assert_eq!(at(midnight + 18 * 3_600 - 1), Code::Permitted);
    assert_eq!(at(midnight + 18 * 3_600), Code::Forbidden);
}

#[test]
fn a_time_that_cedar_cannot_tell_is_refused_only_where_a_policy_asks_for_it() {
    let body = "forbid (principal, action == Action::\"call\", resource == Contract::\
                \"0x0909090909090909090909090909090909090909\") when { context.time < datetime(\"2020-01-01\") };";
    let set = with(&[("not-before", body)]).unwrap();
    let bank = bank("bank-a");
    let (last, beyond) = (253_402_300_799, 253_402_300_800);
    let at = |set: &PolicySet, time_secs| {
        set.decide(&call(&bank, Role::Operator, Context { time_secs, ..Context::default() })).code
    };
    assert_eq!(at(&set, last), Code::Permitted);
    assert_eq!(at(&set, beyond), Code::Undecidable);
    let late = Context { time_secs: beyond, ..Context::default() };
    assert_eq!(ids(&set.decide(&call(&bank, Role::Operator, late))), ["not-before"]);
    assert_eq!(at(&set, u64::MAX), Code::Undecidable);
    assert_eq!(at(catalogue(), u64::MAX), Code::Permitted);
}

#[test]
fn nodes_and_actions_on_what_they_cannot_be_done_to_are_refused() {
    let bank = bank("bank-a");
    let read = |role| Request { action: Action::Read, ..call(&bank, role, Context::default()) };
    let set = catalogue();
    assert!(set.decide(&read(Role::Auditor)).allowed);
    assert_eq!(set.decide(&read(Role::Validator)).code, Code::NotPermitted);
    let odd = Request { resource: Resource::Ledger, ..call(&bank, Role::Operator, Context::default()) };
    assert_eq!(set.decide(&odd).code, Code::NotPermitted);
}

// ---- Which sets there are ------------------------------------------------------------------------------------

#[test]
fn the_catalogue_is_valid_as_one_set_and_its_replaceable_policies_are_these() {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let all: cedar_policy::PolicySet = DEFAULT_POLICIES.parse().unwrap();
    let found = cedar_policy::Validator::new(schema).validate(&all, ValidationMode::Strict);
    assert!(found.validation_passed_without_warnings(), "{found}");
    let set = catalogue();
    let names = |replaceable| -> Vec<&str> {
        let policies = set.catalogue.iter().filter(|policy| policy.replaceable == replaceable);
        policies.map(|policy| policy.id.as_str()).collect()
    };
    assert_eq!(
        names(false),
        ["accounts-reach-the-chain", "committee-governs", "exclusive-roles", "regulators-regulate"]
    );
    assert_eq!(names(true).len(), 8);
}

#[test]
fn a_replaceable_policy_of_the_catalogue_gives_way_and_comes_back() {
    let body = "permit (principal in Role::\"operator\", action == Action::\"call\", resource) when { \
                context.method == \"0xa9059cbb\" };";
    let set = with(&[("operators-call", body)]).unwrap();
    let bank = bank("bank-a");
    let transfer = Context { method: Some([0xa9, 0x05, 0x9c, 0xbb]), ..Context::default() };
    assert_eq!(set.decide(&call(&bank, Role::Operator, Context::default())).code, Code::NotPermitted);
    assert!(set.decide(&call(&bank, Role::Operator, transfer)).allowed);
    let back = set.with(&[]).unwrap();
    assert!(back.decide(&call(&bank, Role::Operator, Context::default())).allowed);
    assert_eq!(back.digest(), catalogue().digest());
}

#[test]
fn a_replacement_may_switch_a_policy_off_but_no_other_policy_may_be_impossible() {
    let off = "permit (principal, action == Action::\"read\", resource) when { false };";
    assert!(with(&[("accounts-read", off)]).is_ok());
    assert!(matches!(refusal(off), PolicyError::Impossible { .. }), "{}", refusal(off));
}

#[test]
fn protections_of_the_catalogue_cannot_be_replaced() {
    let body = "permit (principal, action == Action::\"call\", resource);";
    for id in ["accounts-reach-the-chain", "committee-governs", "exclusive-roles", "regulators-regulate"] {
        assert_eq!(with(&[(id, body)]).unwrap_err(), PolicyError::Protected { id: id.parse().unwrap() });
    }
}

#[test]
fn exclusive_roles_outweigh_enacted_permits() {
    let set = with(&[("all-may-call", "permit (principal, action == Action::\"call\", resource);")]).unwrap();
    let bank = bank("bank-a");
    for role in [Role::CommitteeMember, Role::Regulator, Role::Registrar, Role::Auditor] {
        assert_eq!(set.decide(&call(&bank, role, Context::default())).code, Code::Forbidden, "{role}");
    }
}

#[test]
fn policies_on_reserved_actions_are_refused() {
    for action in Action::ALL {
        let target = if action.applies_to(&Resource::Ledger) { "Ledger" } else { "Contract" };
        for effect in ["permit", "forbid"] {
            let body = format!("{effect} (principal, action == Action::\"{action}\", resource is {target});");
            let refused = matches!(with(&[("the-policy", &body)]), Err(PolicyError::Reserved { .. }));
            assert_eq!(refused, action.is_reserved(), "{body}");
        }
    }
    let all = refusal("forbid (principal in Organisation::\"bank-a\", action, resource);");
    assert!(matches!(all, PolicyError::Reserved { action: Action::Govern, .. }), "{all}");
    assert!(all.to_string().contains("name other actions"));
}

#[test]
fn two_policies_of_one_id_are_refused() {
    let body = "permit (principal, action == Action::\"call\", resource);";
    let error = with(&[("the-policy", body), ("the-policy", body)]).unwrap_err();
    assert!(matches!(error, PolicyError::Duplicate { .. }));
}

#[test]
fn too_many_policies_and_too_much_text_are_refused() {
    let tiny =
        |n: usize| EnactedPolicy { id: format!("p{n}").parse().unwrap(), text: String::new(), proposal: 1 };
    let many: Vec<EnactedPolicy> = (0..=MAX_POLICIES).map(tiny).collect();
    assert_eq!(PolicySet::new(&many).unwrap_err(), PolicyError::TooMany { have: 1_001 });
    let large = |n| EnactedPolicy { text: "/".repeat(MAX_TEXT_BYTES), ..tiny(n) };
    let much: Vec<EnactedPolicy> = (0..129).map(large).collect();
    assert_eq!(PolicySet::new(&much).unwrap_err(), PolicyError::TotalTooLong { have: 129 * 8_192 });
}

#[test]
fn syntax_errors_name_policy_line_and_mend() {
    let error = refusal("permit (principal,\n  action == Action::\"call\"\n  resource);");
    let PolicyError::Syntax { id, line, mend, .. } = &error else { panic!("{error}") };
    assert_eq!((id.as_str(), *line), ("the-policy", 5));
    assert!(!mend.is_empty());
    assert!(matches!(refusal(""), PolicyError::Syntax { .. }));
}

#[test]
fn more_than_one_policy_and_templates_are_refused() {
    let one = "permit (principal, action == Action::\"call\", resource);";
    assert!(matches!(refusal(&format!("{one}\n{one}")), PolicyError::Syntax { .. }));
    let template = "permit (principal == ?principal, action == Action::\"call\", resource);";
    assert!(matches!(refusal(template), PolicyError::Syntax { line: 3, .. }), "{}", refusal(template));
}

#[test]
fn whatever_the_schema_does_not_know_is_refused_with_its_line() {
    let when = |condition: &str| {
        format!("permit (principal, action == Action::\"call\", resource)\nwhen {{ {condition} }};")
    };
    for condition in [
        "principal.weight > 3",
        "context.height == 3",
        "context.method == 3",
        "resource.administrator == principal",
        "resource has administrator && resource.administrator.role == Role::\"operator\"",
        "principal in Role::\"boss\"",
        "context.methodList == List::\"alow\"",
        "context.time < datetime(context.method)",
        "context.time < datetime(\"tomorrow\")",
        "Account::\"0x0101010101010101010101010101010101010101\".role == Role::\"operator\"",
        "context.method == \"trаnsfer\"", // with a Cyrillic а
    ] {
        let error = with(&[("the-policy", &when(condition))]).expect_err(condition);
        let line = match &error {
            PolicyError::Invalid { line, mend, .. } | PolicyError::Syntax { line, mend, .. } => {
                assert!(!mend.is_empty());
                *line
            }
            other => panic!("{condition}: {other}"),
        };
        assert_eq!(line, 4, "{condition}: {error}");
    }
}

#[test]
fn names_in_a_form_that_nothing_has_are_refused() {
    let condition =
        |text: &str| format!("permit (principal, action == Action::\"call\", resource) when {{ {text} }};");
    for text in [
        "context.method == \"0xA9059CBB\"",
        "context.method == \"0Xa9059cbb\"",
        "context.caller == \"0x01\"",
        "principal == Account::\"0xABABABABABABABABABABABABABABABABABABABAB\"",
        "principal in Organisation::\"Bank A\"",
        "ip(\"10.0.0.1\").isLoopback()",
        "decimal(\"1.0\").lessThan(decimal(\"2.0\"))",
    ] {
        assert!(matches!(refusal(&condition(text)), PolicyError::Literal { line: 3, .. }), "{text}");
    }
    for scope in [
        "principal == Account::\"alice\", action == Action::\"call\", resource",
        "principal in Organisation::\"Bank A\", action == Action::\"call\", resource",
        "principal == Role::\"operator\", action == Action::\"call\", resource",
        "principal, action == Action::\"call\", resource == Contract::\"0x1\"",
        "principal, action == Action::\"call\", resource in Role::\"operator\"",
        "principal, action in [], resource",
        "principal, action == Action::\"fly\", resource",
    ] {
        let error = refusal(&format!("forbid ({scope});"));
        assert!(matches!(error, PolicyError::Scope { line: 3, .. }), "{scope}: {error}");
    }
}

#[test]
fn annotations_are_the_id_and_a_reason_and_no_others() {
    let body = "permit (principal, action == Action::\"call\", resource);";
    let make = |annotations: &str| {
        let text = format!("{annotations} {body}");
        PolicySet::new(&[EnactedPolicy { id: "the-policy".parse().unwrap(), text, proposal: 1 }])
    };
    let error = |annotations: &str| make(annotations).unwrap_err();
    assert!(make("@id(\"the-policy\") @reason(\"r\")").is_ok());
    assert!(matches!(error("@reason(\"r\")"), PolicyError::OtherId { have: None, .. }));
    assert!(matches!(error("@id(\"other\") @reason(\"r\")"), PolicyError::OtherId { have: Some(_), .. }));
    let id = "@id(\"the-policy\")";
    for reason in ["", "@reason", "@reason(\"\")", "@reason(\" r\")", "@reason(\"a\\nb\")"] {
        assert!(matches!(error(&format!("{id} {reason}")), PolicyError::Reason { .. }), "{reason}");
    }
    let long = format!("{id} @reason(\"{}\")", "r".repeat(201));
    assert!(matches!(error(&long), PolicyError::Reason { .. }));
    for other in ["@replaceable(\"yes\")", "@author(\"me\")"] {
        let text = format!("{id} @reason(\"r\") {other}");
        assert!(matches!(error(&text), PolicyError::Annotation { .. }), "{other}");
    }
}

// ---- Hostile texts -------------------------------------------------------------------------------------------

/// Whether a thread with hardly any stack survives making, asking and dropping a set with this policy.
fn survives(text: String) -> Result<Code, PolicyError> {
    let thread = std::thread::Builder::new().stack_size(192 * 1024).spawn(move || {
        let policy = EnactedPolicy { id: "hostile".parse().unwrap(), text, proposal: 1 };
        let set = PolicySet::new(&[policy])?;
        let bank = bank("bank-a");
        Ok(set.decide(&call(&bank, Role::Operator, Context::default())).code)
    });
    thread.unwrap().join().unwrap()
}

fn hostile(condition: &str) -> String {
    format!(
        "@id(\"hostile\") @reason(\"r\") forbid (principal, action == Action::\"call\", resource) when {{ {condition} }};"
    )
}

#[test]
fn nested_texts_blow_no_stack() {
    let wraps = [
        ("(", "true", ")"),
        ("!", "true", ""),
        ("[", "1", "]"),
        ("{\"a\": ", "1", "}"),
        ("if true then ", "true", " else false"),
        ("if ", "true", " then true else false"),
        ("true && ", "true", ""),
        ("(true) || ", "true", ""),
        ("1 + ", "1", " > 0"),
        ("-", "1", ""),
        ("", "context", ".internal"),
        ("", "principal", " in principal"),
        ("// (((\n", "true", ""),
        ("\"", "", "\""),
    ];
    for (open, middle, close) in wraps {
        for count in [1, 8, 30, 45, 95, 700, 8_000] {
            let text = hostile(&format!("{}{middle}{}", open.repeat(count), close.repeat(count)));
            if let Err(PolicyError::Catalogue { reason }) = survives(text) {
                panic!("{open}{middle}{close} {count} times: {reason}");
            }
        }
    }
}

#[test]
fn the_deepest_accepted_policies_are_evaluated_on_the_smallest_stack() {
    let deepest = |open: &str, close: &str, count: usize| {
        let text = hostile(&format!("{}context.internal{}", open.repeat(count), close.repeat(count)));
        survives(text)
    };
    // A bracket of the conditions, `when` and a dot are there already.
    assert_eq!(deepest("(", ")", MAX_NESTING - 3), Ok(Code::Permitted));
    assert!(matches!(
        deepest("(", ")", MAX_NESTING - 2),
        Err(PolicyError::Nesting { line: 1, have: 101, .. })
    ));
    // Three each: a dot, `||` and a bracket.
    assert_eq!(deepest("context.onMethodList || (", ")", (MAX_NESTING - 3) / 3), Ok(Code::Permitted));
    assert_eq!(deepest("if context.onMethodList then false else (", ")", MAX_IFS), Ok(Code::Permitted));
}

#[test]
fn branches_that_would_double_the_time_of_checking_are_bounded() {
    let branched = |count: usize| {
        survives(hostile(&format!("{}true{}", "if true then ".repeat(count), " else false".repeat(count))))
    };
    assert_eq!(branched(MAX_IFS), Ok(Code::Forbidden));
    assert!(matches!(branched(MAX_IFS + 1), Err(PolicyError::Branches { have: 9, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_a_set_panic(text in "[(){}\\[\\]&|!.\"a-c0-9=<>+*,; \\n/@-]{0,200}") {
        let raw = EnactedPolicy { id: "ab".parse().unwrap(), text: text.clone(), proposal: 1 };
        let refused = PolicySet::new(&[raw]).is_err();
        prop_assert!(refused);
        let _refused_or_not = survives(hostile(&text));
    }
}

// ---- Digests, equality with Cedar ----------------------------------------------------------------------------

#[test]
fn the_digest_is_golden_and_depends_on_every_policy() {
    let empty = catalogue();
    let body = "permit (principal, action == Action::\"call\", resource);";
    let one = with(&[("the-policy", body)]).unwrap();
    let digests = format!("catalogue {}\none policy {}\n", empty.digest(), one.digest());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/digests.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &digests).unwrap();
    }
    assert_eq!(digests, std::fs::read_to_string(file).unwrap(), "UPDATE_GOLDEN=1 writes the file anew");
    let other = with(&[("the-policy", &format!("{body} "))]).unwrap();
    let mut renumbered = enacted("the-policy", body);
    renumbered.proposal = 8;
    let renumbered = catalogue().with(&[renumbered]).unwrap();
    let all = BTreeSet::from([empty.digest(), one.digest(), other.digest(), renumbered.digest()]);
    assert_eq!(all.len(), 4);
}

#[test]
fn the_order_in_which_policies_are_given_does_not_matter() {
    let (one, two) = (
        ("pa", "permit (principal, action == Action::\"call\", resource);"),
        ("pb", "forbid (principal, action == Action::\"call\", resource);"),
    );
    let (there, back) = (with(&[one, two]).unwrap(), with(&[two, one]).unwrap());
    assert_eq!(there.digest(), back.digest());
    let ids: Vec<String> = there.policies().map(|(policy, _)| policy.id.to_string()).collect();
    assert!(ids.is_sorted());
}

#[test]
fn a_set_made_anew_and_one_made_from_another_are_the_same() {
    let policies = [
        enacted("pa", "permit (principal, action == Action::\"call\", resource);"),
        enacted(
            "accounts-read",
            "permit (principal in Role::\"auditor\", action == Action::\"read\", resource);",
        ),
    ];
    let anew = PolicySet::new(&policies).unwrap();
    let grown = catalogue().with(&policies[..1]).unwrap().with(&policies).unwrap();
    assert_eq!(anew.digest(), grown.digest());
    assert_eq!(grown.with(&[]).unwrap().digest(), catalogue().digest());
}

/// What Cedar itself says of all policies at once, with facts that it checks against the schema.
fn by_cedar(set: &PolicySet, request: &Request<'_>) -> (Code, Vec<String>) {
    let Ok(facts) = set.engine.facts(request, true) else { panic!("{request:?}") };
    let schema = set.engine.validator.schema();
    let entities = Entities::from_entities(facts.entities, Some(schema)).unwrap();
    let asked = facts.request;
    let parts = (asked.principal().unwrap(), asked.action().unwrap(), asked.resource().unwrap());
    let (principal, action, resource) = (parts.0.clone(), parts.1.clone(), parts.2.clone());
    let context = asked.context().unwrap().clone();
    let asked = cedar_policy::Request::new(principal, action, resource, context, Some(schema)).unwrap();
    let mut all = cedar_policy::PolicySet::new();
    for policy in &set.policies {
        let parsed = cedar_policy::Policy::parse(Some(cedar_policy::PolicyId::new(&policy.id)), &policy.text);
        all.add(parsed.unwrap()).unwrap();
    }
    let response = Authorizer::new().is_authorized(&asked, &all, &entities);
    let said = response.diagnostics();
    let mut reasons: Vec<String> = said.reason().map(ToString::to_string).collect();
    reasons.sort();
    let allowed = response.decision() == cedar_policy::Decision::Allow;
    let mut failed: Vec<String> = said
        .errors()
        .map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        })
        .collect();
    failed.sort();
    match (allowed, reasons.is_empty(), failed.is_empty()) {
        (false, false, _) => (Code::Forbidden, reasons),
        (_, _, false) => (Code::Undecidable, failed),
        (true, ..) => (Code::Permitted, reasons),
        (false, ..) => (Code::NotPermitted, reasons),
    }
}

/// Cedar knows no roles of nodes, no odd requests, and no time beyond the year 9999.
fn cedar_knows(request: &Request<'_>) -> bool {
    is_possible(request) && request.context.time_secs != u64::MAX
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    // 10,000 requests.
    #[test]
    fn candidates_decide_as_all_policies_would_and_as_cedar_does(
        bodies in prop::collection::vec(policy(), 0..10),
        questions in prop::collection::vec(question(), 40),
    ) {
        let set = accepted(&bodies);
        let all: Vec<usize> = (0..set.policies.len()).collect();
        for question in &questions {
            let request = question.request();
            let decision = set.decide(&request);
            if cedar_knows(&request) {
                prop_assert_eq!(&decision, &set.decide_by(&request, &all));
                let ids: Vec<String> = decision.policies.iter().map(|policy| policy.id.to_string()).collect();
                prop_assert_eq!((decision.code, ids), by_cedar(&set, &request));
            } else if !is_possible(&request) {
                prop_assert_eq!(decision.code, Code::NotPermitted);
            }
        }
    }

    #[test]
    fn nobody_can_forbid_the_committee_to_govern(
        bodies in prop::collection::vec(kit::policy_on(kit::any_action_scope()), 0..6),
        contexts in prop::collection::vec(kit::context(), 10),
        accounts in prop::collection::vec(kit::few_addresses(), 3),
    ) {
        let set = accepted(&bodies);
        let bank = bank("bank-a");
        let members: Vec<Principal<'_>> = accounts
            .iter()
            .map(|account| Principal { account: *account, organisation: &bank, role: Role::CommitteeMember })
            .collect();
        prop_assert_eq!(set.locks_out(&members), None);
        for (member, context) in members.iter().flat_map(|member| contexts.iter().map(move |c| (member, c))) {
            let request =
                Request { principal: *member, action: Action::Govern, resource: Resource::Ledger, context: *context };
            let decision = set.decide(&request);
            prop_assert_eq!(ids(&decision), vec!["committee-governs"]);
            prop_assert!(decision.allowed);
        }
        let reserved = set.policies.iter().filter(|policy| policy.scope.actions.iter().any(|a| a.is_reserved()));
        prop_assert!(reserved.into_iter().all(|policy| policy.proposal.is_none()));
    }
}

#[test]
fn an_account_that_is_no_member_by_its_role_is_reported_as_locked_out() {
    let bank = bank("bank-a");
    let account = Address::repeat_byte(4);
    let operator = Principal { account, organisation: &bank, role: Role::Operator };
    assert_eq!(catalogue().locks_out(&[operator]), Some(Lockout { account, code: Code::NotPermitted }));
    assert_eq!(catalogue().locks_out(&[]), None);
}

#[test]
fn sets_and_memos_can_be_shared_between_threads() {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<PolicySet>();
    is_shared::<crate::Memo>();
}

// ---- Explanations --------------------------------------------------------------------------------------------

#[test]
fn an_explanation_names_the_policies_that_came_nearest() {
    let body = "permit (principal in Role::\"operator\", action == Action::\"deploy\", resource) when { \
                context.onDeployList };";
    let set = with(&[("listed-operators-deploy", body)]).unwrap();
    let bank = bank("bank-a");
    let deploy = Request {
        action: Action::Deploy,
        resource: Resource::Ledger,
        ..call(&bank, Role::Operator, Context::default())
    };
    let explanation = set.explain(&deploy);
    let near: Vec<(&str, &Missed)> =
        explanation.nearest.iter().map(|near| (near.policy.id.as_str(), &near.missed)).collect();
    assert_eq!(
        near,
        [("listed-operators-deploy", &Missed::Condition), ("developers-deploy", &Missed::Principal)]
    );
    assert_eq!(
        explanation.to_string(),
        "0x0101010101010101010101010101010101010101 (operator of bank-a): deploy\n\
         no: not-permitted\n\
         \x20 nearest: listed-operators-deploy: because of listed-operators-deploy (proposal 7); \
         its conditions do not hold\n\
         \x20 nearest: developers-deploy: developers make contracts, by a transaction or out of another contract \
         (catalogue); it is about others"
    );
}

#[test]
fn explanations_are_golden_for_machines() {
    let bank = bank("bank-a");
    let inner =
        Context { caller: Some(kit::address(2)), method: Some([1; 4]), time_secs: 5, ..Context::default() };
    let json = serde_json::to_string(&catalogue().explain(&call(&bank, Role::Auditor, inner))).unwrap();
    assert_eq!(
        json,
        "{\"asked\":{\"account\":\"0x0101010101010101010101010101010101010101\",\"organisation\":\"bank-a\",\
         \"role\":\"auditor\",\"action\":\"call\",\"contract\":\"0x0909090909090909090909090909090909090909\",\
         \"method\":\"0x01010101\",\"caller\":\"0x0202020202020202020202020202020202020202\",\"time_secs\":5},\
         \"decision\":{\"allowed\":false,\"code\":\"forbidden\",\"policies\":[{\"id\":\"exclusive-roles\",\
         \"reason\":\"only operators and developers do business: committee, regulators, registrars and auditors \
         never do\",\"proposal\":null}],\"errors\":[]},\"nearest\":[]}"
    );
}

#[test]
fn codes_are_golden() {
    let all: Vec<String> = Code::ALL.iter().map(|code| format!("{} {code}", code.code())).collect();
    assert_eq!(all.join(", "), "0 permitted, 1 not-permitted, 2 forbidden, 3 undecidable");
    assert!(Code::ALL.iter().all(|code| Code::from_code(code.code()) == Some(*code)));
    assert_eq!(Code::from_code(4), None);
}

/// Texts that Cedar refuses with a guess at what was meant, of several that are as near.
const GUESSED_AT: [&str; 4] = [
    "when { principal is Xxxx }",
    "when { principal in Xxxx::\"bank-a\" }",
    "when { action == Action::\"xxxx\" }",
    "when { context.time.toXxxx() == context.time }",
];

#[test]
fn what_a_chain_is_told_of_a_refused_policy_depends_on_no_hash() {
    for condition in GUESSED_AT {
        let text = format!(
            "@id(\"guess\")\n@reason(\"a test\")\nforbid (principal, action == Action::\"call\", resource)\n{condition};"
        );
        let policy = EnactedPolicy { id: "guess".parse().unwrap(), text, proposal: 1 };
        // Each set has a schema of its own, whose maps have seeds of their own.
        let told: BTreeSet<String> =
            (0..40).map(|_| PolicySet::new(std::slice::from_ref(&policy)).unwrap_err().told()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told.iter().all(|told| told.starts_with("policy guess, line 4: ")), "{told:?}");
    }
}
