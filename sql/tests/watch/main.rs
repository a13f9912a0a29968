//! The watcher on a real PostgreSQL that a real store is projected into: what is found, what comes near and is not, what
//! survives, and what people make of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "../common/mod.rs"]
mod common;
mod planted;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use common::{Chain, Planted, enrolled, on_one_thread, pays, person};
use concordat_sql::{
    Database, Options,
    watch::{Act, Kept, Plan, Query, WatchError, WatchProgress, act, backtest, list, show, watch},
};
use concordat_surveillance::{Limits, List, parse};
use concordat_tests::postgres::Postgres;
use concordat_types::ChangeSet;
use planted::{acts, decisions, orders, payments};

fn rule(id: &str, body: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\ntitle = \"t\"\ngrade = \"alert\"\nreference = \"r\"\n{body}\n")
}

fn plan(rules: &[String], list: Option<&str>) -> Plan {
    let text = format!("version = 1\n{}", rules.join(""));
    let rules = parse([("rules.toml", text.as_str())]).unwrap();
    Plan { rules, list: list.map(|text| List::parse(text).unwrap()), limits: Limits::default() }
}

fn sanctioned(n: u8) -> String {
    format!(
        "version = 1\nsource = \"s\"\n[[entry]]\naddress = \"{:#x}\"\nreason = \"No. 1\"\n\
         [[entry]]\nname = \"HOLDER 12\"\nreason = \"No. 2\"\n",
        person(n)
    )
}

async fn judge(database: &Database, plan: &Plan, from: Option<u64>) -> Result<(), WatchError> {
    watch(database, plan, from, Options { until_tip: true }, &AtomicBool::new(false), &mut |_| ()).await
}

async fn found(database: &Database) -> Vec<Kept> {
    list(database, &Query { limit: 100_000, ..Query::default() }).await.unwrap()
}

/// A database with its schema.
fn database(postgres: &Postgres) -> Database {
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    database
}

fn every_rule() -> Vec<String> {
    vec![
        rule("many", "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 5\nwindow = { blocks = 3 }"),
        rule(
            "pieces",
            "kind = \"structuring\"\nbelow = 100\nfrom = 80\ntotal = 400\ncount = 5\nwindow = { seconds = 20 }",
        ),
        rule(
            "circle",
            "kind = \"round-trip\"\nhops = 3\nreturned = 900\namount = 10000\nwindow = { blocks = 10 }",
        ),
        rule("sleeper", "kind = \"dormant-awakened\"\nidle = { blocks = 100 }\namount = 5000"),
        rule("much", "kind = \"abnormal-amount\"\ntimes = 10\nsample = 10\nleast = 5"),
        rule("listed", "kind = \"sanctions\""),
        rule("burst", "kind = \"proposal-burst\"\ncount = 3\nwindow = { blocks = 5 }"),
        rule("late", "kind = \"late-ballot\"\nblocks = 2"),
        rule("hasty", "kind = \"hasty-execution\"\nblocks = 1"),
        rule("own", "kind = \"own-matter\""),
        rule("freezes", "kind = \"freeze-burst\"\ncount = 2\nwindow = { blocks = 2 }"),
        rule("accounts", "kind = \"new-accounts\"\ncount = 3\nwindow = { blocks = 2 }"),
    ]
}

