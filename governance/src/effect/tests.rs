//! Golden bytes and words of effects.
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use std::collections::BTreeSet;

use concordat_types::Role;

use super::*;
use crate::{
    action::{Attributes, Parameters, Property, Reversed},
    facts::{Membership, Upgrade},
};

fn effect() -> Effect {
    let organisation = OrganisationFacts {
        name: "Bank E".into(),
        membership: Membership::Active,
        roles: BTreeSet::from([Role::Operator]),
        roots: vec![B256::repeat_byte(1)],
    };
    let validator = ValidatorFacts {
        organisation: "bank-e".parse().unwrap(),
        consensus_key: B256::repeat_byte(2),
        power: 10,
        node_key: B256::repeat_byte(3),
        node_address: "e:1".into(),
    };
    let basis = Basis { document: B256::repeat_byte(4), reference: "Order 7".into() };
    let freeze = |end, emergency| Freeze { scope: Scope::All, basis: basis.clone(), end, emergency };
    let rule = Rule::initial(Kind::SetRule, 1);
    let suspended = OrganisationFacts { membership: Membership::Suspended, ..organisation.clone() };
    let id: OrgId = "bank-e".parse().unwrap();
    let account = Address::repeat_byte(5);
    let quorum = |validators, total, need| Quorum { validators, total, need };
    Effect {
        kind: Kind::SuspendOrganisation,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Organisation { id: id.clone(), before: Some(organisation), after: Some(suspended) },
            Change::Validator {
                consensus_key: validator.consensus_key,
                before: Some(validator),
                after: None,
            },
            Change::Seat { member: account, before: None, after: Some(Seat { organisation: id, weight: 2 }) },
            Change::Rule { kind: Kind::SetRule, before: rule, after: Rule { veto: true, ..rule } },
            Change::Freeze {
                account,
                before: Some(freeze(End::At(9), false)),
                after: Some(freeze(End::After(20), true)),
            },
            Change::Freeze { account, before: Some(freeze(End::Never, false)), after: None },
        ],
        quorum: Some([quorum(5, 50, 34), quorum(4, 40, 27)]),
    }
}

fn policy_effect(before: Option<&str>, after: Option<&str>) -> Effect {
    let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
    Effect {
        kind: Kind::SetPolicy,
        action: B256::repeat_byte(9),
        changes: vec![Change::Policy { id: "office-hours".into(), before, after }],
        quorum: None,
    }
}

