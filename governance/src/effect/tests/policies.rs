//! Policies and run-time rules.

use super::*;

pub(super) fn policy_effect(before: Option<&str>, after: Option<&str>) -> Effect {
    let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
    Effect {
        kind: Kind::SetPolicy,
        action: B256::repeat_byte(9),
        changes: vec![Change::Policy { id: "office-hours".into(), before, after }],
        quorum: None,
    }
}

#[test]
fn the_bytes_and_the_digest_of_a_policys_effect_are_golden() {
    let effect = policy_effect(Some("forbid a;"), Some("forbid b;"));
    assert_eq!(
        hex::encode(effect.encode()),
        format!(
            "f84c0140a0{}e7e6068c6f66666963652d686f7572738bca89666f7262696420613b8bca89666f7262696420623bc0",
            "09".repeat(32)
        )
    );
    assert_eq!(
        effect.digest().to_string(),
        "0xb1919547af7669af4c8b33db9bc1244cb966bc81c30ca198d7139ffed7f1a4a7"
    );
}

/// The lines on the policy.
fn policy_text(before: Option<&str>, after: Option<&str>) -> String {
    let text = policy_effect(before, after).to_string();
    let text = text.strip_prefix("set-policy\n  policy office-hours\n").unwrap();
    text.split_once("\n  digest 0x").unwrap().0.to_owned()
}

#[test]
fn people_read_which_lines_of_a_policy_change() {
    let old = "@id(\"office-hours\")\nforbid (principal, action, resource)\nunless { 8 };\n";
    let new = "@id(\"office-hours\")\npermit (principal, action, resource)\nunless { 8 };\n";
    assert_eq!(
        policy_text(Some(old), Some(new)),
        "      @id(\"office-hours\")\n    - forbid (principal, action, resource)\n    \
         + permit (principal, action, resource)\n      unless { 8 };"
    );
    assert_eq!(policy_text(None, Some("a\nb\n")), "    - none\n    + a\n    + b");
    assert_eq!(policy_text(Some("a\nb"), None), "    - a\n    - b\n    + none");
    assert_eq!(policy_text(Some("a\na\n"), Some("a\n")), "      a\n    - a", "no line is told twice");
    assert_eq!(policy_text(Some("a\n"), Some("b\na\n")), "    + b\n      a");
    assert_eq!(policy_text(Some("a"), Some("a\n")), "    - a\n    + a", "the end of a line is a change");
    assert_eq!(policy_text(Some("none"), Some("none\n")), "    - none\n    + none");
}

#[test]
fn no_text_of_a_policy_acts_on_a_terminal_or_passes_for_another_part() {
    let text = policy_text(None, Some("a\u{1b}[2J\u{202e}b\r\n  digest 0x00\n    + none\té\u{200b}"));
    let lines = ["- none", "+ a\\u{1b}[2J\\u{202e}b\\r", "+   digest 0x00", "+     + none\\té\\u{200b}"];
    assert_eq!(text.lines().map(|line| line.strip_prefix("    ").unwrap()).collect::<Vec<_>>(), lines);
}

#[test]
fn machines_read_a_policys_texts() {
    let json = serde_json::to_value(policy_effect(None, Some("permit"))).unwrap();
    let policy =
        serde_json::json!({ "what": "policy", "id": "office-hours", "before": null, "after": "permit" });
    assert_eq!((&json["kind"], &json["changes"][0]), (&"set-policy".into(), &policy));
}

#[test]
fn a_policy_under_an_id_that_is_none_is_no_effect() {
    let mut effect = policy_effect(None, Some("permit"));
    effect.changes = vec![Change::Policy { id: "Office".into(), before: None, after: Some("permit".into()) }];
    assert_eq!(Effect::decode(&effect.encode()), None);
}

#[test]
fn every_text_of_a_policy_is_bound() {
    let texts = [None, Some(""), Some("a"), Some("a\n"), Some("b")];
    let effects = texts.iter().flat_map(|before| texts.iter().map(|after| policy_effect(*before, *after)));
    let digests: BTreeSet<B256> = effects.map(|effect| effect.digest()).collect();
    assert_eq!(digests.len(), texts.len() * texts.len());
}

fn limit_effect(before: Option<&'static [u8]>, after: Option<&'static [u8]>) -> Effect {
    let (before, after) = (before.map(Bytes::from_static), after.map(Bytes::from_static));
    Effect {
        kind: Kind::SetLimit,
        action: B256::repeat_byte(9),
        changes: vec![Change::Limit { id: "daily".into(), before, after }],
        quorum: None,
    }
}

#[test]
fn the_bytes_and_the_digest_of_a_rules_effect_are_golden() {
    let effect = limit_effect(Some(b"one"), Some(b"two"));
    assert_eq!(
        hex::encode(effect.encode()),
        format!("f8390144a0{}d4d30a856461696c7985c4836f6e6585c48374776fc0", "09".repeat(32))
    );
    assert_eq!(
        effect.digest().to_string(),
        "0x580e035288a1728a73ff4aa0148d777a8b5d83a5985ae3ce109654931e408fce"
    );
}

#[test]
fn a_rules_effect_has_one_form_and_binds_every_byte() {
    let sides: [Option<&'static [u8]>; 4] = [None, Some(b""), Some(b"a"), Some(b"b")];
    let effects: Vec<Effect> =
        sides.iter().flat_map(|before| sides.iter().map(|after| limit_effect(*before, *after))).collect();
    effects.iter().for_each(check_form);
    let digests: BTreeSet<B256> = effects.iter().map(Effect::digest).collect();
    assert_eq!(digests.len(), effects.len());
    let mut effect = limit_effect(None, Some(b"a"));
    effect.changes = vec![Change::Limit { id: "Daily".into(), before: None, after: Some(Bytes::new()) }];
    assert_eq!(Effect::decode(&effect.encode()), None, "an id that is none");
}

#[test]
fn people_read_the_bytes_of_a_rule() {
    let text = limit_effect(None, Some(b"two")).to_string();
    assert!(text.starts_with("set-limit\n  rule daily\n    - none\n    + 0x74776f\n"), "{text}");
}
