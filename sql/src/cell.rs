//! Cells of rows: their canonical bytes, which digests are over; the bytes that go to the database; and the text that
//! comes back.

use alloy_primitives::U256;
use serde_json::Value;

use crate::tables::Type;

/// A cell. Two cells are the same if their canonical bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number of 64 bits with a sign.
    Int(i64),
    /// A whole number in decimal digits.
    Number(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// A document.
    Json(Value),
}

/// A row: its cells in the order of the table's columns.
pub type Row = Vec<Cell>;

impl Cell {
    /// A height, a count, a code: what never comes near the end of its range, at which it would stop.
    pub fn int(number: impl TryInto<i64>) -> Self {
        Self::Int(number.try_into().unwrap_or(i64::MAX))
    }

    /// A number that may be of any size.
    pub fn number(number: impl Into<U256>) -> Self {
        Self::Number(number.into().to_string())
    }

    /// Bytes.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    /// Bytes that may be missing.
    pub fn maybe_bytes(bytes: Option<impl AsRef<[u8]>>) -> Self {
        bytes.map_or(Self::Null, Self::bytes)
    }

    /// Text. The database knows no NUL in it: the sign for one stands in its place.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(clean(text.into()))
    }

    /// A document, likewise.
    pub fn json(value: Value) -> Self {
        Self::Json(clean_json(value))
    }

    /// The canonical bytes: a tag, and where the length is not known by it, the length (u32) and the content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Bool(value) => out.extend([1, u8::from(*value)]),
            Self::Int(value) => {
                out.push(2);
                out.extend(value.to_be_bytes());
            }
            Self::Number(digits) => encode_bytes(3, digits.as_bytes(), out),
            Self::Text(text) => encode_bytes(4, text.as_bytes(), out),
            Self::Bytes(bytes) => encode_bytes(5, bytes, out),
            Self::Json(value) => {
                let mut json = Vec::new();
                canonical(value, &mut json);
                encode_bytes(6, &json, out);
            }
        }
    }

    /// Adds the cell as a field of PostgreSQL's binary format for `COPY`: its length and its bytes.
    pub fn copy(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend((-1_i32).to_be_bytes()),
            Self::Bool(value) => copy_field(&[u8::from(*value)], out),
            Self::Int(value) => copy_field(&value.to_be_bytes(), out),
            Self::Number(digits) => copy_number(digits, out),
            Self::Bytes(bytes) => copy_field(bytes, out),
            Self::Text(text) => copy_field(text.as_bytes(), out),
            Self::Json(value) => {
                let mut json = vec![JSONB];
                canonical(value, &mut json);
                copy_field(&json, out);
            }
        }
    }

    /// Reads what [`read_expression`] selects; `None` for what no cell of the type is.
    pub fn read(holds: Type, text: Option<String>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::Null) };
        Some(match holds {
            Type::Int => Self::Int(text.parse().ok()?),
            Type::Number => Self::Number(text),
            Type::Text => Self::Text(text),
            Type::Bytes => Self::Bytes(hex::decode(text).ok()?),
            Type::Bool => Self::Bool(text == "true"),
            Type::Json => Self::Json(serde_json::from_str(&text).ok()?),
        })
    }

    /// The cell for people, cut where it is long.
    pub fn show(&self) -> String {
        const LONGEST: usize = 200;
        let whole = match self {
            Self::Null => "null".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => format!("0x{}", hex::encode(bytes)),
            Self::Bool(value) => value.to_string(),
            Self::Json(value) => value.to_string(),
        };
        match whole.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}...", whole.get(..at).unwrap_or_default()),
            None => whole,
        }
    }
}

/// How a column is selected so that [`Cell::read`] reads it.
pub fn read_expression(name: &str, holds: Type) -> String {
    match holds {
        Type::Bytes => format!("encode({name}, 'hex')"),
        _ => format!("{name}::text"),
    }
}

fn encode_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    // What comes out of a block is smaller than a block.
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The version of the binary form of `jsonb`, which is text.
const JSONB: u8 = 1;

/// The sign of a negative `numeric`.
const NEGATIVE: u16 = 0x4000;

fn copy_field(bytes: &[u8], out: &mut Vec<u8>) {
    // What comes out of a block is smaller than a block.
    out.extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A whole number as `numeric`: digits to the base of 10,000, the weight of the first one, and the sign.
fn copy_number(text: &str, out: &mut Vec<u8>) {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits.as_bytes()),
        None => (0, text.as_bytes()),
    };
    let groups = || digits.rchunks(4).rev().map(group);
    let first = groups().position(|digit| digit > 0);
    let count = digits.len().div_ceil(4);
    let sent = first.map_or(0, |first| count.saturating_sub(first));
    let sent = i16::try_from(sent).unwrap_or(i16::MAX);
    let sign = if sent == 0 { 0 } else { sign };
    copy_length(8_i32.saturating_add(i32::from(sent).saturating_mul(2)), out);
    out.extend(sent.to_be_bytes());
    out.extend(sent.saturating_sub(1).max(0).to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(0_u16.to_be_bytes());
    groups().skip(first.unwrap_or(count)).for_each(|digit| out.extend(digit.to_be_bytes()));
}

