//! Books in Parquet: the columns that a CSV file has, of any types that lose nothing.

use std::collections::BTreeMap;

use alloy_primitives::hex;
use parquet::{
    file::reader::{ChunkReader, FileReader as _, SerializedFileReader},
    record::Field,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Books, BooksError, Settings,
    books::{MAX_FIELD, record},
};

/// Reads books.
///
/// # Errors
/// The first row and field that cannot be read.
pub fn read_parquet<R: ChunkReader + 'static>(source: R, settings: &Settings) -> Result<Books, BooksError> {
    let failed = |error: parquet::errors::ParquetError| BooksError::new("file", "file", error.to_string());
    let reader = SerializedFileReader::new(source).map_err(failed)?;
    let columns = &settings.mapping.columns;
    let amount = &columns.amount;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    if !schema.columns().iter().any(|column| column.name() == amount) {
        let what = "there is no such column: name the one with amounts under [columns] of a mapping file";
        return Err(BooksError::new("schema", amount.as_str(), what));
    }
    let mut books = Books::default();
    for (number, row) in (1_u64..).zip(reader.get_row_iter(None).map_err(failed)?) {
        let (row, place) = (row.map_err(failed)?, format!("row {number}"));
        let mut fields = BTreeMap::new();
        // Other columns may hold whatever they want.
        for (name, field) in row.get_column_iter().filter(|(name, _)| columns.names(name)) {
            let text = text(field).map_err(|what| BooksError::new(place.clone(), name.as_str(), what))?;
            if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                fields.insert(name.clone(), text);
            }
        }
        books.add(record(place, settings, |name| fields.get(name).cloned())?, settings)?;
    }
    Ok(books)
}

/// What a field says; `None` where there is nothing in it. What could have lost digits is refused.
fn text(field: &Field) -> Result<Option<String>, String> {
    let text = match field {
        Field::Null => return Ok(None),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) if !text.contains(char::is_control) => text.to_owned(),
            _ => format!("0x{}", hex::encode(bytes.data())),
        },
        Field::Byte(number) => number.to_string(),
        Field::Short(number) => number.to_string(),
        Field::Int(number) => number.to_string(),
        Field::Long(number) => number.to_string(),
        Field::UByte(number) => number.to_string(),
        Field::UShort(number) => number.to_string(),
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        Field::Decimal(_) => field.to_string(),
        Field::Date(days) => day(*days).ok_or("it is no day")?,
        Field::TimestampMillis(number) => moment(*number, 1_000).ok_or("it is no time")?,
        Field::TimestampMicros(number) => moment(*number, 1_000_000).ok_or("it is no time")?,
        Field::Float16(_) | Field::Float(_) | Field::Double(_) => {
            return Err("it is a float, which is not exact: write a decimal, or text".to_owned());
        }
        Field::Bool(value) => value.to_string(),
        _ => return Ok(None),
    };
    match text.len() > MAX_FIELD {
        true => Err(format!("it is longer than {MAX_FIELD} bytes: shorten it")),
        false => Ok(Some(text)),
    }
}

fn day(days: i32) -> Option<String> {
    let date = OffsetDateTime::UNIX_EPOCH.checked_add(Duration::days(i64::from(days)))?.date();
    Some(date.to_string())
}

fn moment(number: i64, in_second: i64) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(number.div_euclid(in_second)).ok()?;
    time.format(&Rfc3339).ok()
}