#[test]
fn each_pattern_is_found_and_what_comes_near_is_not() {
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let database = database(&postgres);
    let mut planted = payments();
    acts(&mut planted);
    orders(&mut planted);
    chain.commit_all(120, planted, decisions());
    on_one_thread(chain.project(&database)).unwrap();
    for (n, organisation) in [(11, "bank-a"), (12, "bank-b"), (13, "bank-a"), (14, "bank-b")] {
        enrolled(&postgres, n, organisation, &format!("Holder {n}"));
    }
    // As the projection of a recovery would.
    postgres.sql(&format!(
        "INSERT INTO ledger.identities (height, place, removed, account, identity)
             VALUES (0, 0, false, '\\x{}', '\\x{}')",
        hex::encode(person(13)),
        hex::encode(person(10))
    ));
    let (plan, account) = (plan(&every_rule(), Some(&sanctioned(19))), |n: u8| format!("{:#x}", person(n)));
    let told = on_one_thread(async {
        judge(&database, &plan, None).await.unwrap();
        found(&database).await
    });
    let expected: Vec<(i64, &str, String)> = vec![
        (10, "many", account(1)),
        (24, "pieces", account(3)),
        (32, "circle", account(6)),
        (45, "much", account(17)),
        (50, "listed", account(19)),
        (51, "listed", account(12)),
        (62, "burst", account(11)),
        (65, "own", account(11)),
        (67, "own", account(11)),
        (67, "own", account(14)),
        (67, "own", account(30)),
        (69, "late", account(14)),
        (72, "hasty", account(11)),
        (73, "freezes", String::new()),
        (90, "accounts", "bank-a".into()),
        (100, "freezes", String::new()),
        (105, "freezes", String::new()),
        (110, "sleeper", account(15)),
    ];
    let told_short: Vec<(i64, &str, String)> =
        told.iter().map(|kept| (kept.height, kept.rule.as_str(), kept.subject.clone())).collect();
    assert_eq!(told_short, expected);
    assert!(told.iter().all(|kept| kept.judged && kept.state == "open"));
    the_evidence_names_its_transactions(&database, &told);
    a_backtest_finds_the_same_and_writes_nothing(&postgres, &database, &plan, &told);
    a_new_list_finds_holders_once(&postgres, &database);
}

fn the_evidence_names_its_transactions(database: &Database, told: &[Kept]) {
    let circle = told.iter().find(|kept| kept.rule == "circle").unwrap();
    let shown = on_one_thread(show(database, &circle.id[..12])).unwrap();
    assert_eq!((shown.transactions.len(), &shown.id), (3, &circle.id));
    assert_eq!(shown.numbers["sent"], "10000");
}

fn a_backtest_finds_the_same_and_writes_nothing(
    postgres: &Postgres,
    database: &Database,
    plan: &Plan,
    told: &[Kept],
) {
    let counted =
        || postgres.sql("SELECT (SELECT count(*) FROM watch.findings), (SELECT height FROM watch.cursor)");
    let before = counted();
    let mut progress = Vec::<WatchProgress>::new();
    let mut tell = |one: &WatchProgress| progress.push(one.clone());
    let done = on_one_thread(backtest(database, plan, (None, None), 5, &mut tell)).unwrap();
    let ids = |count: usize| told.iter().take(count).map(|kept| kept.id.clone()).collect::<Vec<_>>();
    assert_eq!(done.findings.iter().map(|one| hex::encode(one.id)).collect::<Vec<_>>(), ids(5));
    assert_eq!(done.left_out, 13);
    let listed = done.rules.iter().find(|summary| summary.rule == "listed").unwrap();
    assert_eq!((listed.findings, listed.first, listed.last, listed.subjects), (2, Some(50), Some(51), 2));
    assert!(progress.iter().any(|one| one.height == 120), "{progress:?}");
    assert_eq!(counted(), before);
    let late = on_one_thread(backtest(database, plan, (Some(24), Some(24)), 5, &mut |_| ())).unwrap();
    assert_eq!(late.findings.len(), 1, "what lies within windows before it is taken into account");
    let refused = on_one_thread(backtest(database, plan, (Some(9), Some(999)), 5, &mut |_| ())).unwrap_err();
    assert!(refused.to_string().contains("the ledger holds blocks 1 to 120"), "{refused}");
}

/// Account 40 was paid by many; the list before did not have it.
fn a_new_list_finds_holders_once(postgres: &Postgres, database: &Database) {
    let holders = [rule("listed", "kind = \"sanctions\"\nhits = [\"holder\"]")];
    let newer = plan(&holders, Some(&sanctioned(40)));
    // Nothing is judged before the next block.
    postgres.sql("UPDATE watch.cursor SET height = 119, block_hash = (SELECT hash FROM ledger.blocks WHERE height = 119)");
    on_one_thread(judge(database, &newer, None)).unwrap();
    postgres.sql("UPDATE watch.cursor SET height = 119, block_hash = (SELECT hash FROM ledger.blocks WHERE height = 119)");
    on_one_thread(judge(database, &newer, None)).unwrap();
    let holders =
        "SELECT subject, height, numbers->>'hit', list IS NOT NULL FROM watch.findings WHERE height = 120";
    assert_eq!(postgres.sql(holders), format!("{:#x}|120|holder|t", person(40)));
    assert_eq!(postgres.sql("SELECT count(*) FROM watch.lists"), "2");
}

