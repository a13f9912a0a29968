//! Exports of a real PostgreSQL: what is in the files, what happens to those that were interrupted, and how they go on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::{fs, path::Path, time::Instant};

use alloy_primitives::Address;
use concordat_sql::{
    Database, Table,
    export::{Export, ExportError, ExportProgress, Format, Manifest, PART_ROWS, export, records},
};
use concordat_tests::{
    imagined::{Ordered, bytea, ordered},
    postgres::Postgres,
};
use concordat_types::activity::Subject;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;
use tempfile::TempDir;

/// Transactions in each block.
const EACH: u64 = 10;

/// A database with rows of blocks 1 to `blocks`, as wide as real ones.
fn filled(blocks: u64) -> (Postgres, Database) {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    for table in ["transactions", "token_transfers", "decoded_events", "logs", "blocks"] {
        let name = format!("ledger.{table}");
        postgres.sql(&format!(
            "CREATE TABLE {name}_p000000 PARTITION OF {name} FOR VALUES FROM (0) TO (1000000)"
        ));
    }
    let rows = format!("generate_series(1, {blocks}) h, generate_series(0, {}) i", EACH - 1);
    let raw = "decode(repeat(md5((h * 100 + i)::text), 12), 'hex')";
    postgres.sql(&format!(
        "INSERT INTO ledger.transactions SELECT h, i, sha256(int8send(h * 100 + i)), 2, '\\x0101', \
         CASE WHEN i = 0 THEN NULL ELSE '\\x0202'::bytea END, h, '\\xa9059cbb', 60000, 30000, 0, i <> 3, NULL, '\\x', {raw} \
         FROM {rows}"
    ));
    postgres.sql(&format!(
        "INSERT INTO ledger.token_transfers SELECT h, i, 0, 0, '\\xee', 'erc20', '\\x01', '\\x02', 0, \
         115792089237316195423570985008687907853269984665640564039457584007913129639935 FROM {rows}"
    ));
    postgres.sql(&format!(
        "INSERT INTO ledger.block_digests SELECT h, '\\x01', int8send(h), '{{}}' FROM generate_series(0, {blocks}) h"
    ));
    postgres.sql(&format!(
        "INSERT INTO ledger.projection_cursor VALUES (true, 'test', 1, 1, {blocks}, '\\x00', sha256('\\x00'))"
    ));
    (postgres, database)
}

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn wanted(format: Format, folder: &TempDir, name: &str) -> Export {
    Export {
        table: Table::Transactions,
        format,
        from: None,
        to: None,
        output: folder.path().join(name),
        resume: false,
        part_rows: PART_ROWS,
    }
}

fn done(database: &Database, wanted: &Export) -> Result<Manifest, ExportError> {
    on_one_thread(export(database, wanted, &mut |_: &ExportProgress| ()))
}

/// Makes a manifest say that its export did not end.
fn interrupt(path: &Path, parts: usize) {
    let mut told: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    told["complete"] = false.into();
    told["digest"] = Value::Null;
    let kept: Vec<Value> = told["parts"].as_array().unwrap().iter().take(parts).cloned().collect();
    told["rows"] = kept.iter().map(|part| part["rows"].as_u64().unwrap()).sum::<u64>().into();
    told["parts"] = kept.into();
    fs::write(path, told.to_string()).unwrap();
}

/// The rows of a folder of parts, each as its height and place.
fn places(folder: &Path, manifest: &Manifest) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    for part in &manifest.parts {
        let reader = SerializedFileReader::new(fs::File::open(folder.join(&part.file)).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        let of_part: Vec<(i64, i64)> = rows
            .map(|row| {
                let fields: Vec<String> =
                    row.get_column_iter().take(2).map(|(_, field)| field.to_string()).collect();
                (fields[0].parse().unwrap(), fields[1].parse().unwrap())
            })
            .collect();
        assert_eq!(u64::try_from(of_part.len()).unwrap(), part.rows);
        all.extend(of_part);
    }
    all
}

