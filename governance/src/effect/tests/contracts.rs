//! Freezes, attributes and deployments of contracts.

use super::*;

/// Effects on lists and contracts, one change each.
pub(super) fn contract_effects() -> Vec<Effect> {
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

pub(super) fn attributes_effect() -> Effect {
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

pub(super) fn approval_effect() -> Effect {
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
