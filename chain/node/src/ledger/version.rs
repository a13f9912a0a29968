//! Whether this program knows the protocol version that runs, and the one that is to come.

use concordat_core::governance::InForce;

use super::LedgerError;

/// Whether this program can execute the block at `height`, in which `next` holds. It never does so by other rules.
pub(super) fn check(next: &InForce, height: u64, known: u64) -> Result<(), LedgerError> {
    let version = next.params.protocol_version;
    if version <= known { Ok(()) } else { Err(LedgerError::UnknownVersion { height, version, known }) }
}

/// Tells the log of an upgrade that is to come: as an error where this program will stop at it.
pub(super) fn tell(next: &InForce, known: u64) {
    let Some(upgrade) = next.upgrade else { return };
    let (version, height) = (upgrade.version, upgrade.height);
    if version <= known {
        tracing::info!(version, height, "a protocol version is to come, which this program knows");
    } else {
        tracing::error!(
            version,
            height,
            known,
            "a protocol version is to come that this program does not know: it stops at that height. Install a \
             newer program before"
        );
    }
}

#[cfg(test)]
mod tests {
    use concordat_core::governance::Upgrade;
    use concordat_types::ChainParams;

    use super::*;

    #[test]
    fn a_program_stops_where_the_first_block_of_an_unknown_version_would_be() {
        let params = |protocol_version| ChainParams { protocol_version, ..ChainParams::default() };
        let upgrade = Some(Upgrade { version: 3, height: 500 });
        assert!(check(&InForce { params: params(2), upgrade }, 499, 2).is_ok());
        let error = check(&InForce { params: params(3), upgrade: None }, 500, 2).unwrap_err();
        assert_eq!(error.kind(), Some("protocol_version"));
        assert_eq!(
            error.to_string(),
            "from height 500 on this chain runs protocol version 3, and this program knows 1 to 2; nothing of that \
             block was done. Install a newer program and start the node again"
        );
    }
}
