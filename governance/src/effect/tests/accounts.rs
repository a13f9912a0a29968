//! Keys that are recovered, and bars.

use super::*;

pub(super) fn identity_effect() -> Effect {
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
