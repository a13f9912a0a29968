//! Records of either side.

use alloy_primitives::{Address, B256};
use serde::Serialize;
use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    format_description::well_known::{Iso8601, Rfc3339},
};

use crate::Amount;

const DAY_SECS: i64 = 86_400;

/// Bytes of a day, such as `2026-11-26`.
pub(crate) const DAY_LENGTH: usize = 10;

/// A time, or a day, as seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Moment {
    /// The first second that it may be.
    pub from_secs: i64,
    /// The last one.
    pub to_secs: i64,
}

impl Moment {
    /// One second.
    pub const fn at(secs: i64) -> Self {
        Self { from_secs: secs, to_secs: secs }
    }

    /// Reads `2026-11-26` (the whole day, UTC), or a time in ISO 8601, UTC where it has no offset.
    pub fn parse(text: &str) -> Option<Self> {
        // The parser would take a time for its day.
        if text.len() == DAY_LENGTH {
            let date = Date::parse(text, &Iso8601::DATE).ok()?;
            let from_secs = date.midnight().assume_utc().unix_timestamp();
            return Some(Self { from_secs, to_secs: from_secs.saturating_add(DAY_SECS).saturating_sub(1) });
        }
        let text = text.replacen(' ', "T", 1);
        let time = OffsetDateTime::parse(&text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&text, &Iso8601::DEFAULT))
            .or_else(|_| {
                PrimitiveDateTime::parse(&text, &Iso8601::DEFAULT).map(PrimitiveDateTime::assume_utc)
            });
        time.ok().map(|time| Self::at(time.unix_timestamp()))
    }

    /// How far a time is from it.
    pub const fn distance(self, secs: i64) -> i64 {
        if secs < self.from_secs {
            self.from_secs.saturating_sub(secs)
        } else {
            // Negative within it.
            let after = secs.saturating_sub(self.to_secs);
            if after > 0 { after } else { 0 }
        }
    }
}

/// A record of a member's own books.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BookRecord {
    /// When.
    pub at: Option<Moment>,
    /// How much, positive where it came in.
    #[serde(serialize_with = "as_text")]
    pub amount: Amount,
    /// The token.
    pub token: Address,
    /// The other side, where its address is known.
    pub counterparty: Option<Address>,
    /// What the books call the other side.
    pub counterparty_text: Option<String>,
    /// References: of the transaction, of the payment.
    pub references: Vec<String>,
    /// Where it stands: a line, an entry.
    pub place: String,
}

/// A transfer on the chain, as seen from one account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChainRecord {
    /// Seconds since 1970 of its block.
    pub at_secs: i64,
    /// The block.
    pub height: u64,
    /// The transaction's place in the block, the event's in the transaction, the item's in the event.
    pub place: [u64; 3],
    /// The transaction.
    pub hash: B256,
    /// How much, positive where it came in.
    #[serde(serialize_with = "as_text")]
    pub amount: Amount,
    /// The token.
    pub token: Address,
    /// The other side.
    pub counterparty: Address,
}

/// Digits of a transaction's hash that name it where a field is too short for all: what fits into 35 characters.
const SHORT_DIGITS: usize = 32;

impl BookRecord {
    /// The transaction that a reference names: by its hash, or by the first 32 digits of it.
    pub fn names(&self, hash: &B256) -> bool {
        let digits = alloy_primitives::hex::encode(hash);
        self.hashes().any(|named| digits.starts_with(&named))
    }

    /// The hashes in its references, whole or by their beginning, in lower case.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = String> {
        self.references.iter().flat_map(|reference| {
            let words = reference.split(|c: char| !c.is_ascii_alphanumeric());
            words.filter_map(|word| {
                let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
                let long = digits.len() == SHORT_DIGITS || digits.len() == SHORT_DIGITS.saturating_mul(2);
                (long && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .then(|| digits.to_ascii_lowercase())
            })
        })
    }
}

/// The first digits of a hash, by which short references name it.
pub(crate) fn short(digits: &str) -> &str {
    digits.get(..SHORT_DIGITS).unwrap_or(digits)
}

fn as_text<S: serde::Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read() {
        let day = Moment::parse("2023-11-14").unwrap();
        assert_eq!((day.from_secs, day.to_secs), (1_699_920_000, 1_700_006_399));
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14T23:13:20+01:00",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20",
            "2023-11-14T22:13:20.5Z",
        ] {
            assert_eq!(Moment::parse(text), Some(Moment::at(1_700_000_000)), "{text}");
        }
        for text in ["", "14.11.2023", "2023-13-01", "yesterday"] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert_eq!([1_699_919_990, 1_700_000_000, 1_700_006_409].map(|secs| day.distance(secs)), [10, 0, 10]);
    }

    #[test]
    fn a_transaction_is_named_by_its_hash_or_by_half_of_it() {
        let hash = B256::repeat_byte(0xab);
        let named = |reference: &str| {
            let record = BookRecord {
                at: None,
                amount: Amount::ZERO,
                token: Address::ZERO,
                counterparty: None,
                counterparty_text: None,
                references: vec![reference.to_owned()],
                place: String::new(),
            };
            record.names(&hash)
        };
        assert!(named(&hash.to_string()) && named(&"AB".repeat(16)) && named(&format!("INV 7/{hash} paid")));
        assert!(!named("NOTPROVIDED") && !named(&"ab".repeat(15)) && !named(&"cd".repeat(16)));
    }
}