#[test]
fn a_watcher_that_does_not_belong_to_the_ledger_is_refused() {
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let database = Database::at(&postgres.url()).unwrap();
    let plan = plan(&[rule("own", "kind = \"own-matter\"")], None);
    let refused = || on_one_thread(judge(&database, &plan, None)).unwrap_err().to_string();
    assert!(refused().contains("run `concordat audit migrate`"), "{}", refused());
    on_one_thread(database.migrate()).unwrap();
    assert!(refused().contains("nothing is projected"), "{}", refused());
    (0..5).for_each(|_| chain.commit(vec![pays(1, 2, 3)], &ChangeSet::new()));
    on_one_thread(chain.project(&database)).unwrap();
    on_one_thread(judge(&database, &plan, Some(3))).unwrap();
    let again = on_one_thread(judge(&database, &plan, Some(3))).unwrap_err();
    assert!(matches!(again, WatchError::Begun { height: 5 }), "{again}");
    postgres.sql("UPDATE watch.cursor SET block_hash = '\\x00'");
    assert!(refused().contains("another chain"), "{}", refused());
    postgres.sql("UPDATE watch.cursor SET chain_id = 'another'");
    assert!(refused().contains("another chain"), "{}", refused());
    postgres.sql("TRUNCATE watch.cursor; DELETE FROM ledger.blocks WHERE height = 2");
    assert!(refused().contains("block 2 is not in ledger.blocks"), "{}", refused());
    let listed = self::plan(&[rule("listed", "kind = \"sanctions\"")], None);
    let refused = on_one_thread(judge(&database, &listed, None)).unwrap_err();
    assert!(refused.to_string().contains("name one by --sanctions"), "{refused}");
}

#[test]
fn what_people_do_about_a_finding_is_kept_for_good() {
    let (chain, postgres) = (Chain::new(), Postgres::start(&["fsync=off"]));
    let database = database(&postgres);
    chain.commit((0..5).map(|_| pays(1, 2, 3)).collect(), &ChangeSet::new());
    on_one_thread(chain.project(&database)).unwrap();
    let many = "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 5\nwindow = { blocks = 3 }";
    on_one_thread(judge(&database, &plan(&[rule("many", many)], None), None)).unwrap();
    let all = on_one_thread(found(&database));
    let id = all[0].id.as_str();
    let step = |what: Act, text: &str| on_one_thread(act(&database, id, what, "A. Meier", text));

    step(Act::Acknowledge, "").unwrap();
    assert!(matches!(step(Act::Acknowledge, ""), Err(WatchError::Acknowledged { .. })));
    assert!(matches!(step(Act::Close, " "), Err(WatchError::Text { .. })), "without a reason");
    assert!(matches!(step(Act::Comment, "\u{1b}[2J"), Err(WatchError::Text { .. })));
    step(Act::Close, "a salary run").unwrap();
    assert!(matches!(step(Act::Close, "again"), Err(WatchError::Closed { .. })));
    assert!(matches!(step(Act::Acknowledge, ""), Err(WatchError::Closed { .. })));
    // As the service, which may add to trails and change nothing.
    let service = Database::at(&format!("{}&options=-crole%3Dconcordat_service", postgres.url())).unwrap();
    on_one_thread(act(&service, id, Act::Comment, "B. Keller", "asked once more")).unwrap();
    for statement in
        ["DELETE FROM watch.trail", "UPDATE watch.findings SET grade = 'note'", "DELETE FROM watch.cursor"]
    {
        let refused = postgres.refused(&format!("SET ROLE concordat_service; {statement}"));
        assert!(refused.contains("permission denied"), "{refused}");
    }
    for nobody in ["00", "zz", "", "0x0011"] {
        let refused = on_one_thread(act(&database, nobody, Act::Comment, "A", "b")).unwrap_err();
        assert!(matches!(refused, WatchError::NoFinding { .. }), "{refused}");
    }

    let shown = on_one_thread(show(&database, id)).unwrap();
    assert_eq!((shown.state.as_str(), shown.trail.len(), shown.trail_whole), ("closed", 3, Some(true)));
    assert_eq!((shown.trail[0].person.as_str(), shown.trail[0].role.as_str()), ("A. Meier", "postgres"));
    let open = Query { state: Some("open".into()), limit: 10, ..Query::default() };
    assert!(on_one_thread(list(&database, &open)).unwrap().is_empty());
    for statement in
        ["UPDATE watch.findings SET grade = 'note'", "DELETE FROM watch.trail", "TRUNCATE watch.trail"]
    {
        assert!(postgres.refused(statement).contains("is only added to"));
    }
    let reader =
        postgres.refused("SET ROLE concordat_reader; INSERT INTO watch.lists VALUES ('\\x00', 's', 1)");
    assert!(reader.contains("permission denied"), "{reader}");
    // Who owns the table can do it all the same, and is found out.
    postgres.sql("ALTER TABLE watch.trail DISABLE TRIGGER added_to; UPDATE watch.trail SET text = 'nothing' WHERE step = 1");
    assert_eq!(on_one_thread(show(&database, id)).unwrap().trail_whole, Some(false));
}

