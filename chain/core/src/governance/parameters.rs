//! The chain's parameters and its protocol version: what the committee set, and otherwise the genesis document's.
//!
//! What a block decides about them holds from the next one on, as in CometBFT. Which version runs follows from one row
//! and a height, so that nobody has to act when an upgrade begins.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::SolEvent as _;
use concordat_governance::{
    action::Parameters,
    facts::{ProtocolFacts, Upgrade},
    upgrade::{self, Announcement},
};
use concordat_types::{Address, Bytes, ChainParams, OrgId, ReadError, StateReader};

use super::{abi::IGovernance as abi, facts::ChainFacts, stop, tables};
use crate::{
    identity::{ReaderRows, Record, tables::read},
    system::{Effects, Reply, Rows, SystemError},
};

/// What holds in a block, and what is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The parameters of the block.
    pub params: ChainParams,
    /// The protocol version that is to come after it.
    pub upgrade: Option<Upgrade>,
}

/// What holds in the block at `height`, if `reader` is the state before it and `genesis` the genesis document's
/// parameters: they hold for as long as the committee has set none.
pub fn in_force<R: StateReader>(reader: R, genesis: &ChainParams, height: u64) -> Result<InForce, ReadError> {
    at(&mut ReaderRows(&reader), genesis, height)
}

/// The same over rows. Where they name none, the parameters of any block so far are the genesis document's.
pub(crate) fn at(rows: &mut impl Rows, otherwise: &ChainParams, height: u64) -> Result<InForce, ReadError> {
    let parameters = parameters(rows, otherwise)?;
    let ProtocolFacts { running, upgrade } = protocol(rows, otherwise, height)?;
    Ok(InForce { params: parameters.with_version(running), upgrade })
}

/// The parameters that the next block has.
pub(crate) fn parameters(rows: &mut impl Rows, otherwise: &ChainParams) -> Result<Parameters, ReadError> {
    Ok(read(rows, &tables::parameters_key())?.unwrap_or(Parameters::of(otherwise)))
}

/// Which protocol version runs at a height, and what is to come after it.
pub(crate) fn protocol(
    rows: &mut impl Rows,
    otherwise: &ChainParams,
    height: u64,
) -> Result<ProtocolFacts, ReadError> {
    let schedule: Option<Schedule> = read(rows, &tables::protocol_key())?;
    let running = otherwise.protocol_version;
    Ok(schedule.map_or(ProtocolFacts { running, upgrade: None }, |schedule| schedule.at(height)))
}

/// What the committee has decided about protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The version that ran when it was decided.
    pub(crate) running: u64,
    /// What follows it.
    pub(crate) upgrade: Option<Upgrade>,
}

impl Schedule {
    fn at(self, height: u64) -> ProtocolFacts {
        match self.upgrade {
            Some(begun) if begun.height <= height => ProtocolFacts { running: begun.version, upgrade: None },
            upgrade => ProtocolFacts { running: self.running, upgrade },
        }
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct ScheduleRow {
    running: u64,
    upgrade: Vec<Upgrade>,
}

impl Record for Schedule {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(ScheduleRow { running: self.running, upgrade: self.upgrade.into_iter().collect() })
            .into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let ScheduleRow { running, upgrade } = alloy_rlp::decode_exact(bytes).ok()?;
        let upgrade = match *upgrade.as_slice() {
            [] => None,
            [upgrade] => Some(upgrade),
            _ => return None,
        };
        Some(Self { running, upgrade })
    }
}

impl Record for Parameters {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        alloy_rlp::decode_exact(bytes).ok()
    }
}

/// The highest version that an organisation has announced; zero if it has said nothing.
pub(crate) fn announced(rows: &mut impl Rows, organisation: &OrgId) -> Result<u64, ReadError> {
    Ok(read(rows, &tables::announced_key(organisation))?.unwrap_or_default())
}

/// The parameters are others from the next block on.
pub(super) fn set(after: &Parameters, proposal: u64, effects: &mut Effects) {
    effects.writes.push((tables::parameters_key(), Some(after.to_row())));
    let Parameters {
        block_max_bytes,
        block_gas_limit,
        empty_block_interval_ms,
        clock_precision_ms,
        message_delay_ms,
    } = *after;
    let log = abi::ParametersChanged {
        blockMaxBytes: block_max_bytes,
        blockGasLimit: block_gas_limit,
        emptyBlockIntervalMs: empty_block_interval_ms,
        clockPrecisionMs: clock_precision_ms,
        messageDelayMs: message_delay_ms,
        proposalId: proposal,
    };
    effects.logs.push(log.encode_log_data());
}

/// Another protocol version is to come, or none.
pub(super) fn schedule(schedule: Schedule, proposal: u64, effects: &mut Effects) {
    effects.writes.push((tables::protocol_key(), Some(schedule.to_row())));
    let Schedule { running, upgrade } = schedule;
    let Upgrade { version, height } = upgrade.unwrap_or(Upgrade { version: running, height: 0 });
    let log = abi::ProtocolVersionScheduled { version, height, proposalId: proposal };
    effects.logs.push(log.encode_log_data());
}

/// Keeps what an organisation says of its nodes' program.
pub(super) fn announce<R: Rows>(
    facts: &mut ChainFacts<'_, R>,
    sender: Address,
    version: u64,
) -> Result<Reply, SystemError> {
    let announced = upgrade::decide_announcement(facts, sender, version).map_err(stop)?;
    let Announcement { organisation, version } = announced;
    let key = tables::announced_key(&organisation);
    let log = abi::VersionAnnounced { organisation: organisation.to_string(), version };
    let effects = Effects {
        writes: vec![(key, Some(version.to_row()))],
        logs: vec![log.encode_log_data()],
        events: Vec::new(),
    };
    Ok(Reply { output: Bytes::new(), effects: Some(effects) })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn parameters_and_schedules_are_golden_and_have_one_form() {
        let parameters = Parameters::of(&ChainParams::default());
        assert_eq!(hex::encode(parameters.to_row()), "d2834000008411e1a3008227108201f4821388");
        assert_eq!(Parameters::from_row(&parameters.to_row()), Some(parameters));
        let upgrade = Upgrade { version: 2, height: 500 };
        for (upgrade, golden) in [(None, "c201c0"), (Some(upgrade), "c701c5c4028201f4")] {
            let schedule = Schedule { running: 1, upgrade };
            assert_eq!(hex::encode(schedule.to_row()), golden);
            assert_eq!(Schedule::from_row(&schedule.to_row()), Some(schedule));
        }
        for bytes in ["cc01cac4028201f4c4028201f4", "c101", "c20001"] {
            assert_eq!(Schedule::from_row(&hex::decode(bytes).unwrap()), None, "{bytes}");
        }
    }

    #[test]
    fn upgrade_runs_from_its_height_on() {
        let upgrade = Some(Upgrade { version: 2, height: 500 });
        let schedule = Schedule { running: 1, upgrade };
        assert_eq!(schedule.at(499), ProtocolFacts { running: 1, upgrade });
        for height in [500, 501, u64::MAX] {
            assert_eq!(schedule.at(height), ProtocolFacts { running: 2, upgrade: None });
        }
    }
}
