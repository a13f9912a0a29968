//! Hexadecimal as Ethereum's JSON-RPC writes it: quantities without padding, data with all its zeros
//! (ethereum.org, JSON-RPC API, "Hex encoding"). The errors are go-ethereum's (`common/hexutil`).

use alloy_primitives::{Address, B256, Bytes, U256, hex as simd};
use serde_json::Value;

/// A quantity.
pub(crate) fn quantity(number: u64) -> Value {
    Value::String(format!("{number:#x}"))
}

/// A quantity of up to 256 bits.
pub(crate) fn quantity_u256(number: U256) -> Value {
    Value::String(format!("{number:#x}"))
}

/// Data.
pub(crate) fn data(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(simd::encode_prefixed(bytes))
}

/// An address as data, or null.
pub(crate) fn address_or_null(address: Option<Address>) -> Value {
    address.map_or(Value::Null, data)
}

/// Reads a quantity of up to 64 bits.
pub(crate) fn parse_u64(text: &str) -> Result<u64, String> {
    let digits = quantity_digits(text)?;
    if digits.len() > 16 {
        return Err("hex number > 64 bits".into());
    }
    u64::from_str_radix(digits, 16).map_err(|_| "invalid hex string".into())
}

/// Reads a quantity of up to 256 bits.
pub(crate) fn parse_u256(text: &str) -> Result<U256, String> {
    let digits = quantity_digits(text)?;
    if digits.len() > 64 {
        return Err("hex number > 256 bits".into());
    }
    U256::from_str_radix(digits, 16).map_err(|_| "invalid hex string".into())
}

/// Reads data of any length.
pub(crate) fn parse_data(text: &str) -> Result<Bytes, String> {
    let digits = digits(text)?;
    if !digits.len().is_multiple_of(2) {
        return Err("hex string of odd length".into());
    }
    decode(digits).map(Bytes::from).ok_or_else(|| "invalid hex string".into())
}

/// Hexadecimal digits, an even number of them, without any prefix: the decoder would take one off.
fn decode(digits: &str) -> Option<Vec<u8>> {
    let prefixed = digits.as_bytes().get(1) == Some(&b'x');
    if prefixed { None } else { simd::decode(digits).ok() }
}

/// Reads an address.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    fixed::<20>(text, "address").map(Address::from)
}

/// Reads 32 bytes.
pub(crate) fn parse_b256(text: &str) -> Result<B256, String> {
    fixed::<32>(text, "hash").map(B256::from)
}

/// Reads a storage key: up to 32 bytes, leading zeros may be left out.
pub(crate) fn parse_slot(text: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > 64 {
        return Err("storage key too long (want at most 32 bytes)".into());
    }
    let padded = format!("{digits:0>64}");
    let bytes = decode(&padded).ok_or("unable to decode storage key: hex string invalid")?;
    Ok(B256::from_slice(&bytes))
}

fn fixed<const N: usize>(text: &str, what: &str) -> Result<[u8; N], String> {
    let bytes = parse_data(text)?;
    <[u8; N]>::try_from(bytes.as_ref())
        .map_err(|_| format!("hex string has length {}, want {} for {what}", bytes.len() * 2, N * 2))
}

fn quantity_digits(text: &str) -> Result<&str, String> {
    let digits = digits(text)?;
    if digits.is_empty() {
        return Err(r#"hex string "0x""#.into());
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits".into());
    }
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("invalid hex string".into());
    }
    Ok(digits)
}

fn digits(text: &str) -> Result<&str, String> {
    if text.is_empty() {
        return Err("empty hex string".into());
    }
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .ok_or_else(|| "hex string without 0x prefix".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_unpadded_and_data_keeps_its_zeros() {
        assert_eq!(quantity(0), "0x0");
        assert_eq!(quantity(1024), "0x400");
        assert_eq!(data([0, 1]), "0x0001");
        assert_eq!(data([]), "0x");
    }

    #[test]
    fn bad_hex_gets_the_errors_of_go_ethereum() {
        assert_eq!(parse_u64(""), Err("empty hex string".into()));
        assert_eq!(parse_u64("12"), Err("hex string without 0x prefix".into()));
        assert_eq!(parse_u64("0x"), Err(r#"hex string "0x""#.into()));
        assert_eq!(parse_u64("0x01"), Err("hex number with leading zero digits".into()));
        assert_eq!(parse_u64("0x+1"), Err("invalid hex string".into()));
        assert_eq!(parse_u64("0x10000000000000000"), Err("hex number > 64 bits".into()));
        assert_eq!(parse_data("0x1"), Err("hex string of odd length".into()));
        assert_eq!(parse_data("0xzz"), Err("invalid hex string".into()));
        assert_eq!(parse_data("0x0x12"), Err("invalid hex string".into()));
        assert_eq!(parse_address("0x00"), Err("hex string has length 2, want 40 for address".into()));
        assert_eq!(
            parse_slot(&format!("0x{}", "0".repeat(65))),
            Err("storage key too long (want at most 32 bytes)".into())
        );
        assert!(parse_slot("0xzz").unwrap_err().starts_with("unable to decode storage key"));
    }

    #[test]
    fn storage_keys_may_be_short() {
        assert_eq!(parse_slot("0x5").unwrap(), B256::with_last_byte(5));
        assert_eq!(parse_slot("0x").unwrap(), B256::ZERO);
    }

    proptest! {
        #[test]
        fn quantities_survive(number: u64) {
            prop_assert_eq!(parse_u64(quantity(number).as_str().unwrap()), Ok(number));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = (parse_u64(&text), parse_u256(&text), parse_data(&text), parse_slot(&text));
            let _ = (parse_address(&text), parse_b256(&text));
        }
    }
}