/// Rules of which much is found in little traffic.
fn busy() -> Vec<String> {
    vec![
        rule(
            "many",
            "kind = \"high-frequency\"\nof = \"transactions\"\ncount = 20\nwindow = { blocks = 30 }",
        ),
        rule(
            "pieces",
            "kind = \"structuring\"\nbelow = 60\ntotal = 300\ncount = 8\nwindow = { seconds = 12 }\nquiet = { blocks = 3 }",
        ),
        rule(
            "circle",
            "kind = \"round-trip\"\nhops = 4\nreturned = 950\namount = 80\nwindow = { blocks = 9 }\nquiet = { blocks = 2 }",
        ),
        rule("sleeper", "kind = \"dormant-awakened\"\nidle = { blocks = 7 }\namount = 40"),
        rule("much", "kind = \"abnormal-amount\"\ntimes = 2\nsample = 7\nleast = 5\nquiet = { seconds = 4 }"),
    ]
}

/// Payments that follow from the height alone.
fn traffic(height: u64) -> Vec<Planted> {
    let mut state = height.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut one = || {
        let (from, to) = (u8::try_from(next(12)).unwrap() + 1, u8::try_from(next(12)).unwrap() + 1);
        pays(from, to, next(100))
    };
    (0..6).map(|_| one()).collect()
}

#[test]
fn ends_of_either_side_leave_no_finding_out_and_none_twice() {
    let (chain, mut postgres) = (Chain::new(), Postgres::start(&[]));
    let database = database(&postgres);
    let plan = plan(&busy(), None);
    let until = Instant::now() + Duration::from_secs(8);
    let stop = AtomicBool::new(false);
    chain.commit(traffic(1), &ChangeSet::new());
    on_one_thread(chain.project(&database)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < until {
                chain.commit(traffic(chain.store.latest().unwrap().height + 1), &ChangeSet::new());
                std::thread::sleep(Duration::from_millis(8));
            }
        });
        // It may be told to stop while the database is away, and says so.
        scope.spawn(|| drop(on_one_thread(chain.follow(&database, false, &stop))));
        scope.spawn(|| {
            while Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1300));
                postgres.kill();
                postgres.start_again();
            }
        });
        let mut lengths = [150, 600, 60, 900, 350].into_iter().cycle();
        while Instant::now() < until {
            // Dropped wherever it is: its connection ends without a word.
            let life = Duration::from_millis(lengths.next().unwrap());
            let never = AtomicBool::new(false);
            let one = async {
                let mut tell = |_: &WatchProgress| ();
                let watching = watch(&database, &plan, None, Options::default(), &never, &mut tell);
                tokio::time::timeout(life, watching).await
            };
            if let Ok(ended) = on_one_thread(one) {
                panic!("it ended by itself: {ended:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    on_one_thread(chain.project(&database)).unwrap();
    let (kept, whole) = on_one_thread(async {
        judge(&database, &plan, None).await.unwrap();
        let whole = backtest(&database, &plan, (None, None), 1_000_000, &mut |_| ()).await.unwrap();
        (found(&database).await, whole)
    });
    assert_eq!(whole.to, chain.store.latest().unwrap().height);
    assert!(whole.findings.len() > 50, "{} findings", whole.findings.len());
    assert!(whole.rules.iter().all(|summary| summary.findings > 0), "{:?}", whole.rules);
    let whole: Vec<String> = whole.findings.iter().map(|finding| hex::encode(finding.id)).collect();
    assert_eq!(kept.into_iter().map(|kept| kept.id).collect::<Vec<_>>(), whole);
}
