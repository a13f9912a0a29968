//! Regulators: what each may do, where, and until when. Nobody becomes one, or is the last one to go, without its own
//! consent.

use std::{collections::BTreeSet, fmt, str::FromStr};

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::OrgId;
use serde::{Serialize, Serializer};

use crate::{
    action::{ActionError, check_text},
    wire,
};

/// The longest name of a jurisdiction, in bytes.
pub const MAX_JURISDICTION_BYTES: usize = 64;

/// The most organisations and contracts that a mandate names together.
pub const MAX_COVERED: usize = 100;

/// The most regulators there can be: each veto reads them all.
pub const MAX_REGULATORS: usize = 32;

/// What a regulator may do. The bits are stored in the authenticated state and never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Power {
    /// To be shown what it supervises.
    Observe = 1,
    /// To freeze accounts.
    FreezeAccounts = 2,
    /// To freeze contracts.
    FreezeContracts = 4,
    /// To forbid proposals, where the rule of their kind allows it.
    Veto = 8,
    /// To demand that something is corrected.
    DemandCorrection = 16,
}

impl Power {
    /// Every power, in the order of its bit.
    pub const ALL: [Power; 5] =
        [Power::Observe, Power::FreezeAccounts, Power::FreezeContracts, Power::Veto, Power::DemandCorrection];

    /// Its bit.
    pub const fn bit(self) -> u8 {
        self as u8
    }

    /// Its name in commands, documents and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Power::Observe => "observe",
            Power::FreezeAccounts => "freeze-accounts",
            Power::FreezeContracts => "freeze-contracts",
            Power::Veto => "veto",
            Power::DemandCorrection => "demand-correction",
        }
    }

    /// The bits of several.
    pub fn bits(powers: &BTreeSet<Power>) -> u8 {
        powers.iter().fold(0, |bits, power| bits | power.bit())
    }

    /// The powers with these bits; `None` if one is unknown.
    pub fn from_bits(bits: u8) -> Option<BTreeSet<Power>> {
        let powers: BTreeSet<Power> = Self::ALL.into_iter().filter(|power| bits & power.bit() != 0).collect();
        (Self::bits(&powers) == bits).then_some(powers)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Power {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|power| power.name() == text);
        let names = || Self::ALL.map(Power::name).join(", ");
        named.ok_or_else(|| format!("{text:?} is no power of a regulator; powers are {}", names()))
    }
}

impl Serialize for Power {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a regulator may do, where, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mandate {
    /// For which law it stands, 1 to [`MAX_JURISDICTION_BYTES`].
    pub jurisdiction: String,
    /// The organisations that it supervises; `None`: all.
    pub organisations: Option<BTreeSet<OrgId>>,
    /// The contracts that it supervises; `None`: all.
    pub contracts: Option<BTreeSet<Address>>,
    /// What it may do.
    pub powers: BTreeSet<Power>,
    /// The last height at which it holds; zero: until it is retired.
    pub until: u64,
}

impl Mandate {
    /// Whether it holds at a height.
    pub const fn holds(&self, height: u64) -> bool {
        self.until == 0 || height <= self.until
    }

    /// Whether it gives a power at a height.
    pub fn gives(&self, power: Power, height: u64) -> bool {
        self.holds(height) && self.powers.contains(&power)
    }

    /// Checks everything that needs no state.
    pub fn validate(&self) -> Result<(), ActionError> {
        check_text("the jurisdiction", &self.jurisdiction, MAX_JURISDICTION_BYTES)?;
        if self.powers.is_empty() {
            return Err(ActionError::NoPowerOfRegulator);
        }
        let organisations = self.organisations.as_ref().map(BTreeSet::len);
        let contracts = self.contracts.as_ref().map(BTreeSet::len);
        if (organisations, contracts) == (Some(0), Some(0)) {
            return Err(ActionError::CoversNothing);
        }
        let have = organisations.unwrap_or(0).saturating_add(contracts.unwrap_or(0));
        if have > MAX_COVERED { Err(ActionError::CoversTooMuch { have }) } else { Ok(()) }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mandate: Self = wire::decode(bytes)?;
        // One form only: what is listed stands in order, each once.
        (mandate.encode() == bytes).then_some(mandate)
    }
}

/// A regulator's entry in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, RlpEncodable, RlpDecodable)]
pub struct RegulatorFacts {
    /// The organisation that vouches for it.
    pub organisation: OrgId,
    /// What it may do, where, and until when.
    #[serde(flatten)]
    pub mandate: Mandate,
}

/// A regulator's word that it agrees to what a proposal does to its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Consent {
    /// The account that gave it.
    pub account: Address,
    /// The effect to which it agrees.
    pub digest: B256,
    /// At which height.
    pub height: u64,
}

impl Consent {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes)
    }
}

/// A mandate as it is kept. Each list stands in a list: none is all, one is those that it names.
#[derive(RlpEncodable, RlpDecodable)]
struct MandateRow {
    jurisdiction: String,
    organisations: Vec<Vec<OrgId>>,
    contracts: Vec<Vec<Address>>,
    powers: u8,
    until: u64,
}

