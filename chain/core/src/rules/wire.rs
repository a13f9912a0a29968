//! The canonical bytes of rules: strict RLP, one form per value.
//!
//! `[version, id, reason, contract, signature, amount, counterparty, binds, max_amount, total, count, counterparties,
//! hours, effect]`. What may be left out is a list of one entry or none. A signature is a topic of 32 bytes or a
//! selector of 4; a place is two bytes, 1 for topics or 2 for words, and the number.

use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use concordat_types::{Address, B256, Bytes, U256};

use super::limit::{
    Binds, Counterparties, Cumulative, Effect, Hours, Limit, LimitError, MAX_LIMIT_BYTES, Per, Place,
    Subject, Velocity, Watched,
};

/// Version of the encoding.
const VERSION: u8 = 1;

// The numbers never change meaning.
const TOPIC: u8 = 1;
const WORD: u8 = 2;
const EVERYBODY: u8 = 0;
const ORGANISATION: u8 = 1;
const ACCOUNT: u8 = 2;
const ALLOW: u8 = 1;
const DENY: u8 = 2;

#[derive(RlpEncodable, RlpDecodable)]
struct LimitRow {
    version: u8,
    id: String,
    reason: String,
    contract: Bytes,
    signature: Bytes,
    amount: Bytes,
    counterparty: Bytes,
    binds: BindsRow,
    max_amount: Vec<U256>,
    total: Vec<CumulativeRow>,
    count: Vec<VelocityRow>,
    counterparties: Vec<ListRow>,
    hours: Vec<HoursRow>,
    effect: u8,
}

#[derive(RlpEncodable, RlpDecodable)]
struct BindsRow {
    kind: u8,
    whom: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
struct CumulativeRow {
    max: U256,
    window_secs: u64,
    per: u8,
}

#[derive(RlpEncodable, RlpDecodable)]
struct VelocityRow {
    max: u64,
    window_secs: u64,
    per: u8,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ListRow {
    kind: u8,
    addresses: Vec<Address>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct HoursRow {
    from: u16,
    to: u16,
    days: u8,
}

/// The bytes of a value.
pub(super) fn encode(value: &impl Encodable) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.length());
    value.encode(&mut out);
    out
}

/// Reads [`encode`]'s bytes, all of them.
pub(super) fn decode<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

impl Limit {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(&LimitRow::from(self))
    }

    /// Reads [`Self::encode`]'s bytes and checks the rule.
    pub fn decode(bytes: &[u8]) -> Result<Self, LimitError> {
        if bytes.len() > MAX_LIMIT_BYTES {
            return Err(LimitError::TooLong { have: bytes.len() });
        }
        let limit = Self::read(bytes).ok_or(LimitError::Malformed)?;
        limit.check()?;
        Ok(limit)
    }

    /// Reads the bytes of a rule that was checked when it was set. What may be set can become less, as where a system
    /// contract is added: that must not make a state unreadable in which there is such a rule.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        // One form only: what would be written otherwise is no encoding of it.
        decode::<LimitRow>(bytes).and_then(LimitRow::limit).filter(|limit| limit.encode() == bytes)
    }
}

impl From<&Limit> for LimitRow {
    fn from(limit: &Limit) -> Self {
        let Subject { contract, watched, amount, counterparty } = &limit.subject;
        Self {
            version: VERSION,
            id: limit.id.to_string(),
            reason: limit.reason.clone(),
            contract: contract
                .map(|contract| Bytes::copy_from_slice(contract.as_slice()))
                .unwrap_or_default(),
            signature: match watched {
                Watched::Event(topic) => Bytes::copy_from_slice(topic.as_slice()),
                Watched::Method(selector) => Bytes::copy_from_slice(selector),
            },
            amount: place_bytes(*amount),
            counterparty: place_bytes(*counterparty),
            binds: binds_row(&limit.binds),
            max_amount: limit.max_amount.into_iter().collect(),
            total: limit.total.iter().map(cumulative_row).collect(),
            count: limit.count.iter().map(velocity_row).collect(),
            counterparties: limit.counterparties.iter().map(list_row).collect(),
            hours: limit.hours.iter().map(|Hours { from, to, days }| hours_row(*from, *to, *days)).collect(),
            effect: limit.effect as u8,
        }
    }
}

