//! Serial numbers of certificates.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A certificate's serial number: positive, at most 20 octets (RFC 5280 section 4.1.2.2).
///
/// Kept as the big-endian magnitude without leading zeros, so that equal numbers are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(Vec<u8>);

/// Why octets or text are no [`Serial`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// Zero or negative.
    #[error("a serial number must be positive")]
    NotPositive,
    /// More than 20 octets as an INTEGER.
    #[error("a serial number has {have} octets; RFC 5280 allows 20")]
    TooLong {
        /// Octets found.
        have: usize,
    },
    /// Not hexadecimal text.
    #[error("{0:?} is no serial number; write it as hexadecimal digits")]
    NotHex(String),
}

impl Serial {
    /// The most octets of an encoded serial number, its sign octet included.
    pub const MAX_OCTETS: usize = 20;

    /// The serial number in the content octets of an ASN.1 INTEGER.
    pub fn from_integer(content: &[u8]) -> Result<Self, SerialError> {
        if content.first().is_none_or(|first| first & 0x80 != 0) {
            return Err(SerialError::NotPositive);
        }
        if content.len() > Self::MAX_OCTETS {
            return Err(SerialError::TooLong { have: content.len() });
        }
        Self::from_magnitude(content)
    }

    /// The serial number with this big-endian magnitude.
    pub fn from_magnitude(magnitude: &[u8]) -> Result<Self, SerialError> {
        let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
        let digits = magnitude.get(zeros..).unwrap_or_default();
        let first = digits.first().ok_or(SerialError::NotPositive)?;
        let encoded_len = digits.len().saturating_add(usize::from(first >> 7));
        if encoded_len > Self::MAX_OCTETS {
            return Err(SerialError::TooLong { have: encoded_len });
        }
        Ok(Self(digits.to_vec()))
    }

    /// The big-endian magnitude, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    /// Reads hexadecimal digits; colons between octets, as other tools print them, are ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != ':').collect();
        let padded = if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") };
        let magnitude =
            hex::decode(padded).map_err(|_| SerialError::NotHex(text.chars().take(64).collect()))?;
        Self::from_magnitude(&magnitude)
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_octet_and_the_spelling_do_not_matter() {
        let serial = Serial::from_integer(&[0x00, 0x9a, 0x01]).unwrap();
        assert_eq!(serial.to_string(), "9a01");
        assert_eq!("9A:01".parse::<Serial>().unwrap(), serial);
        assert_eq!("09a01".parse::<Serial>().unwrap(), serial);
    }

    #[test]
    fn zero_negative_and_overlong_serials_are_refused() {
        assert_eq!(Serial::from_integer(&[0]), Err(SerialError::NotPositive));
        assert_eq!(Serial::from_integer(&[]), Err(SerialError::NotPositive));
        assert_eq!(Serial::from_integer(&[0x80]), Err(SerialError::NotPositive));
        assert_eq!(Serial::from_integer(&[1; 21]), Err(SerialError::TooLong { have: 21 }));
        assert_eq!(Serial::from_magnitude(&[0xff; 20]), Err(SerialError::TooLong { have: 21 }));
        assert!(matches!("xyz".parse::<Serial>(), Err(SerialError::NotHex(_))));
    }
}
