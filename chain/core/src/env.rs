//! What surrounds a block's transactions, and which rules apply under which protocol version.

use std::sync::Arc;

use concordat_types::{Address, B256, U256, validator::ConsensusAddress};
use revm::{
    context::{BlockEnv as EvmBlock, CfgEnv},
    primitives::hardfork::SpecId,
};

/// The most gas that one transaction may ask for (EIP-7825).
pub const MAX_TX_GAS: u64 = 1 << 24;

/// The largest init code of a creation, in bytes (EIP-3860).
pub const MAX_INIT_CODE_BYTES: usize = 2 * 24_576;

/// The surroundings of a block, the same on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnv {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The block's height: the EVM's `NUMBER`.
    pub height: u64,
    /// The block's time in Unix seconds: the EVM's `TIMESTAMP`, and the time that certificates are judged at.
    pub time_secs: u64,
    /// Gas of all the block's transactions together.
    pub gas_limit: u64,
    /// Version of the execution rules, from the header's `version.app`.
    pub protocol_version: u64,
    /// The validators that the commits in the three blocks before this one show, sorted: changes of validators
    /// depend on them. `None` where this node cannot know, since it joined from a snapshot after those blocks or
    /// does not execute this one; then such a change has no verdict here.
    pub recent_signers: Option<Arc<[ConsensusAddress]>>,
}

/// The environment is none that this program can execute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The chain has moved on to rules that this program does not know.
    #[error("protocol version {have} is unknown to this program, which knows 1; update it")]
    UnknownProtocolVersion {
        /// The version asked for.
        have: u64,
    },
}

/// The EVM rules of a protocol version.
pub(crate) const fn evm_rules(protocol_version: u64) -> Result<SpecId, EnvError> {
    match protocol_version {
        1 => Ok(SpecId::OSAKA),
        have => Err(EnvError::UnknownProtocolVersion { have }),
    }
}

impl BlockEnv {
    /// The EVM's configuration for transactions of blocks.
    pub(crate) fn evm_config(&self) -> Result<CfgEnv, EnvError> {
        let mut config = CfgEnv::new_with_spec(evm_rules(self.protocol_version)?);
        config.chain_id = self.chain_id;
        config.tx_gas_limit_cap = Some(MAX_TX_GAS);
        Ok(config)
    }

    /// The EVM's view of this block. There are no fees, so nobody is the coinbase; there is no randomness
    /// that a proposer could not choose, so `PREVRANDAO` is zero.
    pub(crate) fn evm_block(&self) -> EvmBlock {
        EvmBlock {
            number: U256::from(self.height),
            beneficiary: Address::ZERO,
            timestamp: U256::from(self.time_secs),
            gas_limit: self.gas_limit,
            basefee: 0,
            difficulty: U256::ZERO,
            prevrandao: Some(B256::ZERO),
            ..EvmBlock::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_version_has_its_rules_and_unknown_ones_have_none() {
        assert_eq!(evm_rules(1), Ok(SpecId::OSAKA));
        for have in [0, 2, u64::MAX] {
            assert_eq!(evm_rules(have), Err(EnvError::UnknownProtocolVersion { have }));
        }
    }
}