fn copy_length(length: i32, out: &mut Vec<u8>) {
    out.extend(length.to_be_bytes());
}

/// Up to four decimal digits as one of the base of 10,000.
fn group(digits: &[u8]) -> u16 {
    let add =
        |sum: u16, digit: &u8| sum.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')));
    digits.iter().fold(0, add)
}

/// A document as text whose fields are in the order of their names, whatever order they were found in.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            list(*b"{}", fields, out, |(name, value), out| {
                scalar(name, out);
                out.push(b':');
                canonical(value, out);
            });
        }
        Value::Array(values) => list(*b"[]", values, out, canonical),
        other => scalar(other, out),
    }
}

fn list<T>(
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    item: impl Fn(T, &mut Vec<u8>),
) {
    out.push(open);
    for (place, one) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        item(one, out);
    }
    out.push(close);
}

fn scalar(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail, nor can text, numbers, truth and null be no JSON.
    let _ = serde_json::to_writer(out, value);
}

fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{2400}") } else { text }
}

fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(values) => Value::Array(values.into_iter().map(clean_json).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (clean(name), clean_json(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn copied(cell: &Cell) -> String {
        let mut out = Vec::new();
        cell.copy(&mut out);
        hex::encode(out)
    }

    #[test]
    fn canonical_bytes_are_golden() {
        let cells = [
            (Cell::Null, "00"),
            (Cell::Bool(true), "0101"),
            (Cell::int(258_u64), "020000000000000102"),
            (Cell::number(U256::from(12)), "03000000023132"),
            (Cell::text("a"), "040000000161"),
            (Cell::bytes([1, 2]), "05000000020102"),
            (Cell::json(json!({ "a": 1 })), "06000000077b2261223a317d"),
            (Cell::json(json!({ "b": [], "a": null })), "06000000117b2261223a6e756c6c2c2262223a5b5d7d"),
        ];
        for (cell, golden) in cells {
            let mut out = Vec::new();
            cell.encode(&mut out);
            assert_eq!(hex::encode(out), golden);
        }
    }

    #[test]
    fn fields_of_a_copy_are_golden() {
        let cells = [
            (Cell::Null, "ffffffff"),
            (Cell::Bool(false), "0000000100"),
            (Cell::Int(-3), "00000008fffffffffffffffd"),
            (Cell::text("a\tb"), "00000003610962"),
            (Cell::bytes([0xab, 1]), "00000002ab01"),
            (Cell::number(U256::ZERO), "000000080000000000000000"),
            (Cell::number(U256::from(10_000)), "0000000c000200010000000000010000"),
            (Cell::Number("-123456789".into()), "0000000e0003000240000000000109291a85"),
            (Cell::json(json!({ "b": "\\", "a": 1 })), "00000011017b2261223a312c2262223a225c5c227d"),
        ];
        for (cell, golden) in cells {
            assert_eq!(copied(&cell), golden);
        }
    }

    #[test]
    fn what_the_database_cannot_hold_is_replaced() {
        assert_eq!(Cell::text("a\0b"), Cell::Text("a\u{2400}b".into()));
        assert_eq!(Cell::json(json!({ "n\0": ["\0"] })), Cell::Json(json!({ "n\u{2400}": ["\u{2400}"] })));
    }

    proptest! {
        #[test]
        fn a_number_is_the_sum_of_what_is_copied(limbs in any::<[u64; 4]>()) {
            let number = U256::from_limbs(limbs);
            let mut out = Vec::new();
            Cell::number(number).copy(&mut out);
            let word = |at: usize| u16::from_be_bytes([out[at], out[at + 1]]);
            let digits = out[12..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            let sum = digits.fold(U256::ZERO, |sum, digit| {
                assert!(digit < 10_000);
                sum * U256::from(10_000) + U256::from(digit)
            });
            prop_assert_eq!(sum, number);
            prop_assert_eq!(usize::from(word(4)) * 2 + 12, out.len());
        }

        #[test]
        fn cells_come_back_from_the_text_that_is_selected(number in any::<i64>(), bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(Cell::read(Type::Int, Some(number.to_string())), Some(Cell::Int(number)));
            let text = hex::encode(&bytes);
            prop_assert_eq!(Cell::read(Type::Bytes, Some(text)), Some(Cell::Bytes(bytes)));
        }
    }
}
