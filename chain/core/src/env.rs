//! What surrounds a block's transactions, and which rules apply under which protocol version.

use std::sync::Arc;

pub use concordat_types::MAX_TX_GAS;
use concordat_types::{Address, B256, ChainParams, U256, validator::ConsensusAddress};
use revm::{
    context::{BlockEnv as EvmBlock, CfgEnv},
    context_interface::cfg::GasParams,
    primitives::hardfork::SpecId,
};

/// The surroundings of a block, the same on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnv {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The block's height: the EVM's `NUMBER`.
    pub height: u64,
    /// The block's time in Unix seconds: the EVM's `TIMESTAMP`, and the time that certificates are judged at.
    pub time_secs: u64,
    /// The block's parameters. Its header says the protocol version in `version.app`.
    pub params: ChainParams,
    /// The validators that the commits in the three blocks before this one show, sorted: changes of validators
    /// depend on them. `None` where this node cannot know, since it joined from a snapshot after those blocks or
    /// does not execute this one; then such a change has no verdict here.
    pub recent_signers: Option<Arc<[ConsensusAddress]>>,
}

/// The environment is none that this program can execute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The chain has moved on to rules that this program does not know.
    #[error(
        "protocol version {have} is unknown to this program, which knows 1 to {known}; install a newer one"
    )]
    UnknownProtocolVersion {
        /// The version asked for.
        have: u64,
        /// The highest that is known.
        known: u64,
    },
}

/// What a protocol version says of the EVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EvmRules {
    /// Instructions, their gas, and precompiles.
    pub(crate) spec: SpecId,
    /// The largest code of a contract, in bytes.
    max_code_bytes: usize,
    /// The largest init code of a creation, in bytes.
    pub(crate) max_init_code_bytes: usize,
}

/// Osaka, with the limits of EIP-170 and EIP-3860.
const OSAKA: EvmRules = EvmRules { spec: SpecId::OSAKA, max_code_bytes: 24_576, max_init_code_bytes: 49_152 };

/// Osaka with larger contracts, in the limits of EIP-7954.
const LARGER_CONTRACTS: EvmRules = EvmRules { max_code_bytes: 65_536, max_init_code_bytes: 131_072, ..OSAKA };

/// The rules of all protocol versions, from 1 on. What a version says never changes.
const VERSIONS: &[EvmRules] = &[OSAKA, LARGER_CONTRACTS];

/// The highest protocol version that this program knows.
pub const fn known_protocol_version() -> u64 {
    last_of(VERSIONS)
}

const fn last_of(versions: &[EvmRules]) -> u64 {
    // A handful.
    versions.len() as u64
}

/// The largest code of a contract and the largest init code of a creation under a protocol version, in bytes.
///
/// # Errors
/// [`EnvError::UnknownProtocolVersion`].
pub fn code_limits(protocol_version: u64) -> Result<(usize, usize), EnvError> {
    evm_rules(protocol_version).map(|rules| (rules.max_code_bytes, rules.max_init_code_bytes))
}

/// The EVM's rules under a protocol version.
pub(crate) fn evm_rules(protocol_version: u64) -> Result<EvmRules, EnvError> {
    rules_among(VERSIONS, protocol_version)
}

fn rules_among(versions: &[EvmRules], have: u64) -> Result<EvmRules, EnvError> {
    let place = have.checked_sub(1).and_then(|place| usize::try_from(place).ok());
    let rules = place.and_then(|place| versions.get(place)).copied();
    rules.ok_or(EnvError::UnknownProtocolVersion { have, known: last_of(versions) })
}

/// What a transaction's form is held against.
#[derive(Clone, Debug)]
pub(crate) struct TxRules {
    /// What its bytes cost.
    pub(crate) gas: GasParams,
    /// The largest init code of a creation, in bytes.
    pub(crate) max_init_code_bytes: usize,
}

impl BlockEnv {
    /// The EVM's configuration for transactions of blocks.
    pub(crate) fn evm_config(&self) -> Result<CfgEnv, EnvError> {
        let rules = evm_rules(self.params.protocol_version)?;
        let mut config = CfgEnv::new_with_spec(rules.spec);
        config.chain_id = self.chain_id;
        config.tx_gas_limit_cap = Some(MAX_TX_GAS);
        config.limit_contract_code_size = Some(rules.max_code_bytes);
        config.limit_contract_initcode_size = Some(rules.max_init_code_bytes);
        Ok(config)
    }

    /// What forms of transactions are held against.
    pub(crate) fn tx_rules(&self) -> Result<TxRules, EnvError> {
        let rules = evm_rules(self.params.protocol_version)?;
        let gas = GasParams::new_spec(rules.spec);
        Ok(TxRules { gas, max_init_code_bytes: rules.max_init_code_bytes })
    }

    /// The EVM's view of this block. There are no fees, so nobody is the coinbase; there is no randomness
    /// that a proposer could not choose, so `PREVRANDAO` is zero.
    pub(crate) fn evm_block(&self) -> EvmBlock {
        EvmBlock {
            number: U256::from(self.height),
            beneficiary: Address::ZERO,
            timestamp: U256::from(self.time_secs),
            gas_limit: self.params.block_gas_limit,
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
        assert_eq!(known_protocol_version(), 2);
        assert_eq!((evm_rules(1), evm_rules(2)), (Ok(OSAKA), Ok(LARGER_CONTRACTS)));
        for have in [0, 3, u64::MAX] {
            assert_eq!(evm_rules(have), Err(EnvError::UnknownProtocolVersion { have, known: 2 }));
        }
    }

    #[test]
    fn a_program_of_yesterday_does_not_know_the_rules_of_today() {
        let yesterday = &VERSIONS[..1];
        assert_eq!(rules_among(yesterday, 1), Ok(OSAKA));
        let error = rules_among(yesterday, 2).unwrap_err();
        assert_eq!(error, EnvError::UnknownProtocolVersion { have: 2, known: 1 });
        assert_eq!(
            error.to_string(),
            "protocol version 2 is unknown to this program, which knows 1 to 1; install a newer one"
        );
    }
}
