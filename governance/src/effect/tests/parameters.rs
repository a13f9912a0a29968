//! Parameters and protocol versions.

use super::*;

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
