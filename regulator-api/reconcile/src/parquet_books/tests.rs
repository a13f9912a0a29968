use std::sync::Arc;

use alloy_primitives::{Address, bytes::Bytes};
use parquet::{
    basic::Compression,
    data_type::{
        BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
        Int64Type, Int96, Int96Type,
    },
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::*;
use crate::{Amount, Mapping, Moment};

/// The values of a column; there is none where it is null.
enum Values {
    Text(Vec<Option<&'static str>>),
    Int(Vec<Option<i64>>),
    Short(Vec<Option<i32>>),
    Fixed(Vec<Option<i128>>),
    Old(Vec<Option<[u32; 3]>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
}

fn there<T: Clone, U>(values: &[Option<T>], of: impl Fn(T) -> U) -> (Vec<U>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (values.iter().flatten().cloned().map(of).collect(), levels)
}

/// A file with such columns, all of which may be null, and row groups.
fn file(columns: &str, groups: &[Vec<Values>]) -> Bytes {
    let schema = Arc::new(parse_message_type(&format!("message schema {{ {columns} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for group in groups {
        let mut rows = writer.next_row_group().unwrap();
        for values in group {
            let mut column = rows.next_column().unwrap().unwrap();
            macro_rules! write {
                ($kind:ty, $values:expr, $of:expr) => {{
                    let (values, levels) = there($values, $of);
                    column.typed::<$kind>().write_batch(&values, Some(&levels), None).unwrap()
                }};
            }
            match values {
                Values::Text(values) => write!(ByteArrayType, values, ByteArray::from),
                Values::Int(values) => write!(Int64Type, values, |value| value),
                Values::Short(values) => write!(Int32Type, values, |value| value),
                Values::Fixed(values) => write!(FixedLenByteArrayType, values, |value| {
                    FixedLenByteArray::from(value.to_be_bytes().to_vec())
                }),
                Values::Old(values) => write!(Int96Type, values, |value| Int96::from(value.to_vec())),
                Values::Float(values) => write!(DoubleType, values, |value| value),
                Values::Bool(values) => write!(BoolType, values, |value| value),
            };
            column.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn settings() -> Settings {
    Settings { token: Some(Address::repeat_byte(0xee)), decimals: 2, ..Settings::default() }
}

fn read(columns: &str, groups: &[Vec<Values>]) -> Result<Books, BooksError> {
    read_parquet(file(columns, groups), &settings())
}

fn amounts(columns: &str, values: Values) -> Result<Vec<i128>, String> {
    let books = read(columns, &[vec![values]]).map_err(|error| error.to_string())?;
    Ok(books.records.iter().map(|record| i128::try_from(record.amount).unwrap()).collect())
}

#[test]
fn what_pyarrow_writes_is_read() {
    let file = Bytes::from_static(include_bytes!("../../samples/books.parquet"));
    let books = read_parquet(file, &settings()).unwrap();
    assert_eq!((books.records.len(), books.left_out), (3, 1), "one is of another token");
    let told: Vec<(String, Option<Moment>, Option<Address>)> =
        books.records.iter().map(|one| (one.amount.to_string(), one.at, one.counterparty)).collect();
    let (bb, cc) = (Some(Address::repeat_byte(0xbb)), Some(Address::repeat_byte(0xcc)));
    let expected = [
        ("-25000".to_owned(), Moment::parse("2026-11-26T09:30:00Z"), bb),
        ("5".to_owned(), Moment::parse("2026-11-26T10:00:00Z"), cc),
        ("9999999999999999999999".to_owned(), None, bb),
    ];
    assert_eq!(told, expected);
    let references: Vec<&[String]> = books.records.iter().map(|one| one.references.as_slice()).collect();
    assert_eq!(references, [&["INV-2026-17".to_owned()][..], &[], &["E2E-2".to_owned()]]);
    assert_eq!(books.records[2].place, "row 3", "rows are counted across row groups");
}

#[test]
fn a_file_that_is_packed_otherwise_is_refused_with_the_mend() {
    let file = Bytes::from_static(include_bytes!("../../samples/books-zstd.parquet"));
    let refused = read_parquet(file, &settings()).unwrap_err().to_string();
    assert_eq!(refused, "schema, amount: it is packed by ZSTD: write the file with Snappy, or uncompressed");
}

#[test]
fn amounts_of_every_exact_type_are_read_as_they_are() {
    let some = |values: &[i64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    let fixed = || Values::Fixed(vec![Some(-25_000), Some(5), Some(10_i128.pow(30))]);
    let cases = [
        ("OPTIONAL BYTE_ARRAY amount (UTF8);", Values::Text(vec![Some("-1.50"), Some("2")]), vec![-150, 200]),
        ("OPTIONAL INT64 amount;", Values::Int(some(&[-3, 4])), vec![-300, 400]),
        ("OPTIONAL INT64 amount (INTEGER(64,false));", Values::Int(some(&[7])), vec![700]),
        ("OPTIONAL INT32 amount (INTEGER(16,true));", Values::Short(vec![Some(-7)]), vec![-700]),
        ("OPTIONAL INT64 amount (DECIMAL(18,2));", Values::Int(some(&[-5, 123_456])), vec![-5, 123_456]),
        ("OPTIONAL INT32 amount (DECIMAL(9,1));", Values::Short(vec![Some(15)]), vec![150]),
        ("OPTIONAL INT32 amount (DECIMAL(2,2));", Values::Short(vec![Some(-15)]), vec![-15]),
        (
            "OPTIONAL FIXED_LEN_BYTE_ARRAY(16) amount (DECIMAL(38,2));",
            fixed(),
            vec![-25_000, 5, 10_i128.pow(30)],
        ),
        (
            "OPTIONAL FIXED_LEN_BYTE_ARRAY(16) amount (DECIMAL(38,0));",
            fixed(),
            vec![-2_500_000, 500, 10_i128.pow(32)],
        ),
    ];
    for (columns, values, expected) in cases {
        assert_eq!(amounts(columns, values), Ok(expected), "{columns}");
    }
}

#[test]
fn a_decimal_is_read_whatever_mark_amounts_in_text_have() {
    let file = file("OPTIONAL INT64 amount (DECIMAL(18,2));", &[vec![Values::Int(vec![Some(-150)])]]);
    let mapping = Mapping { decimal_mark: ',', ..Mapping::default() };
    let books = read_parquet(file, &Settings { mapping, ..settings() }).unwrap();
    assert_eq!(books.records[0].amount, Amount::try_from(-150).unwrap());
}

#[test]
fn days_and_timestamps_of_every_unit_are_the_same_moments() {
    let second = 1_700_000_000_i64;
    let cases = [
        ("INT64 time (TIMESTAMP(MILLIS,true))", Values::Int(vec![Some(second * 1_000 + 999)])),
        ("INT64 time (TIMESTAMP(MICROS,false))", Values::Int(vec![Some(second * 1_000_000)])),
        ("INT64 time (TIMESTAMP(NANOS,true))", Values::Int(vec![Some(second * 1_000_000_000 + 1)])),
        ("INT64 time (TIMESTAMP_MICROS)", Values::Int(vec![Some(second * 1_000_000)])),
        ("BYTE_ARRAY time (UTF8)", Values::Text(vec![Some("2023-11-14T22:13:20Z")])),
        // The day of the Julian calendar, and nanoseconds in it.
        ("INT96 time", Values::Old(vec![Some(julian(2_460_263, 80_000_000_000_000))])),
    ];
    for (column, values) in cases {
        let columns = format!("OPTIONAL INT64 amount; OPTIONAL {column};");
        let books = read(&columns, &[vec![Values::Int(vec![Some(1)]), values]]).unwrap();
        assert_eq!(books.records[0].at, Some(Moment::at(second)), "{column}");
    }
    let columns = "OPTIONAL INT64 amount; OPTIONAL INT32 time (DATE);";
    let books =
        read(columns, &[vec![Values::Int(vec![Some(1)]), Values::Short(vec![Some(19_675)])]]).unwrap();
    assert_eq!(books.records[0].at, Moment::parse("2023-11-14"));
}

fn julian(day: u32, nanoseconds: u64) -> [u32; 3] {
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap();
    [half(nanoseconds), half(nanoseconds >> 32), day]
}

#[test]
fn what_is_missing_is_as_if_the_column_were_not_there() {
    let columns = "OPTIONAL INT64 amount; OPTIONAL DOUBLE reference; OPTIONAL BYTE_ARRAY time (UTF8);";
    let groups = [vec![
        Values::Int(vec![Some(1), Some(2)]),
        Values::Float(vec![None, None]),
        Values::Text(vec![None, Some("  ")]),
    ]];
    let books = read(columns, &groups).unwrap();
    assert!(books.records.iter().all(|record| record.at.is_none() && record.references.is_empty()));
    let refused = amounts("OPTIONAL INT64 amount;", Values::Int(vec![Some(1), None])).unwrap_err();
    assert_eq!(refused, "row 2, amount: there is no amount: fill it in");
}

#[test]
fn what_loses_digits_or_is_no_amount_is_refused_by_row() {
    let refused = |columns: &str, values| amounts(columns, values).unwrap_err();
    let float = refused("OPTIONAL DOUBLE amount;", Values::Float(vec![Some(1.5)]));
    assert_eq!(float, "row 1, amount: it is a float, which is not exact: write a decimal, or text");
    let fine = refused("OPTIONAL INT64 amount (DECIMAL(18,3));", Values::Int(vec![Some(1_000), Some(1_005)]));
    assert!(fine.starts_with("row 2, amount: \"1.005\" has more than 2"), "{fine}");
    let truth = refused("OPTIONAL BOOLEAN amount;", Values::Bool(vec![Some(true)]));
    assert!(truth.starts_with("row 1, amount: \"true\""), "{truth}");
    let number = read(
        "OPTIONAL INT64 amount; OPTIONAL INT64 time;",
        &[vec![Values::Int(vec![Some(1)]), Values::Int(vec![Some(1_700_000_000)])]],
    );
    assert!(number.unwrap_err().to_string().starts_with("row 1, time: \"1700000000\" is no day or time"));
    let far = read(
        "OPTIONAL INT64 amount; OPTIONAL INT64 time (TIMESTAMP(MILLIS,true));",
        &[vec![Values::Int(vec![Some(1)]), Values::Int(vec![Some(i64::MAX)])]],
    );
    assert_eq!(far.unwrap_err().to_string(), "row 1, time: it is no time");
}

#[test]
fn columns_that_hold_no_single_value_are_refused_by_name() {
    let nested = [
        "REQUIRED GROUP amount { REQUIRED INT64 value; }",
        "OPTIONAL GROUP amount (LIST) { REPEATED GROUP list { OPTIONAL INT64 element; } }",
        "REPEATED INT64 amount;",
        "OPTIONAL INT64 amount; OPTIONAL GROUP amount { OPTIONAL INT64 amount; }",
    ];
    for columns in nested {
        let refused = read(columns, &[]).unwrap_err().to_string();
        assert!(refused.starts_with("schema, amount: it is a list, or has columns of its own"), "{refused}");
    }
    let inside = read("OPTIONAL GROUP other { OPTIONAL INT64 amount; }", &[]).unwrap_err().to_string();
    assert!(inside.starts_with("schema, amount: there is no such column"), "{inside}");
    let time = read("OPTIONAL INT64 amount; OPTIONAL INT64 time (TIME(NANOS,true));", &[]).unwrap_err();
    assert!(time.to_string().starts_with("schema, time: it is of a type that is not read"), "{time}");
    let twice = read("OPTIONAL INT64 amount; OPTIONAL INT64 amount;", &[]).unwrap_err().to_string();
    assert!(twice.starts_with("schema, amount: the file has it twice"), "{twice}");
}

#[test]
fn columns_that_nobody_asks_for_may_be_of_any_type() {
    let columns = "OPTIONAL FIXED_LEN_BYTE_ARRAY(12) pause (INTERVAL); OPTIONAL INT64 amount;
        OPTIONAL GROUP tags (LIST) { REPEATED GROUP list { OPTIONAL INT64 element; } }";
    let schema = file(columns, &[]);
    assert_eq!(read_parquet(schema, &settings()).unwrap(), Books::default());
}

#[test]
fn what_is_no_file_of_parquet_is_refused() {
    let whole = file("OPTIONAL INT64 amount;", &[vec![Values::Int(vec![Some(1); 50])]]);
    for cut in [0, 4, whole.len() / 2, whole.len() - 1] {
        let refused = read_parquet(whole.slice(..cut), &settings()).unwrap_err();
        assert_eq!(refused.place, "file", "{refused}");
    }
}
