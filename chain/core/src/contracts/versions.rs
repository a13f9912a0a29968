//! Versions of governed proxies: which implementation is in force, which there were, and the code that runs for all
//! of that.
//!
//! What a vote decides stands in rows; the implementation that a proxy was made with is a part of its code.

use alloy_primitives::keccak256;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::SolCall as _;
use concordat_governance::facts::Implementation;
use concordat_types::{Address, B256, Bytes};

use super::{abi::IContracts as abi, proxy::first_implementation, tables};
use crate::{
    identity::Record,
    system::{GasMeter, Rows, SystemError, gas},
};

/// The most versions that one call tells.
const MAX_TOLD: u64 = 64;

/// The number of the implementation that a proxy was made with.
pub(crate) const FIRST: u64 = 1;

/// A version of a governed proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Version {
    /// Its number, from 1.
    pub number: u64,
    /// What the proxy hands its calls on to.
    pub implementation: Address,
    /// Keccak-256 of that contract's code.
    pub code: B256,
    /// The height from which on it was in force.
    pub since: u64,
    /// The proposal that decided it; zero: the proxy was made with it.
    pub proposal: u64,
    /// SHA-256 of the call that migrated the storage; zero: there was none.
    pub migration: B256,
}

impl Record for Version {
    fn to_row(&self) -> Bytes {
        alloy_rlp::encode(self).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        alloy_rlp::decode_exact(bytes).ok()
    }
}

/// What stands for the code that a contract runs, given Keccak-256 of its own: of a proxy that was given another
/// implementation by vote, the hash of both. Before that the proxy's own code says which it is.
pub(crate) fn whole_code(
    contract: Address,
    own: B256,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<B256, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let Some(version) = tables::version_in_force(rows, contract)? else { return Ok(own) };
    meter.charge(gas::ROW_READ)?;
    let code = rows.code_hash(version.implementation)?.unwrap_or_default();
    Ok(keccak256([own, code].concat()))
}

/// The implementation that a governed proxy has now; `None` for any other contract.
pub(crate) fn implementation(
    contract: Address,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Option<Implementation>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let decided = tables::version_in_force(rows, contract)?.map(|version| version.implementation);
    let address = match decided {
        None => made_with(contract, rows, meter)?,
        decided => decided,
    };
    let Some(address) = address else { return Ok(None) };
    meter.charge(gas::ROW_READ)?;
    let code = rows.code_hash(address)?.unwrap_or_default();
    Ok(Some(Implementation { address, code }))
}

/// The implementation that a governed proxy was made with. Takes its account and its code.
fn made_with(
    contract: Address,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Option<Address>, SystemError> {
    meter.charge_each(2, gas::ROW_READ)?;
    Ok(first_implementation(&rows.code(contract)?))
}

/// The answer of `implementation`, which proxies ask for with each call: one row.
pub(super) fn told(
    contract: Address,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Vec<u8>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let version = tables::version_in_force(rows, contract)?;
    let address = version.map(|version| version.implementation).unwrap_or_default();
    Ok(abi::implementationCall::abi_encode_returns(&address))
}

/// The answer of `versions`.
pub(super) fn versions(
    asked: &abi::versionsCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Vec<u8>, SystemError> {
    let contract = asked.contractAddress;
    let mut told = Vec::new();
    if let Some(first) = first_version(contract, rows, meter)? {
        meter.charge(gas::ROW_READ)?;
        let last = tables::version_in_force(rows, contract)?.map_or(FIRST, |version| version.number);
        let from = asked.from.max(FIRST);
        let end = from.saturating_add(asked.limit.min(MAX_TOLD)).min(last.saturating_add(1));
        for number in from..end {
            meter.charge(gas::ROW_READ.saturating_add(gas::LISTED))?;
            let version = if number == FIRST { first } else { tables::version(rows, contract, number)? };
            told.push(abi_version(version));
        }
    }
    Ok(abi::versionsCall::abi_encode_returns(&told))
}

/// The version that a governed proxy was made with.
fn first_version(
    contract: Address,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Option<Version>, SystemError> {
    let Some(implementation) = made_with(contract, rows, meter)? else { return Ok(None) };
    meter.charge_each(2, gas::ROW_READ)?;
    let code = rows.code_hash(implementation)?.unwrap_or_default();
    let since = tables::contract(rows, contract)?.map_or(0, |contract| contract.created);
    let migration = B256::ZERO;
    Ok(Some(Version { number: FIRST, implementation, code, since, proposal: 0, migration }))
}

const fn abi_version(version: Version) -> abi::Version {
    let Version { number, implementation, code, since, proposal, migration } = version;
    abi::Version { number, implementation, codeHash: code, since, proposalId: proposal, migration }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn rows_of_versions_are_golden() {
        let (implementation, code) = (Address::repeat_byte(7), B256::repeat_byte(4));
        let migration = B256::repeat_byte(5);
        let version = Version { number: 2, implementation, code, since: 500, proposal: 9, migration };
        let golden = format!("f85c0294{}a0{}8201f409a0{}", "07".repeat(20), "04".repeat(32), "05".repeat(32));
        assert_eq!(hex::encode(version.to_row()), golden);
        assert_eq!(Version::from_row(&version.to_row()), Some(version));
        assert_eq!(Version::from_row(&[0xc0]), None);
    }
}