#[test]
fn lines_go_on_after_the_last_whole_one_and_are_then_the_same() {
    let (_postgres, database) = filled(50);
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Ndjson, Format::Csv] {
        let mut wanted = wanted(format, &folder, format.name());
        let manifest = done(&database, &wanted).unwrap();
        assert_eq!((manifest.rows, manifest.from, manifest.to), (50 * EACH, 0, 50));
        assert_eq!(manifest.digest.as_deref(), Some("0000000000000032"));
        let whole = fs::read(&wanted.output).unwrap();
        assert_eq!(manifest.parts[0].bytes, u64::try_from(whole.len()).unwrap());
        assert!(matches!(done(&database, &wanted), Err(ExportError::Exists(_))), "nothing is overwritten");

        wanted.resume = true;
        assert_eq!(done(&database, &wanted).unwrap(), manifest, "what is whole stays as it is");
        let place = wanted.output.with_file_name(format!("{}.manifest.json", format.name()));
        for kept in [whole.len() - 1, whole.len() * 2 / 3, 1, 0] {
            interrupt(&place, 0);
            fs::write(&wanted.output, &whole[..kept]).unwrap();
            assert_eq!(done(&database, &wanted).unwrap(), manifest, "{kept} bytes were written");
            assert_eq!(fs::read(&wanted.output).unwrap(), whole);
        }
        interrupt(&place, 0);
        fs::remove_file(&wanted.output).unwrap();
        assert_eq!(done(&database, &wanted).unwrap(), manifest);
        wanted.to = Some(40);
        let refused = done(&database, &wanted).unwrap_err().to_string();
        assert!(refused.contains("blocks 0 to 50"), "{refused}");
    }
}

#[test]
fn parts_go_on_with_the_next_and_are_then_the_same() {
    let (_postgres, database) = filled(50);
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = wanted(Format::Parquet, &folder, "parts");
    (wanted.from, wanted.part_rows) = (Some(3), 95);
    let manifest = done(&database, &wanted).unwrap();
    let heights: Vec<(u64, u64)> = manifest.parts.iter().map(|part| (part.from, part.to)).collect();
    assert_eq!(heights, [(3, 12), (13, 22), (23, 32), (33, 42), (43, 50)], "whole blocks");
    let expected: Vec<(i64, i64)> =
        (3..=50).flat_map(|height| (0..10).map(move |place| (height, place))).collect();
    assert_eq!(places(&wanted.output, &manifest), expected);

    wanted.resume = true;
    for kept in [0, 2, 4] {
        interrupt(&wanted.output.join("manifest.json"), kept);
        fs::write(wanted.output.join("unfinished.partial"), "half a part").unwrap();
        assert_eq!(done(&database, &wanted).unwrap(), manifest, "{kept} parts were done");
        assert!(!wanted.output.join("unfinished.partial").exists());
    }
    interrupt(&wanted.output.join("manifest.json"), 2);
    let part = wanted.output.join(&manifest.parts[1].file);
    fs::write(&part, "something else").unwrap();
    let refused = done(&database, &wanted).unwrap_err().to_string();
    assert!(
        refused.contains("not as it was written") && refused.contains(&manifest.parts[1].file),
        "{refused}"
    );
}

#[test]
fn what_the_database_does_not_have_is_refused() {
    let (_postgres, database) = filled(5);
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [(Some(4), Some(6)), (Some(4), Some(3)), (Some(6), None)] {
        let wanted = Export { from, to, ..wanted(Format::Csv, &folder, "none") };
        let refused = done(&database, &wanted).unwrap_err();
        assert!(matches!(refused, ExportError::NoRange { height: 5, .. }), "{refused}");
        assert!(!wanted.output.exists());
    }
    let resumed = Export { resume: true, ..wanted(Format::Csv, &folder, "none") };
    assert!(matches!(done(&database, &resumed), Err(ExportError::NotBegun(_))));
}

