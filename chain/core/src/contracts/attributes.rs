//! What is attested of contracts, and whether it holds: contracts ask it of each other during execution.

use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::{SolCall as _, SolValue as _};
use concordat_governance::{action::Attributes, facts::Attested};
use concordat_types::{Address, B256, Bytes};

use super::{abi::IContracts as abi, tables, versions::whole_code};
use crate::{
    identity::Record,
    system::{GasMeter, Rows, SystemCall, SystemError, gas},
};

/// What an earlier proposal attested of a contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContractAttributes {
    /// What, and of which code.
    pub attested: Attested,
    /// The height at which that was decided.
    pub since: u64,
    /// The proposal that decided it.
    pub proposal: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct AttributesRow {
    code: B256,
    attributes: Attributes,
    since: u64,
    proposal: u64,
}

impl Record for ContractAttributes {
    fn to_row(&self) -> Bytes {
        let Self { attested: Attested { code, attributes }, since, proposal } = self.clone();
        alloy_rlp::encode(AttributesRow { code, attributes, since, proposal }).into()
    }

    fn from_row(bytes: &[u8]) -> Option<Self> {
        let AttributesRow { code, attributes, since, proposal } = alloy_rlp::decode_exact(bytes).ok()?;
        Some(Self { attested: Attested { code, attributes }, since, proposal })
    }
}

/// What is attested of a contract, and whether it holds: at the block's time, and of the code that is there. Where
/// nothing is attested, the contract itself is not looked at.
fn standing(
    address: Address,
    call: &SystemCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Option<(ContractAttributes, bool)>, SystemError> {
    meter.charge(gas::ROW_READ)?;
    let Some(known) = tables::attributes(rows, address)? else { return Ok(None) };
    meter.charge(gas::ROW_READ)?;
    let same = match rows.code_hash(address)? {
        None => false,
        Some(own) => whole_code(address, own, rows, meter)? == known.attested.code,
    };
    let holds = same && known.attested.attributes.holds(call.time_secs);
    Ok(Some((known, holds)))
}

/// The answer of `rating`: zero where nothing is attested that holds.
pub(super) fn rating(
    address: Address,
    call: &SystemCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Vec<u8>, SystemError> {
    let rating = match standing(address, call, rows, meter)? {
        Some((known, true)) => known.attested.attributes.rating,
        _ => 0,
    };
    Ok(abi::ratingCall::abi_encode_returns(&rating))
}

/// The answer of `attributes`.
pub(super) fn attributes(
    address: Address,
    call: &SystemCall,
    rows: &mut impl Rows,
    meter: &mut GasMeter,
) -> Result<Vec<u8>, SystemError> {
    let (known, holds) = standing(address, call, rows, meter)?.unwrap_or_default();
    let ContractAttributes { attested: Attested { code, attributes }, since, proposal } = known;
    meter.charge_each(attributes.properties.len(), gas::LISTED)?;
    let properties = attributes.properties.into_iter();
    let properties =
        properties.map(|property| abi::Property { text: property.text, proof: property.proof }).collect();
    let told = abi::Attributes {
        holds,
        codeHash: code,
        auditor: attributes.auditor,
        report: attributes.report,
        properties,
        rating: attributes.rating,
        source: attributes.source,
        compiler: attributes.compiler,
        validUntil: attributes.valid_until,
        since,
        proposalId: proposal,
    };
    Ok(told.abi_encode())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use concordat_governance::action::Property;

    use super::*;

    #[test]
    fn rows_of_attributes_are_golden() {
        let attributes = Attributes {
            auditor: "Lab".into(),
            report: B256::repeat_byte(1),
            properties: vec![Property { text: "no overflow".into(), proof: B256::repeat_byte(2) }],
            rating: 90,
            source: B256::repeat_byte(3),
            compiler: "solc".into(),
            valid_until: 500,
        };
        let attested = Attested { code: B256::repeat_byte(4), attributes };
        let known = ContractAttributes { attested, since: 7, proposal: 2 };
        let word = |byte: &str| format!("a0{}", byte.repeat(32));
        let property = format!("eeed8b6e6f206f766572666c6f77{}", word("02"));
        let fields = format!("834c6162{}{property}5a{}84736f6c638201f4", word("01"), word("03"));
        let golden = format!("f8a3{}f87e{fields}0702", word("04"));
        assert_eq!(hex::encode(known.to_row()), golden);
        assert_eq!(ContractAttributes::from_row(&known.to_row()), Some(known));
        assert_eq!(ContractAttributes::from_row(&[0xc0]), None);
    }
}
