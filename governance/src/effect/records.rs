//! What changes consist of, in bytes: the fields that say which thing it is, and what it is like.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use concordat_types::OrgId;

use super::{End, Freeze, Halt, Listed, OrderSide, OrderStage, Seat};
use crate::{
    Kind, Rule,
    action::{BarTarget, Basis, Correction, ListKind, Parameters, Scope, is_policy_id},
    facts::{Attested, Implementation, KeyFacts, Membership, OrganisationFacts, Upgrade, ValidatorFacts},
    regulator::RegulatorFacts,
    wire,
};

/// A part of a change's key. Those of no fixed length stand last.
pub(super) trait Key {
    /// Appends its bytes.
    fn put(&self, key: &mut Vec<u8>);

    /// Takes them off the rest of a key.
    fn take(rest: &mut &[u8]) -> Option<Self>
    where
        Self: Sized;
}

/// The rest of a change's key.
pub(super) struct Keys<'a>(pub(super) &'a [u8]);

impl Keys<'_> {
    pub(super) fn next<K: Key>(&mut self) -> Option<K> {
        K::take(&mut self.0)
    }
}

macro_rules! keys {
    ($( $key:ty = $length:literal bytes, $to_bytes:expr, $from_bytes:expr; )*) => { $(
        impl Key for $key {
            fn put(&self, key: &mut Vec<u8>) {
                let to_bytes: fn(&Self) -> [u8; $length] = $to_bytes;
                key.extend(to_bytes(self));
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                let from_bytes: fn([u8; $length]) -> Option<Self> = $from_bytes;
                let (bytes, tail) = rest.split_first_chunk()?;
                *rest = tail;
                from_bytes(*bytes)
            }
        }
    )* };
}

keys! {
    Address = 20 bytes, |address| address.into_array(), |bytes| Some(bytes.into());
    B256 = 32 bytes, |hash| hash.0, |bytes| Some(bytes.into());
    U256 = 32 bytes, |word| word.to_be_bytes(), |bytes| Some(Self::from_be_bytes(bytes));
    u64 = 8 bytes, |number| number.to_be_bytes(), |bytes| Some(Self::from_be_bytes(bytes));
    Kind = 1 bytes, |kind| [kind.code()], |[code]| Self::from_code(code);
}

macro_rules! last_keys {
    ($( $key:ty = $to_bytes:expr, $from_bytes:expr; )*) => { $(
        impl Key for $key {
            fn put(&self, key: &mut Vec<u8>) {
                let to_bytes: fn(&Self) -> &[u8] = $to_bytes;
                key.extend(to_bytes(self));
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                let from_bytes: fn(&[u8]) -> Option<Self> = $from_bytes;
                from_bytes(std::mem::take(rest))
            }
        }
    )* };
}

last_keys! {
    OrgId = |id| id.as_str().as_bytes(), |bytes| str::from_utf8(bytes).ok()?.parse().ok();
    BarTarget = BarTarget::as_bytes, BarTarget::from_bytes;
    // Of policies and of run-time rules.
    String = String::as_bytes, |bytes| Some(str::from_utf8(bytes).ok().filter(|id| is_policy_id(id))?.to_owned());
}

/// What something is like on one side of a change.
pub(super) trait Record: Sized {
    /// Its bytes.
    fn write(&self) -> Vec<u8>;