fn identity_effect() -> Effect {
    let basis = Basis { document: B256::repeat_byte(4), reference: "Order 7".into() };
    let identity = Address::repeat_byte(5);
    let key = |account, common_name: &str, fingerprint| KeyFacts {
        account: Address::repeat_byte(account),
        organisation: "bank-e".parse().unwrap(),
        role: Role::Operator,
        common_name: common_name.into(),
        fingerprint: B256::repeat_byte(fingerprint),
    };
    let (before, after) = (key(6, "Alina", 10), key(7, "Alice", 8));
    Effect {
        kind: Kind::RecoverKey,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Identity { identity, before, after },
            Change::Bar { target: BarTarget::Account(identity), before: None, after: Some(basis.clone()) },
            Change::Bar { target: BarTarget::Node(B256::repeat_byte(3)), before: Some(basis), after: None },
        ],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_recoveries_and_bars_are_golden_and_have_one_form() {
    let effect = identity_effect();
    let times = |byte: &str, count| byte.repeat(count);
    let basis = format!("aae9a0{}874f726465722037", times("04", 32));
    let account = |byte: &str| format!("94{}", times(byte, 20));
    let key = format!("b846f844{}8662616e6b2d650485416c696365a0{}", account("07"), times("08", 32));
    let old = format!("b846f844{}8662616e6b2d650485416c696e61a0{}", account("06"), times("0a", 32));
    let rebound = format!("f8a614{}{old}{key}", account("05"));
    let barred = format!("f84215{}80{basis}", account("05"));
    let lifted = format!("f84e15a0{}{basis}80", times("03", 32));
    let changes = format!("f9013c{rebound}{barred}{lifted}");
    let bytes = format!("f901630106a0{}{changes}c0", times("09", 32));
    assert_eq!(hex::encode(effect.encode()), bytes);
    assert_eq!(
        effect.digest().to_string(),
        "0x68b09ff07d3052234e23ae04e7aba30d5e98a246b71a5db48cdf0754fb430fea"
    );
    check_form(&effect);
}

#[test]
fn people_and_machines_read_whose_key_goes_and_who_is_barred() {
    let effect = identity_effect();
    let text = effect.to_string();
    for line in [
        "  key of identity 0x0505050505050505050505050505050505050505\n    - account 0x0606060606060606060606060606060606060606, operator \"Alina\" of bank-e; certificate (SHA-256) 0x0a",
        "    + account 0x0707070707070707070707070707070707070707, operator \"Alice\" of bank-e; certificate (SHA-256) 0x08",
        "  bar of account 0x0505050505050505050505050505050505050505\n    - none\n    + basis \"Order 7\" 0x04",
        "  bar of node key 0x0303",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    assert_eq!(
        (&json["changes"][0]["what"], &json["changes"][1]["what"]),
        (&"identity".into(), &"bar".into())
    );
    assert_eq!(json["changes"][1]["target"]["account"], "0x0505050505050505050505050505050505050505");
    assert_eq!(json["changes"][0]["after"]["role"], "operator");
}

#[test]
fn the_digest_of_an_effect_is_golden() {
    assert_eq!(
        effect().digest().to_string(),
        "0xfe2de9f8db9d889845ee8a33d73d0e0744878f648308ac5cc1511dfea76264df"
    );
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

#[test]
fn effects_survive_their_bytes_and_have_one_form() {
    for effect in [
        effect(),
        policy_effect(Some("one"), Some("two")),
        policy_effect(None, Some("")),
        policy_effect(Some("x"), None),
    ] {
        check_form(&effect);
    }
}

fn check_form(effect: &Effect) {
    let bytes = effect.encode();
    assert_eq!(Effect::decode(&bytes).as_ref(), Some(effect));
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut other = bytes.clone();
        other[at] ^= 1 << bit;
        if let Some(read) = Effect::decode(&other) {
            assert_ne!(read, *effect);
            assert_eq!(read.encode(), other);
        }
    }
}

/// Numbers that are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Some bytes with several changes: other values, parts that go, come twice, or come from elsewhere.
    fn mutate(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..1 + self.below(4) {
            let (at, value) = (self.below(bytes.len()), self.below(256));
            let end = (at + 1 + self.below(8)).min(bytes.len());
            let from = self.below(other.len());
            let part = &other[from..(from + 1 + self.below(8)).min(other.len())];
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = u8::try_from(value).unwrap(),
                1 => drop(bytes.drain(at.min(end)..end)),
                2 => bytes = [&bytes[..end], &bytes[at.min(end)..]].concat(),
                3 => drop(bytes.splice(at.min(end)..end, part.iter().copied())),
                _ => bytes.truncate(end),
            }
        }
        bytes
    }
}

