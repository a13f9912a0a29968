//! A real store, whose node goes on, and a real PostgreSQL: what is written, what is found, and what survives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::{
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Log, U256};
use alloy_sol_types::{SolEvent as _, sol};
use common::{Chain, Planted, TOKEN, Transfer, on_one_thread, payload_key, pays, person};
use concordat_sql::{
    Abi, Database, Difference, Options, Progress, SqlError, decode,
    read::{List, Reader, Scope, Wanted},
    register, run, status, verify,
};
use concordat_tests::postgres::Postgres;
use concordat_types::ChangeSet;

/// A contract with an event of its own.
const TILL: Address = Address::repeat_byte(0xdd);

sol! {
    event Rung(address indexed by, uint256 sum);
}

/// Commits a block with so many payments to and fro, which changes a row of a system contract as well.
fn commit(chain: &Chain, payments: u64) {
    let height = chain.store.latest().unwrap().height + 1;
    let changes = ChangeSet::from([(payload_key(height), Some(height.to_be_bytes().to_vec()))]);
    chain.commit((0..payments).map(|n| payment(height, n)).collect(), &changes);
}

/// The first block makes what the others pay.
fn payment(height: u64, n: u64) -> Planted {
    let (step, payer) = (height + n, |step: u64| u8::try_from(step % 5).unwrap() + 1);
    let from = if height == 1 { Address::ZERO } else { person(payer(step)) };
    let to = person(payer(step + 1));
    let transfer = Transfer { from, to, value: U256::from(step) };
    let rung = Rung { by: from, sum: U256::from(step) };
    Planted {
        sender: person(payer(step)),
        logs: vec![
            Log { address: TOKEN, data: transfer.encode_log_data() },
            Log { address: TILL, data: rung.encode_log_data() },
        ],
    }
}

async fn difference(database: &Database, chain: &Chain) -> Option<Difference> {
    let (mut source, _own) = chain.source();
    verify(database, &mut source, None, None).await.unwrap().difference
}

#[test]
fn what_is_written_is_what_the_chain_says_and_whoever_edits_it_is_found_out() {
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let database = Database::at(&postgres.url()).unwrap();
    (0..150).for_each(|_| commit(&chain, 3));
    on_one_thread(async {
        database.migrate().await.unwrap();
        chain.project(&database).await.unwrap();
        assert_eq!(status(&database).await.unwrap().height, Some(150));
        assert_eq!(difference(&database, &chain).await, None);
        let counts = "SELECT (SELECT count(*) FROM ledger.blocks), (SELECT count(*) FROM ledger.transactions), \
                      (SELECT count(*) FROM ledger.token_transfers), (SELECT count(*) FROM ledger.decoded_events), \
                      (SELECT count(*) FROM ledger.payloads), (SELECT count(*) FROM ledger.block_digests)";
        assert_eq!(postgres.sql(counts), "150|450|450|450|151|151");
        let supply = "SELECT sum(balance) FROM (SELECT DISTINCT ON (holder) balance FROM ledger.token_balances \
                      ORDER BY holder, height DESC) newest";
        assert_eq!(postgres.sql(supply), "6", "what the first block made: 1 + 2 + 3");
        assert_eq!(
            postgres.sql("SELECT encode(payload, 'escape') FROM ledger.payloads WHERE height = 0"),
            "genesis"
        );

        let edits = [
            (
                "UPDATE ledger.transactions SET sender = '\\x00' WHERE height = 70 AND tx_index = 1",
                "ledger.transactions",
                "height 70, tx_index 1",
                Some("sender"),
            ),
            (
                "DELETE FROM ledger.logs WHERE height = 69",
                "ledger.logs",
                "height 69, tx_index 0, log_index 0",
                None,
            ),
            (
                "INSERT INTO ledger.payloads VALUES (68, 1, NULL, false, 9, '\\x')",
                "ledger.payloads",
                "height 68, place 1",
                None,
            ),
            (
                "UPDATE ledger.token_balances SET balance = balance + 1 WHERE height = 67 AND place = 0",
                "ledger.token_balances",
                "height 67, place 0",
                Some("balance"),
            ),
            (
                "INSERT INTO ledger.payloads VALUES (-5, 0, NULL, false, 9, '\\x')",
                "ledger.payloads",
                "height -5, place 0",
                None,
            ),
        ];
        // The last one is in the first piece that is compared, so that each hides those before.
        for (edit, table, row, column) in edits {
            postgres.sql(edit);
            let found = difference(&database, &chain).await.expect("a difference");
            assert_eq!(
                (&*found.table, &*found.row, found.column.as_deref()),
                (table, row, column),
                "{found}"
            );
            postgres.sql("TRUNCATE ledger.projection_cursor, ledger.block_digests, ledger.blocks, ledger.commit_signatures, ledger.transactions, ledger.logs, ledger.decoded_events, ledger.token_transfers, ledger.token_balances, ledger.payloads");
            chain.project(&database).await.unwrap();
        }
        assert_eq!(difference(&database, &chain).await, None);
    });
}

