//! Books in CSV: a header, then a record a line (RFC 4180; UTF-8).

use std::collections::BTreeMap;

use crate::{
    Books, BooksError, Settings,
    books::{MAX_FIELD, record},
};

/// Reads books. The header names the columns, in any order; those that no mapping knows are passed over.
///
/// # Errors
/// The first line and field that cannot be read.
pub fn read_csv(bytes: &[u8], settings: &Settings) -> Result<Books, BooksError> {
    // Spreadsheets put a mark before UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let delimiter = u8::try_from(settings.mapping.delimiter).map_err(|_| {
        BooksError::new("mapping", "delimiter", "it has to be one character of ASCII, such as ; or ,")
    })?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
    let header = reader.headers().map_err(|error| failed(&error))?.clone();
    let columns = places(&header, settings)?;
    let mut books = Books::default();
    let mut line = csv::StringRecord::new();
    while reader.read_record(&mut line).map_err(|error| failed(&error))? {
        let place = format!("line {}", line.position().map_or(0, csv::Position::line));
        if let Some(long) = line.iter().position(|field| field.len() > MAX_FIELD) {
            let name = header.get(long).unwrap_or("?").to_owned();
            return Err(BooksError::new(
                place,
                name,
                format!("it is longer than {MAX_FIELD} bytes: shorten it"),
            ));
        }
        let field = |name: &str| {
            let text = columns.get(name).and_then(|at| line.get(*at))?;
            (!text.trim().is_empty()).then(|| text.to_owned())
        };
        books.add(record(place, settings, field)?, settings)?;
    }
    Ok(books)
}

/// Where each column stands. Two of one name would leave open which is meant.
fn places(header: &csv::StringRecord, settings: &Settings) -> Result<BTreeMap<String, usize>, BooksError> {
    let mut columns = BTreeMap::new();
    for (at, name) in header.iter().enumerate() {
        if columns.insert(name.trim().to_owned(), at).is_some() {
            return Err(BooksError::new("line 1", name, "the header has it twice: rename one of them"));
        }
    }
    let amount = &settings.mapping.columns.amount;
    if !columns.contains_key(amount) {
        let what =
            "the header has no such column: name the one with amounts under [columns] of a mapping file";
        return Err(BooksError::new("line 1", amount.as_str(), what));
    }
    Ok(columns)
}

fn failed(error: &csv::Error) -> BooksError {
    let line = error.position().map_or(0, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8: save the file as CSV UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "it has {len} fields, the header has {expected_len}: quote fields that contain the delimiter"
            )
        }
        _ => error.to_string(),
    };
    BooksError::new(format!("line {line}"), "line", what)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::{Amount, Mapping, Moment};

    fn settings() -> Settings {
        Settings { token: Some(Address::repeat_byte(0xee)), decimals: 2, ..Settings::default() }
    }

    fn refused(text: &str) -> String {
        read_csv(text.as_bytes(), &settings()).unwrap_err().to_string()
    }

    #[test]
    fn the_sample_is_read() {
        let books = read_csv(include_bytes!("../samples/books.csv"), &settings()).unwrap();
        assert_eq!(books.records.len(), 3);
        let first = &books.records[0];
        assert_eq!((first.amount, &*first.place), (Amount::try_from(-25_000).unwrap(), "line 2"));
        assert_eq!(first.at, Moment::parse("2026-11-26"));
        assert_eq!(first.counterparty, Some(Address::repeat_byte(0xbb)));
    }

    #[test]
    fn a_mapping_names_the_columns_of_others() {
        let text = include_str!("../samples/mapping.toml");
        let mapping: Mapping = toml::from_str(text).unwrap();
        let books = "Datum;Betrag;S/H;Gegenpartei;Waehrung\n2026-11-26;250,00;S;Bank B AG;EUR\n";
        let books = read_csv(books.as_bytes(), &Settings { mapping, ..Settings::default() }).unwrap();
        let record = &books.records[0];
        assert_eq!(record.amount, Amount::try_from(-25_000).unwrap());
        assert_eq!(record.counterparty, Some(Address::repeat_byte(0xbb)));
        assert_eq!(record.counterparty_text.as_deref(), Some("Bank B AG"));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_line_and_field() {
        assert!(refused("time,value\n").contains("line 1, amount: the header has no such column"));
        assert!(refused("amount,amount\n1,2\n").contains("line 1, amount: the header has it twice"));
        assert!(
            refused("time,amount\n2026-11-26,1.005\n")
                .starts_with("line 2, amount: \"1.005\" has more than 2")
        );
        assert!(refused("time,amount\n26.11.2026,1\n").starts_with("line 2, time: \"26.11.2026\" is no day"));
        assert!(refused("time,amount\n2026-11-26,\n").starts_with("line 2, amount: there is no amount"));
        assert!(refused("time,amount\n2026-11-26\n").starts_with("line 2, line: it has 1 fields"));
        assert!(refused(&format!("time,amount\n,{}\n", "1".repeat(5000))).contains("longer than 4096"));
        let error = read_csv(b"amount\n\xff\n", &settings()).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
        let error = read_csv(b"amount\n1\n", &Settings::default()).unwrap_err();
        assert!(error.to_string().contains("--token"), "{error}");
    }

    #[test]
    fn records_of_other_tokens_are_left_out_and_counted() {
        let other = Address::repeat_byte(1);
        let books = read_csv(format!("amount,currency\n1,{other}\n2,\n").as_bytes(), &settings()).unwrap();
        assert_eq!((books.records.len(), books.left_out), (1, 1));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _told = read_csv(&bytes, &settings());
        }

        #[test]
        fn no_text_after_a_header_panics(text in "[-0-9.,\"\n;xT:]{0,80}") {
            let _told = read_csv(format!("time,amount\n{text}").as_bytes(), &settings());
        }
    }
}