    /// Reads [`Self::write`]'s bytes, all of them.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// No bytes where there is none.
impl<R: Record> Record for Option<R> {
    fn write(&self) -> Vec<u8> {
        self.as_ref().map(Record::write).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { Some(None) } else { R::read(bytes).map(Some) }
    }
}

/// As a list.
impl Record for Correction {
    fn write(&self) -> Vec<u8> {
        wire::list(&[&self.encode()])
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = wire::Fields::open(bytes)?;
        let call: Bytes = fields.next()?;
        fields.end(Correction::decode(&call)?)
    }
}

macro_rules! records {
    ($($record:ty),* $(,)?) => { $(
        impl Record for $record {
            fn write(&self) -> Vec<u8> {
                wire::encode(self)
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                wire::decode(bytes)
            }
        }
    )* };
}

records! {
    OrganisationFacts, ValidatorFacts, Seat, Rule, Freeze, KeyFacts, Basis, RegulatorFacts, Listed, Halt, Address,
    Attested, Parameters, Upgrade, Implementation, OrderSide,
}

macro_rules! listed_records {
    ($($record:ty),* $(,)?) => { $(
        impl Record for $record {
            fn write(&self) -> Vec<u8> {
                wire::list(&[self])
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                let mut fields = wire::Fields::open(bytes)?;
                let record = fields.next()?;
                fields.end(record)
            }
        }
    )* };
}

listed_records! { String, Bytes, u64, bool, U256, B256 }

#[derive(RlpEncodable, RlpDecodable)]
struct OrganisationRow {
    name: String,
    membership: u8,
    roles: Bytes,
    roots: Vec<B256>,
}

impl From<&OrganisationFacts> for OrganisationRow {
    fn from(facts: &OrganisationFacts) -> Self {
        let OrganisationFacts { name, membership, roles, roots } = facts;
        let (membership, roles) = (*membership as u8, wire::role_codes(roles));
        Self { name: name.clone(), membership, roles, roots: roots.clone() }
    }
}

impl OrganisationRow {
    fn facts(self) -> Option<OrganisationFacts> {
        let membership = [Membership::Suspended, Membership::Active, Membership::Expelled]
            .into_iter()
            .find(|membership| *membership as u8 == self.membership)?;
        let roles = wire::roles(&self.roles)?;
        Some(OrganisationFacts { name: self.name, membership, roles, roots: self.roots })
    }
}

wire::by_row!(OrganisationFacts, OrganisationRow, OrganisationRow::facts);

const fn end_row(end: End) -> (u8, u64) {
    match end {
        End::Never => (0, 0),
        End::At(height) => (1, height),
        End::After(blocks) => (2, blocks),
    }
}

const fn end(code: u8, height: u64) -> Option<End> {
    match code {
        0 => Some(End::Never),
        1 => Some(End::At(height)),
        2 => Some(End::After(height)),
        _ => None,
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct FreezeRow {
    scope: Scope,
    basis: Basis,
    end: u8,
    height: u64,
    emergency: bool,
}

impl From<&Freeze> for FreezeRow {
    fn from(freeze: &Freeze) -> Self {
        let (end, height) = end_row(freeze.end);
        let Freeze { scope, basis, emergency, .. } = freeze;
        Self { scope: *scope, basis: basis.clone(), end, height, emergency: *emergency }
    }
}

impl FreezeRow {
    fn freeze(self) -> Option<Freeze> {
        let Self { scope, basis, end: code, height, emergency } = self;
        Some(Freeze { scope, basis, end: end(code, height)?, emergency })
    }
}

wire::by_row!(Freeze, FreezeRow, FreezeRow::freeze);

#[derive(RlpEncodable, RlpDecodable)]
struct ListedRow {
    kind: ListKind,
    accounts: Vec<Address>,
}

impl From<&Listed> for ListedRow {
    fn from(listed: &Listed) -> Self {
        Self { kind: listed.kind, accounts: listed.accounts.clone() }
    }
}

impl ListedRow {
    fn listed(self) -> Option<Listed> {
        let Self { kind, accounts } = self;
        let ordered = accounts.is_sorted_by(|one, other| one < other);
        ordered.then_some(Listed { kind, accounts })
    }
}

wire::by_row!(Listed, ListedRow, ListedRow::listed);

// What stops a contract. The numbers never change meaning.
const FROZEN: u8 = 1;
const RETIRED: u8 = 2;

#[derive(RlpEncodable, RlpDecodable)]
struct HaltRow {
    state: u8,
    basis: Basis,
    end: u8,
    height: u64,
    emergency: bool,
}

impl From<&Halt> for HaltRow {
    fn from(halt: &Halt) -> Self {
        match halt {
            Halt::Frozen { basis, end, emergency } => {
                let (end, height) = end_row(*end);
                Self { state: FROZEN, basis: basis.clone(), end, height, emergency: *emergency }
            }
            Halt::Retired { basis } => {
                Self { state: RETIRED, basis: basis.clone(), end: 0, height: 0, emergency: false }
            }
        }
    }
}

impl HaltRow {
    fn halt(self) -> Option<Halt> {
        let Self { state, basis, end: code, height, emergency } = self;
        match state {
            FROZEN => Some(Halt::Frozen { basis, end: end(code, height)?, emergency }),
            RETIRED => Some(Halt::Retired { basis }),
            _ => None,
        }
    }
}

wire::by_row!(Halt, HaltRow, HaltRow::halt);

impl OrderStage {
    /// The stage's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The stage with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Provisional, Self::Confirmed, Self::InForce, Self::Lifted];
        all.into_iter().find(|stage| stage.code() == code)
    }
}

wire::by_code!(OrderStage);
