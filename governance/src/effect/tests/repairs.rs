//! Rollbacks, upgrades and corrections.

use super::*;

fn rollback_effect() -> Effect {
    let (contract, root) = (Address::repeat_byte(6), B256::repeat_byte(3));
    let (slot, before, after) = (U256::from(258), U256::from(2), U256::ZERO);
    let transactions = vec![Reversed { height: 501, hash: B256::repeat_byte(4) }];
    let implementation =
        Some(Implementation { address: Address::repeat_byte(7), code: B256::repeat_byte(8) });
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
    assert_eq!(hex::encode(effect.encode()), format!("f90167015aa0{}f90140{changes}c0", "09".repeat(32)));
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
    assert_eq!(json["changes"][0]["what"], "code");
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
            Change::Migration { contract, code: after.code, call: Bytes::from_static(&[1, 2, 3, 4, 5]) },
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
    let migration = format!("f84125{key}a2e1a0{}87c6850102030405", "05".repeat(32));
    let changes = format!("{upgrade}{correction}{migration}");
    assert_eq!(bytes, format!("f901970159a0{}f90170{changes}c0", "09".repeat(32)));
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
        "  migration of proxy 0x0606060606060606060606060606060606060606, code 0x0505",
        "\n    + call of 0x01020304 in 5 bytes, SHA-256 0x74f81fe1",
        "\n    + 0x0102030405\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let json = serde_json::to_value(&effect).unwrap();
    assert_eq!(json["changes"][0]["what"], "implementation");
    let correction = &json["changes"][1]["correction"];
    assert_eq!((&correction["call"], &correction["amount"]), (&"forcedTransfer".into(), &"0x64".into()));
}
