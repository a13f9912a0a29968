//! Records in a package: rows of tables, each as JSON and as CSV. Those of transactions and of what they brought about are
//! made of the proof once more, and have to be the same; the others are what the signer's database says.

use std::collections::BTreeMap;

use concordat_sql::{
    Cell, Row, Table,
    export::{PROVEN, csv_document, json_document, read_json_document},
    project::transaction_rows,
};

use crate::{
    activity::{ActivityFile, Checked},
    archive::Files,
    error::{EvidenceError, wrong},
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// Rows by their tables.
pub(crate) type Tables = BTreeMap<Table, Vec<Row>>;

/// The folder.
const FOLDER: &str = "records/";

/// The rows that a proof proves: of each transaction, and of each event in its receipt.
pub(crate) fn proven(proof: &ActivityFile, checked: &Checked) -> Result<Tables> {
    let mut tables: Tables = PROVEN.into_iter().map(|table| (table, Vec::new())).collect();
    for (seen, raw) in checked.seen.iter().zip(proof.raw()) {
        let rows = transaction_rows(seen.block.0, seen.part.index, raw, &seen.receipt)?;
        rows.into_iter().for_each(|(table, rows)| tables.entry(table).or_default().extend(rows));
    }
    for (table, rows) in &mut tables {
        rows.sort_by_key(|row| place(*table, row));
    }
    Ok(tables)
}

/// Where a row stands: the cells that order its table.
fn place(table: Table, row: &Row) -> Vec<i64> {
    let number = |cell: &Cell| match cell {
        Cell::Int(number) => *number,
        _ => i64::MAX,
    };
    row.iter().take(table.position().len()).map(number).collect()
}

/// Compares the proven tables; `name` is what the found ones are called.
pub(crate) fn compare_all(proven: &Tables, found: &Tables, name: impl Fn(Table) -> String) -> Result<()> {
    for (table, rows) in proven {
        let found = found.get(table).map(Vec::as_slice).unwrap_or_default();
        compare(*table, rows, found, &name(*table))?;
    }
    Ok(())
}

/// The first difference between rows that should be there and those that are.
fn compare(table: Table, expected: &[Row], found: &[Row], name: &str) -> Result<()> {
    let at = |row: &Row| {
        let named = table.position().iter().zip(place(table, row));
        named.map(|(column, number)| format!("{column} {number}")).collect::<Vec<_>>().join(", ")
    };
    let mut expected = expected.iter().peekable();
    for have in found {
        let Some(want) = expected.next_if(|want| place(table, want) <= place(table, have)) else {
            return Err(wrong(format!("{name} has {}, which is not proven, or is told twice", at(have))));
        };
        if place(table, want) < place(table, have) {
            return Err(wrong(format!("{name} lacks {}, which is proven", at(want))));
        }
        let mut cells = table.columns().iter().zip(want.iter().zip(have));
        if let Some((column, (want, told))) = cells.find(|(_, (want, told))| want != told) {
            let (column, want, told) = (column.name, want.show(), told.show());
            return Err(wrong(format!("{name}, {}: {column} is {told}, proven is {want}", at(have))));
        }
    }
    match expected.next() {
        None => Ok(()),
        Some(want) => Err(wrong(format!("{name} lacks {}, which is proven", at(want)))),
    }
}

/// Adds the files of tables.
pub(crate) fn write(tables: &Tables, files: &mut Files) {
    for (table, rows) in tables {
        files.insert(file(*table, "json"), json_document(*table, rows).into_bytes());
        files.insert(file(*table, "csv"), csv_document(*table, rows).into_bytes());
    }
}

/// The name of a table's file.
pub(crate) fn file(table: Table, extension: &str) -> String {
    format!("{FOLDER}{}.{extension}", table.name())
}

/// Reads the tables of a package. Each stands there in both forms, which say the same.
pub(crate) fn read(files: &Files) -> Result<Tables> {
    let mut tables = Tables::new();
    for table in Table::ALL {
        let names = [file(*table, "json"), file(*table, "csv")];
        let [json, csv] = names.each_ref().map(|name| files.get(name));
        let (json, csv) = match (json, csv) {
            (None, None) => continue,
            (Some(json), Some(csv)) => (json, csv),
            (None, _) => return Err(wrong(format!("{} is missing", file(*table, "json")))),
            (_, None) => return Err(wrong(format!("{} is missing", file(*table, "csv")))),
        };
        let rows = read_json_document(*table, &String::from_utf8_lossy(json))
            .map_err(|error| wrong(format!("{}: {error}", file(*table, "json"))))?;
        if json_document(*table, &rows).as_bytes() != json {
            return Err(wrong(format!("{} is not in the form of records", file(*table, "json"))));
        }
        if csv_document(*table, &rows).as_bytes() != csv {
            let (json, csv) = (file(*table, "json"), file(*table, "csv"));
            return Err(wrong(format!("{csv} does not say what {json} says")));
        }
        tables.insert(*table, rows);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(height: i64, index: i64, address: u8) -> Row {
        let mut row = vec![Cell::Int(height), Cell::Int(index), Cell::Int(0), Cell::Bytes(vec![address])];
        row.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Bytes(vec![])]);
        row
    }

    fn told(found: &[Row]) -> String {
        let expected = [row(5, 0, 1), row(5, 2, 1)];
        compare(Table::Logs, &expected, found, "logs")
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_record_that_is_missing_altered_or_one_too_many_is_named() {
        assert_eq!(told(&[row(5, 0, 1), row(5, 2, 1)]), "");
        let lacks = "logs lacks height 5, tx_index 2, log_index 0, which is proven";
        assert_eq!(told(&[row(5, 0, 1)]), lacks);
        assert_eq!(told(&[row(5, 0, 1), row(5, 3, 1)]), lacks);
        assert_eq!(told(&[row(5, 2, 1)]), "logs lacks height 5, tx_index 0, log_index 0, which is proven");
        let extra = told(&[row(5, 0, 1), row(5, 1, 1), row(5, 2, 1)]);
        assert_eq!(
            extra,
            "logs has height 5, tx_index 1, log_index 0, which is not proven, or is told twice"
        );
        let twice = told(&[row(5, 0, 1), row(5, 0, 1), row(5, 2, 1)]);
        assert_eq!(
            twice,
            "logs has height 5, tx_index 0, log_index 0, which is not proven, or is told twice"
        );
        let after = told(&[row(5, 0, 1), row(5, 2, 1), row(6, 0, 1)]);
        assert!(after.starts_with("logs has height 6"), "{after}");
        let altered = told(&[row(5, 0, 1), row(5, 2, 9)]);
        assert_eq!(altered, "logs, height 5, tx_index 2, log_index 0: address is 0x09, proven is 0x01");
    }

    #[test]
    fn records_stand_in_both_forms_and_say_the_same() {
        let tables = Tables::from([(Table::Logs, vec![row(5, 0, 1)]), (Table::Alerts, vec![])]);
        let mut files = Files::new();
        write(&tables, &mut files);
        assert_eq!(files.len(), 4);
        assert_eq!(read(&files).unwrap(), tables);
        let refused = |change: &dyn Fn(&mut Files)| {
            let mut files = files.clone();
            change(&mut files);
            read(&files).unwrap_err().to_string()
        };
        let other = refused(&|files| files.get_mut("records/logs.csv").unwrap().push(b'x'));
        assert_eq!(other, "records/logs.csv does not say what records/logs.json says");
        assert_eq!(refused(&|files| drop(files.remove("records/logs.csv"))), "records/logs.csv is missing");
        assert_eq!(refused(&|files| drop(files.remove("records/logs.json"))), "records/logs.json is missing");
        let form = refused(&|files| files.get_mut("records/logs.json").unwrap().push(b' '));
        assert!(form.contains("not in the form"), "{form}");
    }
}
