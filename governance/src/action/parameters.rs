//! The chain's parameters, as far as the committee sets them one by one.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::ChainParams;
use serde::Serialize;

use super::ActionError;

/// All parameters but the protocol version, which changes in a way of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct Parameters {
    /// Largest encoded block, in bytes.
    pub block_max_bytes: u64,
    /// Gas of all transactions of a block together.
    pub block_gas_limit: u64,
    /// With nothing to do, a block is made this often, in milliseconds.
    pub empty_block_interval_ms: u64,
    /// How far the clocks of two correct nodes may differ, in milliseconds.
    pub clock_precision_ms: u64,
    /// How long a proposal may travel, in milliseconds.
    pub message_delay_ms: u64,
}

impl Parameters {
    /// Those among all of a chain's.
    pub const fn of(params: &ChainParams) -> Self {
        let ChainParams {
            block_max_bytes,
            block_gas_limit,
            empty_block_interval_ms,
            clock_precision_ms,
            message_delay_ms,
            ..
        } = *params;
        Self {
            block_max_bytes,
            block_gas_limit,
            empty_block_interval_ms,
            clock_precision_ms,
            message_delay_ms,
        }
    }

    /// All of a chain's that runs a protocol version.
    pub const fn with_version(self, protocol_version: u64) -> ChainParams {
        let Self {
            block_max_bytes,
            block_gas_limit,
            empty_block_interval_ms,
            clock_precision_ms,
            message_delay_ms,
        } = self;
        ChainParams {
            protocol_version,
            block_max_bytes,
            block_gas_limit,
            empty_block_interval_ms,
            clock_precision_ms,
            message_delay_ms,
        }
    }

    /// The ranges are those of the genesis document.
    pub(super) fn validate(self) -> Result<(), ActionError> {
        Ok(self.with_version(1).check()?)
    }
}
