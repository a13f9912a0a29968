//! Parameters and protocol versions.

use super::*;

#[test]
fn parameters_lie_in_the_ranges_of_the_genesis_document() {
    let now = Parameters::of(&ChainParams::default());
    assert_eq!(Action::SetParameters(now).validate(), Ok(()));
    let least = MAX_TX_GAS;
    assert_eq!(
        refused(Action::SetParameters(Parameters { block_gas_limit: least - 1, ..now })).to_string(),
        "parameter block_gas_limit is 16777215 but must lie between 16777216 and 3000000000"
    );
    for (name, parameters) in [
        ("block_max_bytes", Parameters { block_max_bytes: 1, ..now }),
        ("block_max_bytes", Parameters { block_max_bytes: u64::MAX, ..now }),
        ("block_gas_limit", Parameters { block_gas_limit: u64::MAX, ..now }),
        ("empty_block_interval_ms", Parameters { empty_block_interval_ms: 0, ..now }),
        ("clock_precision_ms", Parameters { clock_precision_ms: 99, ..now }),
        ("message_delay_ms", Parameters { message_delay_ms: 999, ..now }),
    ] {
        let error = refused(Action::SetParameters(parameters));
        assert!(matches!(error, ActionError::Parameter(ref range) if range.name == name), "{error}");
    }
}

#[test]
fn an_upgrade_names_a_version_and_a_height_and_nothing_else() {
    for payload in ["c0", "c102", "c6028201f480", "c5028300f400", "02"] {
        let decoded = Action::decode(Kind::SetProtocolVersion, &hex::decode(payload).unwrap());
        assert_eq!(decoded, Err(ActionError::Malformed(Kind::SetProtocolVersion)), "{payload}");
    }
}