#[test]
fn a_registered_abi_tells_events_of_then_and_of_before_and_is_in_no_digest() {
    const RUNG: &str = r#"[{"type":"event","name":"Rung","inputs":[
        {"name":"by","type":"address","indexed":true},{"name":"total","type":"uint256","indexed":false}]}]"#;
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let (database, abi) = (Database::at(&postgres.url()).unwrap(), Abi::parse(RUNG).unwrap());
    let told = || postgres.sql("SELECT count(*), min(height), max(height) FROM ledger.registered_events");
    on_one_thread(async {
        database.migrate().await.unwrap();
        (0..3).for_each(|_| commit(&chain, 2));
        chain.project(&database).await.unwrap();
        let registered = register(&database, TILL, &abi).await.unwrap();
        assert_eq!((registered.events, registered.was_there, registered.height), (1, false, 3));
        assert!(register(&database, TILL, &abi).await.unwrap().was_there);
        let who = "SELECT count(*) OVER (), registered_by, encode(sha256, 'hex') FROM ledger.abis";
        assert_eq!(postgres.sql(who), format!("1|postgres|{}", hex::encode(abi.sha256())));

        (0..2).for_each(|_| commit(&chain, 2));
        chain.project(&database).await.unwrap();
        assert_eq!(told(), "4|4|5");
        let decoded = decode(&database, None, Some(2)).await.unwrap();
        assert_eq!((decoded.from, decoded.to, decoded.logs, decoded.events), (0, 2, 4, 4));
        assert_eq!(told(), "8|1|5");
        let decoded = decode(&database, None, None).await.unwrap();
        assert_eq!((decoded.contracts, decoded.to, decoded.events), (1, 5, 10));
        assert_eq!(told(), "10|1|5");
        let one = "SELECT name, arguments->>'total' FROM ledger.registered_events WHERE height = 4 AND tx_index = 1";
        assert_eq!(postgres.sql(one), "Rung|5");

        assert_eq!(difference(&database, &chain).await, None);
        let digest = status(&database).await.unwrap().digest;
        postgres.sql("TRUNCATE ledger.registered_events, ledger.abis");
        assert_eq!(difference(&database, &chain).await, None, "the chain does not say what an ABI says");
        assert_eq!(status(&database).await.unwrap().digest, digest);
    });
}

#[test]
fn diesel_makes_the_schema_and_keeps_its_books_in_public_whoever_migrates() {
    let postgres = Postgres::start(&["fsync=off"]);
    postgres.sql("CREATE ROLE ledger LOGIN SUPERUSER");
    let url = postgres.url().replace("user=postgres", "user=ledger");
    let database = Database::at(&url).unwrap();
    on_one_thread(async {
        let made = database.migrate().await.unwrap();
        assert!(made.len() >= 5 && made.is_sorted(), "{made:?}");
        assert!(database.migrate().await.unwrap().is_empty());
        let books = "SELECT schemaname, (SELECT count(*) FROM public.__diesel_schema_migrations) FROM pg_tables \
                     WHERE tablename = '__diesel_schema_migrations'";
        assert_eq!(postgres.sql(books), format!("public|{}", made.len()));
        let undone = database.revert().await.unwrap();
        assert!(undone.iter().rev().eq(&made), "{undone:?}");
        assert!(matches!(status(&database).await, Err(SqlError::SchemaOlder { missing }) if missing == made));
        assert_eq!(database.migrate().await.unwrap(), made);
    });
}

