//! Cells of rows: their canonical bytes, which digests are over, and their text, which goes to the database and comes back.

use std::fmt::Write as _;

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
            Self::Json(value) => encode_bytes(6, value.to_string().as_bytes(), out),
        }
    }

    /// Adds the cell as a field of PostgreSQL's text format for `COPY`.
    pub fn copy(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Null => write!(out, "\\N"),
            Self::Bool(value) => write!(out, "{}", if *value { 't' } else { 'f' }),
            Self::Int(value) => write!(out, "{value}"),
            Self::Number(digits) => write!(out, "{digits}"),
            Self::Bytes(bytes) => {
                out.push_str("\\\\x");
                push_hex(bytes, out);
                Ok(())
            }
            Self::Text(text) => {
                escape(text, out);
                Ok(())
            }
            Self::Json(value) => {
                escape(&value.to_string(), out);
                Ok(())
            }
        };
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

fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    out.reserve(bytes.len().saturating_mul(2));
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0f));
    }
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
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
        let mut out = String::new();
        cell.copy(&mut out);
        out
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
            (Cell::Null, "\\N"),
            (Cell::Bool(false), "f"),
            (Cell::Int(-3), "-3"),
            (Cell::text("a\tb\\c\nd"), "a\\tb\\\\c\\nd"),
            (Cell::bytes([0xab, 1]), "\\\\xab01"),
            (Cell::json(json!("x\"\\")), "\"x\\\\\"\\\\\\\\\""),
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
        fn no_field_of_a_copy_ends_a_line_or_another_field(text in any::<String>()) {
            let copied = copied(&Cell::text(text));
            prop_assert!(!copied.contains(['\n', '\r', '\t', '\0']));
        }

        #[test]
        fn cells_come_back_from_the_text_that_is_selected(number in any::<i64>(), bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(Cell::read(Type::Int, Some(number.to_string())), Some(Cell::Int(number)));
            let text = hex::encode(&bytes);
            prop_assert_eq!(Cell::read(Type::Bytes, Some(text)), Some(Cell::Bytes(bytes)));
        }
    }
}