#[test]
fn who_may_only_read_exports_every_table_and_writes_none() {
    let (postgres, database) = filled(5);
    let folder = tempfile::tempdir().unwrap();
    postgres.sql("CREATE ROLE supervisor LOGIN IN ROLE concordat_reader");
    let reader = Database::at(&postgres.url().replace("user=postgres", "user=supervisor")).unwrap();
    for table in Table::ALL {
        let of = |name: &str| Export { table: *table, ..wanted(Format::Csv, &folder, name) };
        let (own, read) = (of(&format!("own-{}", table.name())), of(&format!("read-{}", table.name())));
        done(&database, &own).unwrap();
        let manifest = done(&reader, &read).unwrap_or_else(|error| panic!("{}: {error}", table.name()));
        assert_eq!(fs::read(&own.output).unwrap(), fs::read(&read.output).unwrap(), "{}", table.name());
        assert_eq!(manifest.rows > 0, matches!(table, Table::Transactions | Table::TokenTransfers));
    }
    let parts = Export { table: Table::Transactions, ..wanted(Format::Parquet, &folder, "parts") };
    assert_eq!(done(&reader, &parts).unwrap().rows, 5 * EACH);
    let refused = postgres.refused("SET ROLE supervisor; DELETE FROM ledger.transactions");
    assert!(refused.contains("permission denied"), "{refused}");
}

#[test]
fn a_table_without_rows_is_a_file_without_rows() {
    let (_postgres, database) = filled(5);
    let folder = tempfile::tempdir().unwrap();
    let parts = Export { table: Table::Logs, ..wanted(Format::Parquet, &folder, "logs") };
    let manifest = done(&database, &parts).unwrap();
    assert_eq!((manifest.rows, manifest.parts.len()), (0, 1));
    assert!(places(&parts.output, &manifest).is_empty());
    let lines = Export { table: Table::Logs, ..wanted(Format::Csv, &folder, "logs.csv") };
    done(&database, &lines).unwrap();
    assert!(fs::read_to_string(&lines.output).unwrap().starts_with("height,tx_index,log_index,address,"));
}

/// The bar of docs/regulator.md. Run alone, on a machine at rest: `cargo test --release -p concordat-sql --test export -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn a_million_transactions_are_exported_within_a_minute_in_constant_memory() {
    let (_postgres, database) = filled(100_000);
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let manifest = done(&database, &wanted(Format::Parquet, &folder, "million")).unwrap();
    let (took, peak) = (started.elapsed(), peak_kib());
    assert_eq!(manifest.rows, 1_000_000);
    println!("{took:?}, {peak} KiB at most");
    assert!(took.as_secs() < 60, "{took:?}");
    assert!(peak < 400 * 1024, "{peak} KiB");
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn records_tell_orders_on_an_accounts_identity_from_when_it_acts_for_it() {
    let (postgres, database) = filled(4);
    let [account, identity, stranger] = [0xab, 0xcd, 0xef].map(Address::repeat_byte);
    let freeze =
        Ordered { id: 7, measure: "freeze-all", account: Some(identity), issued: 2, ..Ordered::default() };
    ordered(&postgres, 2, &freeze);
    postgres.sql(&format!(
        "INSERT INTO ledger.identities VALUES (3, 0, NULL, false, {}, {})",
        bytea(account),
        bytea(identity)
    ));
    let orders = |subject: Address, to: u64| {
        let told = on_one_thread(records(&database, &Subject::Address(subject), (1, to), &[], None)).unwrap();
        told.tables.get(&Table::Orders).map_or(0, Vec::len)
    };
    assert_eq!((orders(identity, 4), orders(account, 4)), (1, 1));
    assert_eq!((orders(identity, 2), orders(account, 2)), (1, 0), "it acts for it later");
    assert_eq!((orders(identity, 1), orders(stranger, 4)), (0, 0));
}
