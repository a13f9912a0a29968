use proptest::prelude::*;

use super::*;
use crate::{
    rule::{Condition, Side},
    time::Span,
};

const RULE: &str = r#"
version = 1
[[rule]]
id = "just-below"
title = "Many transfers just below the threshold"
kind = "structuring"
grade = "alert"
reference = "Act 5"
below = "10000"
total = 30000
count = 3
window = { seconds = 86400 }
organisations = ["bank-a"]
roles = ["operator"]
"#;

fn one(text: &str) -> Result<Vec<Rule>, RuleError> {
    parse([("a.toml", text)])
}

#[test]
fn a_rule_is_what_its_file_says() {
    let rules = one(RULE).unwrap();
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!((rule.id.as_str(), rule.grade), ("just-below", Grade::Alert));
    assert_eq!(rule.quiet, Some(Span::Seconds(86_400)), "the window, where nothing is said");
    let Condition::Structuring { side, below, total, count, .. } = &rule.condition else {
        panic!("{rule:?}")
    };
    assert_eq!((*side, below.to::<u64>(), total.to::<u64>(), *count), (Side::Sender, 10_000, 30_000, 3));
    assert_eq!(rule.filter.organisations.len() + rule.filter.roles.len(), 2);
}

#[test]
fn digests_of_rules_are_golden_and_every_word_counts() {
    let digest = one(RULE).unwrap()[0].digest();
    assert_eq!(hex::encode(digest), "40d7ed5b33649827da0b8683996fe87e488d1f8957f2cda660a41b29aaa6c94f");
    let other = RULE.replace("Act 5", "Act 6");
    assert_ne!(one(&other).unwrap()[0].digest(), digest);
}

#[test]
fn what_is_wrong_is_named_by_file_rule_and_field() {
    let cases = [
        ("count = 3", "", "a.toml: rule just-below: count: it is missing"),
        ("count = 3", "count = 1", "count: it has to lie between 2 and 1000"),
        ("count = 3", "count = \"3\"", "count: it is string, and has to be a number"),
        ("count = 3", "count = 3\ncolour = 1", "colour: rules of this kind have no such field"),
        ("\"structuring\"", "\"splitting\"", "kind: \"splitting\" is no kind; there are high-frequency"),
        ("\"alert\"", "\"panic\"", "grade: \"panic\" is no grade"),
        ("{ seconds = 86400 }", "{ days = 1 }", "window: it has to be like { blocks = 100 }"),
        ("{ seconds = 86400 }", "{ seconds = 1, blocks = 1 }", "window: it has to be like"),
        ("{ seconds = 86400 }", "{ seconds = -1 }", "window: it has to be like"),
        ("\"10000\"", "\"1e4\"", "below: it has to be an amount"),
        ("\"10000\"", "0", "below: it has to be an amount"),
        ("[\"bank-a\"]", "[\"Bank A\"]", "organisations: \"Bank A\": organisation id"),
        ("[\"bank-a\"]", "[]", "organisations: it has to have 1 to"),
        ("[\"operator\"]", "[\"king\"]", "roles: \"king\" is no role"),
        ("\"just-below\"", "\"Just below\"", "rule number 1: id: it has to be"),
        ("version = 1", "version = 2", "a.toml: version is 2"),
        ("version = 1", "", "a.toml: it has no version"),
        ("version = 1", "version = 1\nname = 1", "a.toml: name does not belong here"),
        (
            "\"Act 5\"",
            "\"Act 5\"\nexplain = \"{who} did it\"",
            "explain: {who} is not known; there are subject, count",
        ),
        ("\"Act 5\"", "\"Act 5\"\nexplain = \"{sum did it\"", "explain: a brace is open"),
        ("\"Act 5\"", "\"\"", "reference: it has to be 1 to 200 bytes long"),
    ];
    for (from, to, said) in cases {
        let refused = one(&RULE.replace(from, to)).unwrap_err().to_string();
        assert!(refused.contains(said), "{to}: {refused}");
    }
}

#[test]
fn rules_of_two_files_do_not_share_an_id_and_none_is_no_rule() {
    let refused = parse([("a.toml", RULE), ("b.toml", RULE)]).unwrap_err().to_string();
    assert_eq!(refused, "b.toml: rule just-below: id: another rule has this id already");
    assert_eq!(one("version = 1"), Err(RuleError::None));
    let many: String = (0..=MAX_RULES)
        .map(|n| format!("[[rule]]\nid = \"r-{n}\"\ntitle = \"t\"\nkind = \"own-matter\"\ngrade = \"note\"\nreference = \"r\"\n"))
        .collect();
    assert_eq!(one(&format!("version = 1\n{many}")), Err(RuleError::TooMany { have: MAX_RULES + 1 }));
}

#[test]
fn no_freeze_is_proposed_of_what_is_no_account() {
    let burst = "version = 1\n[[rule]]\nid = \"burst\"\ntitle = \"t\"\nkind = \"freeze-burst\"\n\
                 grade = \"propose-freeze\"\nreference = \"r\"\ncount = 3\nwindow = { blocks = 5 }\n";
    assert!(one(burst).unwrap_err().to_string().contains("grade: what this kind finds is no account"));
    let narrowed = burst.replace("propose-freeze", "alert")
        + "tokens = [\"0x0000000000000000000000000000000000000001\"]\n";
    assert!(one(&narrowed).unwrap_err().to_string().contains("tokens: rules of this kind are not narrowed"));
}

#[test]
fn every_kind_explains_itself_with_names_that_it_has() {
    let page = include_str!("../../../../docs/surveillance.md");
    let mut kinds = 0;
    for (_, after) in page.match_indices("```toml\n").map(|(at, mark)| page.split_at(at + mark.len())) {
        let text = after.split("```").next().unwrap();
        if !text.contains("[[rule]]") {
            continue;
        }
        for rule in one(&format!("version = 1\n{}", text.replace("version = 1", ""))).unwrap() {
            let named = placeholders(rule.condition.words()).unwrap();
            let known = |name: &&str| *name == "subject" || rule.condition.names().contains(name);
            assert!(named.iter().all(known), "{named:?}");
            kinds += 1;
        }
    }
    assert!(kinds >= 12, "the page has an example of every kind, found {kinds}");
}

proptest! {
    #[test]
    fn no_text_is_answered_with_a_panic(text in any::<String>(), value in "[-0-9a-z\"\\[\\]{} =_.,]{0,30}") {
        let _told = one(&text);
        let fields =
            ["id", "kind", "count", "window", "from", "below", "tokens", "explain", "quiet", "hops", "amount"];
        for field in fields {
            let _told = one(&format!("version = 1\n[[rule]]\nid = \"a-rule\"\n{field} = {value}\n"));
        }
    }
}