impl LimitRow {
    fn limit(self) -> Option<Limit> {
        if self.version != VERSION {
            return None;
        }
        Some(Limit {
            id: self.id.parse().ok()?,
            reason: self.reason,
            subject: Subject {
                contract: maybe(&self.contract, |bytes| Address::try_from(bytes).ok())?,
                watched: watched(&self.signature)?,
                amount: maybe(&self.amount, place)?,
                counterparty: maybe(&self.counterparty, place)?,
            },
            binds: binds(&self.binds)?,
            max_amount: at_most_one(self.max_amount, Some)?,
            total: at_most_one(self.total, cumulative)?,
            count: at_most_one(self.count, velocity)?,
            counterparties: at_most_one(self.counterparties, counterparties)?,
            hours: at_most_one(self.hours, |HoursRow { from, to, days }| Some(Hours { from, to, days }))?,
            effect: [Effect::Revert, Effect::Alert].into_iter().find(|e| *e as u8 == self.effect)?,
        })
    }
}

/// `None` for bytes that are none of the kind; `Some(None)` where there are none.
fn maybe<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() { Some(None) } else { read(bytes).map(Some) }
}

/// The same for a list of one entry or none.
fn at_most_one<R, T>(list: Vec<R>, read: impl Fn(R) -> Option<T>) -> Option<Option<T>> {
    let mut list = list.into_iter();
    match (list.next(), list.next()) {
        (None, _) => Some(None),
        (Some(one), None) => read(one).map(Some),
        _ => None,
    }
}

fn watched(signature: &[u8]) -> Option<Watched> {
    if let Ok(selector) = <[u8; 4]>::try_from(signature) {
        return Some(Watched::Method(selector));
    }
    B256::try_from(signature).ok().map(Watched::Event)
}

fn place_bytes(place: Option<Place>) -> Bytes {
    match place {
        None => Bytes::new(),
        Some(Place::Topic(number)) => vec![TOPIC, number].into(),
        Some(Place::Word(number)) => vec![WORD, number].into(),
    }
}

fn place(bytes: &[u8]) -> Option<Place> {
    match *bytes {
        [TOPIC, number] => Some(Place::Topic(number)),
        [WORD, number] => Some(Place::Word(number)),
        _ => None,
    }
}

fn binds_row(binds: &Binds) -> BindsRow {
    match binds {
        Binds::Everybody => BindsRow { kind: EVERYBODY, whom: Bytes::new() },
        Binds::Organisation(id) => {
            BindsRow { kind: ORGANISATION, whom: Bytes::copy_from_slice(id.as_str().as_bytes()) }
        }
        Binds::Account(account) => {
            BindsRow { kind: ACCOUNT, whom: Bytes::copy_from_slice(account.as_slice()) }
        }
    }
}

fn binds(BindsRow { kind, whom }: &BindsRow) -> Option<Binds> {
    match *kind {
        EVERYBODY => whom.is_empty().then_some(Binds::Everybody),
        ORGANISATION => std::str::from_utf8(whom).ok()?.parse().ok().map(Binds::Organisation),
        ACCOUNT => Address::try_from(whom.as_ref()).ok().map(Binds::Account),
        _ => None,
    }
}

fn per(code: u8) -> Option<Per> {
    [Per::Account, Per::Organisation].into_iter().find(|per| *per as u8 == code)
}

const fn cumulative_row(total: &Cumulative) -> CumulativeRow {
    CumulativeRow { max: total.max, window_secs: total.window_secs, per: total.per as u8 }
}

fn cumulative(CumulativeRow { max, window_secs, per }: CumulativeRow) -> Option<Cumulative> {
    Some(Cumulative { max, window_secs, per: self::per(per)? })
}

const fn velocity_row(count: &Velocity) -> VelocityRow {
    VelocityRow { max: count.max, window_secs: count.window_secs, per: count.per as u8 }
}

fn velocity(VelocityRow { max, window_secs, per }: VelocityRow) -> Option<Velocity> {
    Some(Velocity { max, window_secs, per: self::per(per)? })
}

fn list_row(counterparties: &Counterparties) -> ListRow {
    let (kind, list) = match counterparties {
        Counterparties::Allow(list) => (ALLOW, list),
        Counterparties::Deny(list) => (DENY, list),
    };
    ListRow { kind, addresses: list.iter().copied().collect() }
}

fn counterparties(ListRow { kind, addresses }: ListRow) -> Option<Counterparties> {
    let list = addresses.into_iter().collect();
    match kind {
        ALLOW => Some(Counterparties::Allow(list)),
        DENY => Some(Counterparties::Deny(list)),
        _ => None,
    }
}

const fn hours_row(from: u16, to: u16, days: u8) -> HoursRow {
    HoursRow { from, to, days }
}