#[test]
fn a_migration_that_fails_is_named_and_leaves_nothing_of_itself() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    postgres.sql("CREATE SCHEMA ledger; CREATE TABLE ledger.blocks ()");
    let failed = on_one_thread(database.migrate()).unwrap_err();
    let told = failed.to_string();
    assert!(told.contains("2026-11-26-000001_blocks") && told.contains("already exists"), "{told}");
    assert_eq!(postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'ledger'"), "1");
    assert_eq!(postgres.sql("SELECT count(*) FROM __diesel_schema_migrations"), "0");
}

#[test]
fn a_password_is_told_neither_by_who_reads_nor_by_who_migrates() {
    for url in ["postgres://u:secret@127.0.0.1:1/d", "postgres://u:secret@127.0.0.1:1/d?sslmode=require"] {
        let database = Database::at(url).unwrap();
        let errors = on_one_thread(async {
            [
                database.migrate().await.map(|_| ()).unwrap_err(),
                status(&database).await.map(|_| ()).unwrap_err(),
            ]
        });
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}

#[test]
fn what_has_been_tampered_with_where_it_goes_on_is_not_gone_on_with() {
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let database = Database::at(&postgres.url()).unwrap();
    (0..5).for_each(|_| commit(&chain, 1));
    on_one_thread(async {
        let refused = chain.project(&database).await.unwrap_err();
        assert!(matches!(refused, SqlError::SchemaOlder { .. }), "{refused}");
        database.migrate().await.unwrap();
        chain.project(&database).await.unwrap();
        let edits = [
            (
                "UPDATE ledger.projection_cursor SET height = 3",
                "UPDATE ledger.projection_cursor SET height = 5",
            ),
            ("UPDATE ledger.projection_cursor SET block_hash = '\\x00'", ""),
            (
                "UPDATE ledger.projection_cursor SET format = 9",
                "UPDATE ledger.projection_cursor SET format = 1",
            ),
            ("UPDATE ledger.projection_cursor SET chain_id = 'another'", ""),
        ];
        let mut told = Vec::new();
        for (edit, undo) in edits {
            postgres.sql(edit);
            told.push(chain.project(&database).await.unwrap_err());
            if !undo.is_empty() {
                postgres.sql(undo);
            }
        }
        assert!(
            matches!(told[0], SqlError::Forked { height: 3, .. } | SqlError::Edited { .. }),
            "{}",
            told[0]
        );
        assert!(matches!(told[1], SqlError::Forked { height: 5, .. }), "{}", told[1]);
        assert!(told[2].to_string().contains("format 9") || matches!(told[2], SqlError::Forked { .. }));
        assert!(matches!(told[3], SqlError::OtherChain { .. }), "{}", told[3]);
    });
}

#[test]
fn ends_of_either_side_while_the_chain_goes_on_leave_no_gap_and_no_row_twice() {
    let (chain, mut postgres) = (Chain::new(), Postgres::start(&[]));
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    let until = Instant::now() + Duration::from_secs(8);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < until {
                commit(&chain, 40);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        scope.spawn(|| {
            while Instant::now() < until {
                std::thread::sleep(Duration::from_millis(900));
                postgres.kill();
                postgres.start_again();
            }
        });
        let (mut source, _own) = chain.source();
        let mut lengths = [90, 310, 40, 700, 1500].into_iter().cycle();
        while Instant::now() < until {
            // Dropped wherever it is: its connection ends without a word.
            let life = Duration::from_millis(lengths.next().unwrap());
            let stop = AtomicBool::new(false);
            let one = async {
                let mut tell = |_: &Progress| ();
                let running = run(&database, &mut source, Options::default(), &stop, &mut tell);
                tokio::time::timeout(life, running).await
            };
            if let Ok(ended) = on_one_thread(one) {
                panic!("it ended by itself: {ended:?}");
            }
        }
    });
    on_one_thread(async {
        chain.project(&database).await.unwrap();
        assert_eq!(difference(&database, &chain).await, None);
    });
    let height = chain.store.latest().unwrap().height;
    let counts = "SELECT count(*), max(height) FROM ledger.blocks";
    assert_eq!(postgres.sql(counts), format!("{height}|{height}"));
}

