//! Books in Parquet: the columns that a CSV file has, of any types that lose nothing. Only these are read; others may be of
//! any type, and packed in any way.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::hex;
use parquet::{
    basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical},
    errors::ParquetError,
    file::{
        metadata::RowGroupMetaData,
        reader::{ChunkReader, FileReader as _, SerializedFileReader},
    },
    record::{Field, reader::RowIter},
    schema::types::{Type, TypePtr},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Books, BooksError, Settings,
    books::{MAX_FIELD, record},
};

/// The most rows, those that are left out among them: a file of a few bytes can have any number of equal ones.
const MAX_ROWS: u64 = 20_000_000;

/// Reads books.
///
/// # Errors
/// The first row and field that cannot be read.
pub fn read_parquet<R: ChunkReader + 'static>(source: R, settings: &Settings) -> Result<Books, BooksError> {
    let reader = SerializedFileReader::new(source).map_err(|error| failed(&error))?;
    let columns = Columns::of(reader.metadata().file_metadata().schema(), settings)?;
    let (mut books, mut number) = (Books::default(), 0_u64);
    for place in 0..reader.num_row_groups() {
        let group = reader.get_row_group(place).map_err(|error| failed(&error))?;
        columns.check_packing(group.metadata())?;
        let rows = RowIter::from_row_group(Some(columns.projection.clone()), &*group);
        for row in rows.map_err(|error| failed(&error))? {
            number = number.saturating_add(1);
            let place = format!("row {number}");
            if number > MAX_ROWS {
                let what = format!("there are more than {MAX_ROWS} rows: split the books by time");
                return Err(BooksError::new(place, "file", what));
            }
            let row = row.map_err(|error| BooksError::new(place.clone(), "row", error.to_string()))?;
            let mut fields = BTreeMap::new();
            for (name, field) in row.get_column_iter() {
                let text = text(field, columns.counts_nanoseconds(name), settings.mapping.decimal_mark);
                let text = text.map_err(|what| BooksError::new(place.clone(), name.as_str(), what))?;
                if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
                    fields.insert(name.clone(), text);
                }
            }
            books.add(record(place, settings, |name| fields.get(name).cloned())?, settings)?;
        }
    }
    Ok(books)
}

fn failed(error: &ParquetError) -> BooksError {
    BooksError::new("file", "file", error.to_string())
}

/// The columns that are read.
struct Columns {
    projection: Type,
    /// Those of nanoseconds, which are numbers to whoever reads rows.
    nanoseconds: Vec<String>,
}

impl Columns {
    fn of(schema: &Type, settings: &Settings) -> Result<Self, BooksError> {
        let wanted = &settings.mapping.columns;
        let wrong = |name: &str, what: &str| BooksError::new("schema", name, what);
        let (mut fields, mut nanoseconds) = (BTreeMap::<String, TypePtr>::new(), Vec::new());
        for column in schema.get_fields().iter().filter(|column| wanted.names(column.name())) {
            let name = column.name();
            check(column).map_err(|what| wrong(name, what))?;
            if counts_nanoseconds(column) {
                nanoseconds.push(name.to_owned());
            }
            if fields.insert(name.to_owned(), Arc::clone(column)).is_some() {
                return Err(wrong(name, "the file has it twice: rename one of them"));
            }
        }
        if !fields.contains_key(&wanted.amount) {
            let what = "there is no such column: name the one with amounts under [columns] of a mapping file";
            return Err(wrong(&wanted.amount, what));
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(fields.into_values().collect());
        Ok(Self { projection: projection.build().map_err(|error| failed(&error))?, nanoseconds })
    }

    fn counts_nanoseconds(&self, name: &str) -> bool {
        self.nanoseconds.iter().any(|column| column == name)
    }

    /// Whether what is read of a row group is packed in a way that is known here.
    fn check_packing(&self, group: &RowGroupMetaData) -> Result<(), BooksError> {
        let read = |name: &str| self.projection.get_fields().iter().any(|field| field.name() == name);
        for column in group.columns() {
            let (name, packing) =
                (column.column_path().string(), format!("{:?}", column.compression_codec()));
            if read(&name) && !["UNCOMPRESSED", "SNAPPY"].contains(&packing.as_str()) {
                let what = format!("it is packed by {packing}: write the file with Snappy, or uncompressed");
                return Err(BooksError::new("schema", name, what));
            }
        }
        Ok(())
    }
}

fn counts_nanoseconds(column: &Type) -> bool {
    let logical = column.get_basic_info().logical_type_ref();
    matches!(logical, Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS)
}

/// Whether values of a column can be read without loss. Floats are refused where they are found, since a column with
/// nothing in it may be one of floats.
fn check(column: &Type) -> Result<(), &'static str> {
    const TYPES: &str =
        "it is of a type that is not read: write text, whole numbers, decimals, days or timestamps";
    let info = column.get_basic_info();
    if !column.is_primitive() || !info.has_repetition() || info.repetition() == Repetition::REPEATED {
        return Err("it is a list, or has columns of its own: write one value in each row");
    }
    if matches!(info.logical_type_ref(), Some(LogicalType::Time(_))) {
        return Err(TYPES);
    }
    let readable = match (column.get_physical_type(), info.converted_type()) {
        (Physical::BOOLEAN | Physical::INT96 | Physical::FLOAT | Physical::DOUBLE, _)
        | (
            Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY,
            ConvertedType::NONE | ConvertedType::DECIMAL,
        ) => true,
        (Physical::INT32, converted) => matches!(
            converted,
            ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::DATE
        ),
        (Physical::INT64, converted) => matches!(
            converted,
            ConvertedType::INT_64
                | ConvertedType::UINT_64
                | ConvertedType::TIMESTAMP_MILLIS
                | ConvertedType::TIMESTAMP_MICROS
        ),
        (Physical::BYTE_ARRAY, converted) => {
            matches!(converted, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON)
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, _) => false,
    };
    readable.then_some(()).ok_or(TYPES)
}

/// What a field says; `None` where there is nothing in it. What could have lost digits is refused.
fn text(field: &Field, nanoseconds: bool, decimal_mark: char) -> Result<Option<String>, String> {
    const NO_TIME: &str = "it is no time";
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
        Field::Long(number) if nanoseconds => moment(*number, 1_000_000_000).ok_or(NO_TIME)?,
        Field::Long(number) => number.to_string(),
        Field::UByte(number) => number.to_string(),
        Field::UShort(number) => number.to_string(),
        Field::UInt(number) => number.to_string(),
        Field::ULong(number) => number.to_string(),
        // It is written with a point whatever amounts in text are written with, and with one where it has no fraction, too.
        Field::Decimal(_) => {
            field.to_string().trim_end_matches('.').replacen('.', decimal_mark.encode_utf8(&mut [0; 4]), 1)
        }
        Field::Date(days) => day(*days).ok_or("it is no day")?,
        Field::TimestampMillis(number) => moment(*number, 1_000).ok_or(NO_TIME)?,
        Field::TimestampMicros(number) => moment(*number, 1_000_000).ok_or(NO_TIME)?,
        Field::Float16(_) | Field::Float(_) | Field::Double(_) => {
            return Err("it is a float, which is not exact: write a decimal, or text".to_owned());
        }
        Field::Bool(value) => value.to_string(),
        _ => return Err("it is of a type that is not read".to_owned()),
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

#[cfg(test)]
mod tests;