// The fuzz target `proposals` does the same, guided by coverage.
#[test]
fn mutated_proposals_and_effects_are_none_or_have_one_form_and_can_be_read_by_people() {
    let actions = crate::action::tests::golden();
    let payloads: Vec<(Kind, Vec<u8>)> =
        actions.iter().map(|(action, _)| (action.kind(), action.encode().to_vec())).collect();
    let effects: Vec<Vec<u8>> =
        [vec![effect(), identity_effect(), attributes_effect(), approval_effect()], contract_effects()]
            .concat()
            .iter()
            .map(Effect::encode)
            .collect();
    let mut draw = Draw(20_261_126);
    for _ in 0..400 {
        for (kind, payload) in &payloads {
            let (_, other) = &payloads[draw.below(payloads.len())];
            let bytes = draw.mutate(payload, other);
            match Action::decode(*kind, &bytes) {
                Ok(action) => assert_eq!((action.kind(), action.encode()), (*kind, bytes.into())),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        for sound in &effects {
            let other = effects[draw.below(effects.len())].clone();
            let bytes = draw.mutate(sound, &other);
            if let Some(effect) = Effect::decode(&bytes) {
                assert_eq!(effect.encode(), bytes);
                assert!(!effect.to_string().chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }
}

#[test]
fn people_read_who_gains_and_who_loses_what() {
    let text = effect().to_string();
    for line in [
        "  organisation bank-e\n    - \"Bank E\", active; may grant operator;",
        "    + \"Bank E\", suspended;",
        "    - of bank-e, power 10, at e:1,",
        "  committee seat of 0x0505050505050505050505050505050505050505\n    - none\n    + weight 2 for bank-e",
        "    - scope all, through height 9; basis \"Order 7\"",
        "    + emergency, scope all, for 20 blocks;",
        "    - 5 validators of power 50; 34 decide\n    + 4 validators of power 40; 27 decide",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

#[test]
fn machines_read_names() {
    let json = serde_json::to_value(effect()).unwrap();
    assert_eq!(json["kind"], "suspend-organisation");
    assert_eq!(json["changes"][0]["after"]["membership"], "suspended");
    assert_eq!(json["changes"][4]["after"]["end"]["after"], 20);
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

/// Effects on lists and contracts, one change each.
fn contract_effects() -> Vec<Effect> {
    let (contract, account) = (Address::repeat_byte(6), Address::repeat_byte(7));
    let basis = || Basis { document: B256::repeat_byte(4), reference: "Order 7".into() };
    let frozen = |end, emergency| Some(Halt::Frozen { basis: basis(), end, emergency });
    let retired = || Some(Halt::Retired { basis: basis() });
    let listed = |kind, accounts| Listed { kind, accounts };
    let halt = |before, after| Change::ContractHalt { contract, before, after };
    let administrator = |before, after| Change::ContractAdministrator { contract, before, after };
    let (before, after) = (listed(ListKind::None, vec![]), listed(ListKind::Allow, vec![contract, account]));
    let changes = vec![
        Change::DeployList { before, after },
        halt(None, frozen(End::At(9), false)),
        halt(frozen(End::Never, false), None),
        halt(frozen(End::After(20), true), retired()),
        administrator(None, Some(account)),
        administrator(Some(account), None),
    ];
    let effect = |change| Effect {
        kind: Kind::FreezeContract,
        action: B256::repeat_byte(9),
        changes: vec![change],
        quorum: None,
    };
    changes.into_iter().map(effect).collect()
}

#[test]
fn the_bytes_of_effects_on_contracts_are_golden_and_have_one_form() {
    let effects = contract_effects();
    effects.iter().for_each(check_form);
    let bytes: Vec<String> = effects.iter().map(|effect| hex::encode(effect.encode())).collect();
    let head = |length: &str| format!("{length}0150a0{}", "09".repeat(32));
    let (key, account) = (format!("94{}", "06".repeat(20)), format!("94{}", "07".repeat(20)));
    let order = format!("e9a0{}874f726465722037", "04".repeat(32));
    assert_eq!(bytes[0], format!("f85a{}f5f4078083c280c0adec01ea{key}{account}c0", head("")));
    assert_eq!(bytes[1], format!("f86f{}f849f84708{key}80afee01{order}010980c0", head("")));
    assert_eq!(bytes[2], format!("f86f{}f849f84708{key}afee01{order}80808080c0", head("")));
    assert_eq!(bytes[3], format!("f89e{}f878f87608{key}afee01{order}021401afee02{order}808080c0", head("")));
    assert_eq!(bytes[4], format!("f853{}eeed09{key}8095{account}c0", head("")));
    assert_eq!(bytes[5], format!("f853{}eeed09{key}95{account}80c0", head("")));
}

#[test]
fn people_read_what_becomes_of_contracts_and_lists() {
    let text: Vec<String> = contract_effects().iter().map(ToString::to_string).collect();
    let [contract, account] = [6, 7].map(Address::repeat_byte);
    for (text, lines) in text.iter().zip([
        format!(
            "  list of who may deploy\n    - binds nobody\n    + only those on it; with {contract}, {account}"
        ),
        format!("  contract {contract}\n    - none\n    + frozen, through height 9; basis \"Order 7\""),
        format!("  contract {contract}\n    - frozen, until it is lifted; basis \"Order 7\""),
        "    - emergency, frozen, for 20 blocks; basis".to_owned(),
        format!("  administrator of contract {contract}\n    - none\n    + {account}"),
        format!("  administrator of contract {contract}\n    - {account}\n    + none"),
    ]) {
        assert!(text.contains(&lines), "{lines:?} is not in:\n{text}");
    }
    assert!(text[3].contains("    + retired for good; basis \"Order 7\" 0x0404"), "{}", text[3]);
}

#[test]
fn machines_read_what_becomes_of_contracts() {
    let json = serde_json::to_value(contract_effects()).unwrap();
    assert_eq!(json[0]["changes"][0]["after"]["kind"], "allow");
    assert_eq!(json[1]["changes"][0]["what"], "contract-halt");
    assert_eq!(json[1]["changes"][0]["after"]["end"]["at"], 9);
    assert_eq!(json[3]["changes"][0]["after"]["state"], "retired");
}

#[test]
fn a_list_out_of_order_is_no_effect() {
    let mut effect = contract_effects().swap_remove(0);
    let Change::DeployList { after, .. } = &mut effect.changes[0] else { panic!() };
    after.accounts.reverse();
    assert_eq!(Effect::decode(&effect.encode()), None);
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

fn attributes_effect() -> Effect {
    let attributes = |rating, valid_until| Attributes {
        auditor: "Lab".into(),
        report: B256::repeat_byte(1),
        properties: vec![Property { text: "no overflow".into(), proof: B256::repeat_byte(2) }],
        rating,
        source: B256::repeat_byte(3),
        compiler: "solc".into(),
        valid_until,
    };
    let attested = |rating, valid_until| {
        Some(Attested { code: B256::repeat_byte(4), attributes: attributes(rating, valid_until) })
    };
    let contract = Address::repeat_byte(6);
    let (before, after) = (attested(20, 0), attested(90, 500));
    Effect {
        kind: Kind::SetAttributes,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Attributes { contract, before, after: after.clone() },
            Change::Attributes { contract, before: after, after: None },
        ],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_attributes_effects_are_golden_and_have_one_form() {
    let effect = attributes_effect();
    check_form(&effect);
    assert_eq!(
        effect.digest().to_string(),
        "0x4fce165e61f938a97f50e9ab628aec6d6bea637d38a4647e4b63e36c42273eab"
    );
    let word = |byte: &str| format!("a0{}", byte.repeat(32));
    let property = format!("eeed8b6e6f206f766572666c6f77{}", word("02"));
    let before = format!("834c6162{}{property}14{}84736f6c6380", word("01"), word("03"));
    let bytes = hex::encode(effect.encode());
    assert!(bytes.contains(&format!("0b94{}", "06".repeat(20))), "{bytes}");
    assert!(bytes.contains(&format!("{}f87c{before}", word("04"))), "{bytes}");
}

#[test]
fn people_and_machines_read_what_is_attested() {
    let effect = attributes_effect();
    let text = effect.to_string();
    for line in [
        "  attributes of contract 0x0606060606060606060606060606060606060606\n    - rating 20; audited by \"Lab\", report 0x0101",
        "    + rating 90; audited by \"Lab\"",
        "; proven \"no overflow\", proof 0x0202",
        " by \"solc\"; code 0x0404040404040404040404040404040404040404040404040404040404040404; for good\n",
        "; until 500 (Unix seconds)\n    + none",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    assert_eq!(json["changes"][0]["what"], "attributes");
    assert_eq!(json["changes"][0]["after"]["rating"], 90);
    assert_eq!(json["changes"][0]["after"]["properties"][0]["text"], "no overflow");
}

fn approval_effect() -> Effect {
    let (code, deployer) = (B256::repeat_byte(4), Address::repeat_byte(6));
    Effect {
        kind: Kind::DeployContract,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Approval { code, deployer, before: None, after: Some(500) },
            Change::Approval { code, deployer, before: Some(9), after: Some(0) },
            Change::ApprovalRule { before: false, after: true },
        ],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_effects_on_approvals_are_golden_and_have_one_form() {
    let effect = approval_effect();
    check_form(&effect);
    let key = format!("b4{}{}", "04".repeat(32), "06".repeat(20));
    let changes = format!("f83c0c{key}8084c38201f4f83c0c{key}82c10982c180c80d8082c18082c101");
    assert_eq!(hex::encode(effect.encode()), format!("f8ab0157a0{}f885{changes}c0", "09".repeat(32)));
}

#[test]
fn people_read_who_may_deploy_what() {
    let text = approval_effect().to_string();
    for line in [
        "  deployment of code (SHA-256) 0x0404040404040404040404040404040404040404040404040404040404040404 by 0x0606",
        "\n    - none\n    + through height 500",
        "  approval of deployments\n    - not needed\n    + needed",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
}

fn regulator_effect(before: Option<u8>, after: Option<u8>) -> Effect {
    use crate::regulator::{Mandate, Power};
    let facts = |powers: u8| RegulatorFacts {
        organisation: "bank-e".parse().unwrap(),
        mandate: Mandate {
            jurisdiction: "DE".into(),
            organisations: None,
            contracts: Some(BTreeSet::from([Address::repeat_byte(7)])),
            powers: Power::from_bits(powers).unwrap(),
            until: 500,
        },
    };
    let (identity, before, after) = (Address::repeat_byte(5), before.map(facts), after.map(facts));
    Effect {
        kind: Kind::AdmitRegulator,
        action: B256::repeat_byte(9),
        changes: vec![Change::Regulator { identity, before, after }],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_a_regulators_effect_are_golden_and_have_one_form() {
    let effect = regulator_effect(None, Some(9));
    let (key, contract) = (format!("94{}", "05".repeat(20)), format!("94{}", "07".repeat(20)));
    let after = format!("a8e78662616e6b2d65df824445c0d6d5{contract}098201f4");
    let bytes = format!("f8680138a0{}f842f84010{key}80{after}c0", "09".repeat(32));
    assert_eq!(hex::encode(effect.encode()), bytes);
    for effect in [effect, regulator_effect(Some(9), Some(1)), regulator_effect(Some(31), None)] {
        check_form(&effect);
    }
}

#[test]
fn people_and_machines_read_what_a_regulator_may() {
    let effect = regulator_effect(Some(1), Some(9));
    let text = effect.to_string();
    for line in [
        "  regulator 0x0505050505050505050505050505050505050505\n    - of bank-e, jurisdiction \"DE\", may observe;",
        "may observe, veto; organisations: all; contracts: 0x0707070707070707070707070707070707070707; through height 500",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    let change = &json["changes"][0];
    assert_eq!((&change["what"], &change["after"]["powers"][1]), (&"regulator".into(), &"veto".into()));
    assert_eq!(
        (&change["after"]["organisations"], &change["after"]["until"]),
        (&serde_json::Value::Null, &500.into())
    );
}

fn parameters_effect() -> Effect {
    let before = Parameters::of(&concordat_types::ChainParams::default());
    let after = Parameters { block_gas_limit: 60_000_000, ..before };
    let changes = vec![Change::Parameters { before, after }];
    Effect { kind: Kind::SetParameters, action: B256::repeat_byte(9), changes, quorum: None }
}

fn protocol_effect() -> Effect {
    let upgrade = Some(Upgrade { version: 2, height: 500 });
    let changes = vec![
        Change::Protocol { running: 1, before: None, after: upgrade },
        Change::Protocol { running: 1, before: upgrade, after: None },
    ];
    Effect { kind: Kind::SetProtocolVersion, action: B256::repeat_byte(9), changes, quorum: None }
}

#[test]
fn the_bytes_of_effects_on_parameters_and_versions_are_golden_and_have_one_form() {
    let old = "d2834000008411e1a3008227108201f4821388";
    let new = "d28340000084039387008227108201f4821388";
    let action = "09".repeat(32);
    let parameters = format!("f8500160a0{action}ebea208093{old}93{new}c0");
    assert_eq!(hex::encode(parameters_effect().encode()), parameters);
    let key = "880000000000000001";
    let protocol = format!("f8490161a0{action}e4d121{key}8085c4028201f4d121{key}85c4028201f480c0");
    assert_eq!(hex::encode(protocol_effect().encode()), protocol);
    check_form(&parameters_effect());
    check_form(&protocol_effect());
}

#[test]
fn people_and_machines_read_which_parameters_and_which_version_are_to_come() {
    let text = parameters_effect().to_string();
    for line in [
        "  parameters from the next block on\n    - blocks of 4194304 bytes and 300000000 gas at most, an empty one \
         after 10000 ms; clocks 500 ms apart and proposals 5000 ms on their way at most\n",
        "    + blocks of 4194304 bytes and 60000000 gas at most",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let text = protocol_effect().to_string();
    let line = "  what follows protocol version 1\n    - none\n    + version 2 from height 500 on\n";
    assert!(text.contains(line), "{text}");
    let json = serde_json::to_value([parameters_effect(), protocol_effect()]).unwrap();
    assert_eq!(json[0]["changes"][0]["what"], "parameters");
    assert_eq!(json[0]["changes"][0]["after"]["block_gas_limit"], 60_000_000);
    assert_eq!(json[1]["changes"][0]["what"], "protocol");
    assert_eq!(json[1]["changes"][0]["after"]["height"], 500);
}

fn rollback_effect() -> Effect {
    let (contract, root) = (Address::repeat_byte(6), B256::repeat_byte(3));
    let (slot, before, after) = (U256::from(258), U256::from(2), U256::ZERO);
    let transactions = vec![Reversed { height: 501, hash: B256::repeat_byte(4) }];
    let implementation = Some(Implementation { address: Address::repeat_byte(7), code: B256::repeat_byte(8) });
    Effect {
        kind: Kind::RollBack,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Code { contract, code: B256::repeat_byte(5), implementation: None },
            Change::Code { contract, code: B256::repeat_byte(5), implementation },
            Change::Slot { contract, slot, before, after },
            Change::RollBack { height: 500, root, transactions },
        ],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_rollbacks_are_golden_and_have_one_form() {
    let effect = rollback_effect();
    check_form(&effect);
    let key = format!("b4{}{}0102", "06".repeat(20), "00".repeat(30));
    let transactions = format!("e5e48201f5a0{}", "04".repeat(32));
    let back = format!("b84cf84a8201f4a0{}{transactions}", "03".repeat(32));
    let code = format!("94{}a2e1a0{}", "06".repeat(20), "05".repeat(32));
    let implementation = format!("b7f694{}a0{}", "07".repeat(20), "08".repeat(32));
    let codes = format!("f83a24{code}80f87124{code}{implementation}");
    let changes = format!("{codes}f83c1e{key}82c10282c180f8511f8080{back}");
    assert_eq!(hex::encode(effect.encode()), format!("f90168015aa0{}f90141{changes}c0", "09".repeat(32)));
}

#[test]
fn people_and_machines_read_what_is_rolled_back() {
    let effect = rollback_effect();
    let (contract, hash, code) = ("06".repeat(20), "04".repeat(32), "05".repeat(32));
    let text = effect.to_string();
    for line in [
        format!("  contract 0x{contract} runs code 0x{code}, and will\n  contract"),
        format!("and will\n    implementation 0x{}, code 0x{}\n", "07".repeat(20), "08".repeat(32)),
        format!("  slot 0x102 of contract 0x{contract}\n    - 0x2\n    + 0x0\n"),
        "  back to the state after height 500, root 0x0303".to_owned(),
        format!("\n    - transaction 0x{hash} of block 501 is reversed\n"),
    ] {
        assert!(text.contains(&line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    assert_eq!((&json["changes"][0]["what"], &json["changes"][0]["implementation"]), (&"code".into(), &serde_json::Value::Null));
    assert_eq!((&json["changes"][2]["what"], &json["changes"][2]["after"]), (&"slot".into(), &"0x0".into()));
    assert_eq!(json["changes"][3]["what"], "roll-back");
    assert_eq!(json["changes"][3]["transactions"][0]["height"], 501);
}

fn call_effects() -> Effect {
    let (contract, code) = (Address::repeat_byte(6), B256::repeat_byte(4));
    let (address, amount) = (Address::repeat_byte(7), U256::from(100));
    let before = Implementation { address, code };
    let after = Implementation { address: Address::repeat_byte(8), code: B256::repeat_byte(5) };
    let correction = Correction::ForcedTransfer { from: address, to: contract, amount };
    Effect {
        kind: Kind::UpgradeContract,
        action: B256::repeat_byte(9),
        changes: vec![
            Change::Implementation { contract, before, after },
            Change::Correction { contract, code, correction },
            Change::Migration { contract, call: Bytes::from_static(&[1, 2, 3, 4, 5]) },
        ],
        quorum: None,
    }
}

#[test]
fn the_bytes_of_upgrades_and_corrections_are_golden_and_have_one_form() {
    let effect = call_effects();
    check_form(&effect);
    let key = format!("94{}", "06".repeat(20));
    let side = |address: &str, code: &str| format!("b7f694{}a0{}", address.repeat(20), code.repeat(32));
    let upgrade = format!("f8862294{}{}{}", "06".repeat(20), side("07", "04"), side("08", "05"));
    let word = |byte: &str| format!("{}{}", "00".repeat(12), byte.repeat(20));
    let call = format!("9fc1d0e7{}{}{}64", word("07"), word("06"), "00".repeat(31));
    let correction = format!("f8a323{key}a2e1a0{}b868f866b864{call}", "04".repeat(32));
    let bytes = hex::encode(effect.encode());
    let migration = format!("de25{key}8087c6850102030405");
    assert_eq!(bytes, format!("f901730159a0{}f9014c{upgrade}{correction}{migration}c0", "09".repeat(32)));
    let other = bytes.replace("9fc1d0e7", "a9059cbb");
    assert_eq!(Effect::decode(&hex::decode(other).unwrap()), None, "a call that is no correction");
}

#[test]
fn people_and_machines_read_what_runs_and_what_is_corrected() {
    let effect = call_effects();
    let text = effect.to_string();
    for line in [
        "  implementation of proxy 0x0606060606060606060606060606060606060606\n    - 0x0707070707070707070707070707070707070707, code 0x0404",
        "\n    + 0x0808080808080808080808080808080808080808, code 0x0505",
        "  correction of contract 0x0606060606060606060606060606060606060606, code 0x0404",
        "\n    + forced transfer of 100 from 0x0707070707070707070707070707070707070707 to 0x0606060606060606060606060606060606060606\n",
        "  migration of proxy 0x0606060606060606060606060606060606060606\n    + call of 0x01020304 in 5 bytes, SHA-256 0x74f81fe1",
        "\n    + 0x0102030405\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    assert_eq!(json["changes"][0]["what"], "implementation");
    let correction = &json["changes"][1]["correction"];
    assert_eq!((&correction["call"], &correction["amount"]), (&"forcedTransfer".into(), &"0x64".into()));
}