/// Tables whose rows lie in partitions.
const PARTITIONED: [&str; 6] =
    ["blocks", "commit_signatures", "transactions", "logs", "decoded_events", "token_transfers"];

/// The first height of the second partition.
const SECOND: u64 = 1_000_000;

/// The heights of a list, page by page.
async fn heights(database: &Database, list: &str) -> Vec<i64> {
    let (reader, list) = (Reader::open(database, 1).await.unwrap(), List::named(list).unwrap());
    let tip = reader.tip().await.unwrap().unwrap();
    let mut wanted = Wanted { limit: 7, ..Wanted::newest(tip.height, Scope::default()) };
    let mut heights = Vec::new();
    loop {
        let page = reader.page(list, &wanted).await.unwrap();
        heights.extend(page.rows.iter().map(|row| row["height"].as_i64().unwrap()));
        wanted.after = page.next;
        if wanted.after.is_none() {
            heights.sort_unstable();
            return heights;
        }
    }
}

fn range(from: u64, to: u64) -> Vec<i64> {
    (from..=to).map(|height| i64::try_from(height).unwrap()).collect()
}

#[test]
fn an_old_partition_is_taken_off_and_put_back_while_the_projector_goes_on() {
    let first = SECOND - 30;
    let (chain, postgres) = (Chain::beginning_at(first), Postgres::start(&["fsync=off"]));
    let database = Database::at(&postgres.url()).unwrap();
    let none = ChangeSet::new();
    let pay = |blocks: u64| (0..blocks).for_each(|_| chain.commit(vec![pays(1, 2, 1)], &none));
    chain.commit(vec![pays(0, 1, 1_000)], &none);
    pay(39);
    let whole = async |from: Option<u64>| {
        let (mut source, _own) = chain.source();
        verify(&database, &mut source, from, None).await.unwrap().difference
    };
    on_one_thread(async {
        database.migrate().await.unwrap();
        chain.project(&database).await.unwrap();
        assert_eq!(whole(None).await, None);
        for table in PARTITIONED {
            postgres.sql(&format!(
                "ALTER TABLE ledger.{table} DETACH PARTITION ledger.{table}_p000000 CONCURRENTLY"
            ));
        }
        postgres.sql("CREATE SCHEMA archive");
        for table in PARTITIONED {
            postgres.sql(&format!("ALTER TABLE ledger.{table}_p000000 SET SCHEMA archive"));
        }
        assert_eq!(postgres.sql("SELECT count(*) FROM archive.transactions_p000000"), "30");

        pay(10);
        chain.project(&database).await.unwrap();
        assert_eq!(whole(Some(SECOND)).await, None, "the rest is what the chain says");
        let missing = whole(None).await.expect("what was taken off is missing");
        assert!(missing.row.contains(&format!("height {first}")), "{missing}");
        for list in ["blocks", "transactions", "transfers"] {
            assert_eq!(heights(&database, list).await, range(SECOND, SECOND + 19), "{list}");
        }
        let balance = "SELECT balance FROM ledger.token_balances WHERE holder = '\\x0202020202020202020202020202020202020202' \
                       ORDER BY height DESC LIMIT 1";
        assert_eq!(postgres.sql(balance), "49", "balances stay whole");

        for table in PARTITIONED {
            postgres.sql(&format!(
                "ALTER TABLE archive.{table}_p000000 SET SCHEMA ledger;
                 ALTER TABLE ledger.{table} ATTACH PARTITION ledger.{table}_p000000 FOR VALUES FROM (0) TO ({SECOND})"
            ));
        }
        pay(5);
        chain.project(&database).await.unwrap();
        assert_eq!(whole(None).await, None);
        assert_eq!(heights(&database, "transfers").await, range(first, SECOND + 24));
    });
}