impl From<&Mandate> for MandateRow {
    fn from(mandate: &Mandate) -> Self {
        let Mandate { jurisdiction, organisations, contracts, powers, until } = mandate;
        Self {
            jurisdiction: jurisdiction.clone(),
            organisations: organisations.iter().map(|all| all.iter().cloned().collect()).collect(),
            contracts: contracts.iter().map(|all| all.iter().copied().collect()).collect(),
            powers: Power::bits(powers),
            until: *until,
        }
    }
}

impl MandateRow {
    /// The mandate; whoever reads it checks that its bytes were these.
    fn mandate(self) -> Option<Mandate> {
        let Self { jurisdiction, organisations, contracts, powers, until } = self;
        let organisations = named(organisations)?.map(BTreeSet::from_iter);
        let contracts = named(contracts)?.map(BTreeSet::from_iter);
        Some(Mandate { jurisdiction, organisations, contracts, powers: Power::from_bits(powers)?, until })
    }
}

wire::by_row!(Mandate, MandateRow, MandateRow::mandate);

/// What is named; `Some(None)` for all, `None` for what is no form of either.
fn named<T>(lists: Vec<Vec<T>>) -> Option<Option<Vec<T>>> {
    let mut lists = lists.into_iter();
    let first = lists.next();
    lists.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mandate() -> Mandate {
        Mandate {
            jurisdiction: "DE".into(),
            organisations: Some(BTreeSet::from(["bank-a".parse().unwrap(), "bank-b".parse().unwrap()])),
            contracts: None,
            powers: BTreeSet::from([Power::Observe, Power::Veto]),
            until: 500,
        }
    }

    #[test]
    fn powers_survive_their_bits_and_names() {
        for power in Power::ALL {
            assert_eq!(Power::from_bits(power.bit()), Some(BTreeSet::from([power])));
            assert_eq!(power.to_string().parse(), Ok(power));
        }
        assert_eq!(Power::from_bits(31).map(|all| all.len()), Some(5));
        assert_eq!((Power::from_bits(32), Power::from_bits(0)), (None, Some(BTreeSet::new())));
        assert!("rule".parse::<Power>().unwrap_err().contains("observe, freeze-accounts"));
    }

    #[test]
    fn mandates_and_consents_are_golden_and_have_one_form() {
        let bytes = mandate().encode();
        assert_eq!(hex::encode(&bytes), "d8824445cfce8662616e6b2d618662616e6b2d62c0098201f4");
        assert_eq!(Mandate::decode(&bytes), Some(mandate()));
        let swapped = "d8824445cfce8662616e6b2d628662616e6b2d61c0098201f4";
        assert_eq!(Mandate::decode(&hex::decode(swapped).unwrap()), None, "out of order");
        assert_eq!(Mandate::decode(&hex::decode("c8824445c2c0c0c00980").unwrap()), None, "two lists");
        let none = Mandate { organisations: Some(BTreeSet::new()), ..mandate() };
        assert_eq!(Mandate::decode(&none.encode()), Some(none.clone()), "none is not all");
        assert_ne!(none.encode(), Mandate { organisations: None, ..mandate() }.encode());
        let consent = Consent { account: Address::repeat_byte(7), digest: B256::repeat_byte(3), height: 9 };
        let golden = format!("f794{}a0{}09", "07".repeat(20), "03".repeat(32));
        assert_eq!(hex::encode(consent.encode()), golden);
        assert_eq!(Consent::decode(&consent.encode()), Some(consent));
        assert_eq!(Consent::decode(&[0xc0]), None);
    }

    #[test]
    fn a_mandate_says_where_what_and_for_which_law() {
        assert_eq!(mandate().validate(), Ok(()));
        for jurisdiction in ["", " DE", "D\nE", &"x".repeat(MAX_JURISDICTION_BYTES + 1)] {
            assert!(Mandate { jurisdiction: jurisdiction.into(), ..mandate() }.validate().is_err());
        }
        let idle = Mandate { powers: BTreeSet::new(), ..mandate() };
        assert_eq!(idle.validate(), Err(ActionError::NoPowerOfRegulator));
        let none = Mandate { organisations: Some(BTreeSet::new()), contracts: None, ..mandate() };
        assert_eq!(none.validate(), Ok(()), "all contracts, no organisation");
        let nothing = Mandate { contracts: Some(BTreeSet::new()), ..none };
        assert_eq!(nothing.validate(), Err(ActionError::CoversNothing));
        let contracts = |count: u8| Some((0..count).map(Address::repeat_byte).collect());
        assert_eq!(Mandate { contracts: contracts(98), ..mandate() }.validate(), Ok(()));
        let most = Mandate { contracts: contracts(99), ..mandate() };
        assert_eq!(most.validate(), Err(ActionError::CoversTooMuch { have: 101 }));
    }

    #[test]
    fn a_mandate_gives_its_powers_through_its_last_height() {
        assert!(mandate().gives(Power::Veto, 500) && !mandate().gives(Power::Veto, 501));
        assert!(!mandate().gives(Power::FreezeAccounts, 500));
        assert!(Mandate { until: 0, ..mandate() }.gives(Power::Observe, u64::MAX));
    }
}
