//! What PostgreSQL does for every statement that the service and surveillance can make, on a ledger of 202,000 transactions with
//! true statistics: large tables are read by an index, and a bounded number of rows.
//!
//! Small tables may be looked through: so this fails where a statement would take long, and for no other reason.

use std::collections::BTreeMap;

use concordat_sql::{
    Database, Options,
    read::{
        Chosen, Direction, Edge, Entry, FindingsWanted, FlowError, FlowQuery, Kind, LISTS, List, ReadLog,
        Reader, Scope, Start, Wanted,
    },
    watch::{Plan as Rules, watch},
};
use concordat_surveillance::{Limits, parse};
use concordat_tests::{
    imagined::{self, Size, bytea, fill, holder},
    plans::{Plan, Plans, WRITTEN_DOWN},
    postgres::Postgres,
};

use super::{of, on_one_thread};

const SIZE: Size = Size { blocks: 2_000, transactions: 101 };

/// Tables that grow with what happens, each with at least 20,000 rows here.
const LARGE: [&str; 9] = [
    "transactions",
    "logs",
    "decoded_events",
    "token_transfers",
    "token_balances",
    "alerts",
    "reads",
    "findings",
    "trail",
];

/// The most rows that a statement reads: of a page twice the work that it may do, for rows are found again to be shown; of a
/// picture's counts 1,001; of flows 2,000 a hop after the first.
const MOST: u64 = 12_000;

/// Parts of texts of statements, each of which must have been made.
const MADE: [&str; 16] = [
    "FETCH FIRST",
    "looked_0 AS MATERIALIZED",
    "SELECT max(height) FROM (SELECT r.height",
    "SELECT min(height) FROM (SELECT r.height",
    ") counted",
    "SELECT DISTINCT t.holder",
    "max(place) - 1",
    "SELECT DISTINCT t.holder, t.token, t.token_id FROM ledger.token_balances t WHERE t.balance = t.change AND t.height <= $1 AND",
    "GROUP BY t.sender, t.recipient, t.token",
    "jsonb_array_elements(a.path)",
    "ORDER BY time DESC, height DESC",
    "FROM access.reads",
    "FROM watch.findings f CROSS JOIN LATERAL (",
    "newest.item DESC LIMIT $5",
    "ORDER BY t.sender DESC, t.height DESC LIMIT 1",
    "ORDER BY t.token, t.height LIMIT $3",
];

/// Parts of statements that may read more, and why. The first one is open: its work has no bound but the size of a table.
const MORE: [&str; 3] = [
    // Accounts that hold, within a scope: as many as there are accounts, where they are more than can be named.
    "FROM ledger.account_standings t WHERE t.height <= $1 AND",
    // The last entry of the log, here before there are statistics of it.
    "SELECT seq, hash FROM access.reads",
    // So many rows for each key that surveillance asks for.
    "newest.item DESC LIMIT $5",
];

/// A database whose every plan is written down.
fn ledger() -> (Postgres, Database) {
    let settings = [&["fsync=off"][..], &WRITTEN_DOWN].concat();
    let postgres = Postgres::start(&settings);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    fill(&postgres, SIZE);
    imagined::fill_sparsely(&postgres);
    let person = |number: &str| format!("decode(lpad(to_hex({number}), 40, '0'), 'hex')");
    let (holder, token) = (person("(h * 30 + p) % 1000 + 1"), bytea(imagined::TOKEN));
    postgres.sql(&format!(
        "INSERT INTO ledger.token_balances SELECT h, p, {token}, 0, {holder}, 1, 5000 + h \
             FROM generate_series(11, 2000) h, generate_series(1, 30) p;
         INSERT INTO ledger.alerts SELECT h, p, 9, 'rule-' || p % 3, {holder}, 'bank-a', {token}, 7, 1 \
             FROM generate_series(11, 2000) h, generate_series(1, 30) p; ANALYZE"
    ));
    (postgres, database)
}

#[test]
fn every_statement_reads_large_tables_by_index_and_a_bounded_number_of_rows() {
    let (postgres, database) = ledger();
    let (mut plans, mut missing, mut flaws) = (Plans::default(), MADE.to_vec(), BTreeMap::new());
    plans.since(&postgres);
    let mut check_all = |postgres: &Postgres| {
        let followed = plans.since(postgres);
        assert!(!followed.is_empty());
        flaws.extend(followed.iter().filter_map(|plan| Some((plan.statement.clone(), flaw(plan)?))));
        missing.retain(|part| !followed.iter().any(|plan| plan.statement.contains(part)));
    };
    on_one_thread(async {
        let reader = Reader::open(&database, 2).await.unwrap();
        for list in LISTS {
            lists(&reader, list).await;
            check_all(&postgres);
        }
        others(&reader).await;
        check_all(&postgres);
        log(&postgres, &ReadLog::open(&database)).await;
        check_all(&postgres);
        judge(&database).await;
        check_all(&postgres);
        findings(&postgres, &reader).await;
        check_all(&postgres);
    });
    let first = flaws.values().next().cloned().unwrap_or_default();
    assert!(flaws.is_empty(), "{} statements, the first of which: {first}", flaws.len());
    assert!(missing.is_empty(), "never asked for: {missing:?}");
}

/// Each filter of a list with many rows is looked up, even if few rows have its value.
#[test]
fn every_filter_of_a_large_list_has_an_index() {
    let (postgres, database) = ledger();
    let many = ["transactions", "logs", "events", "transfers", "alerts", "balances"];
    let mut plans = Plans::default();
    on_one_thread(async {
        let reader = Reader::open(&database, 1).await.unwrap();
        for list in LISTS.iter().filter(|list| many.contains(&list.name)) {
            for filter in list.filters {
                plans.since(&postgres);
                reader
                    .page(list, &Wanted { filters: vec![chosen(list, filter.name, true)], ..wanted() })
                    .await
                    .unwrap();
                let followed = plans.since(&postgres);
                let reads = || followed.iter().flat_map(|plan| &plan.reads);
                let looked_up = reads().any(|read| read.condition.contains(filter.name));
                assert!(looked_up, "{}?{} is not looked up:\n{followed:#?}", list.name, filter.name);
            }
        }
        flows_that_begin_with_too_much_are_refused(&reader).await;
    });
}

async fn flows_that_begin_with_too_much_are_refused(reader: &Reader) {
    let flows = FlowQuery {
        start: Start::Organisation("bank-a".parse().unwrap()),
        direction: Direction::Out,
        hops: 1,
        from: 0,
        to: 2_000,
        token: None,
        least: None,
        scope: Scope::default(),
    };
    let refused = reader.flows(&flows).await.unwrap_err();
    assert!(matches!(refused, FlowError::TooMany) && refused.to_string().contains("`since`"), "{refused}");
    let shorter = reader.flows(&FlowQuery { from: 1_900, hops: 2, ..flows }).await.unwrap();
    assert!(shorter.truncated, "200 parties of the second hop have more than 2,000 transfers");
}

/// What is wrong with a plan.
fn flaw(plan: &Plan) -> Option<String> {
    if MORE.iter().any(|part| plan.statement.contains(part)) {
        return None;
    }
    let is_large =
        |table: &str| LARGE.iter().any(|large| table == *large || table.starts_with(&format!("{large}_p")));
    let through =
        plan.reads.iter().find(|read| read.by == "Seq Scan" && read.rows > 0 && is_large(&read.table));
    match through {
        Some(read) => Some(format!("{} is looked through:\n{plan:#?}", read.table)),
        None => (plan.rows() > MOST).then(|| format!("{} rows are read:\n{plan:#?}", plan.rows())),
    }
}

fn wanted() -> Wanted {
    Wanted::newest(2_000, Scope::default())
}

/// Whom mandates may be over: everything; who acts now and then; it with others, so many that nobody can name them; half of all
/// that happens; a contract of which there is nothing; one that all is of.
fn scopes() -> [Scope; 6] {
    [
        Scope::default(),
        of(&["bank-d"], &[]),
        of(&["bank-c", "bank-d"], &[]),
        of(&["bank-b"], &[]),
        of(&[], &[imagined::OTHER]),
        of(&[], &[imagined::TOKEN]),
    ]
}

/// A value of a filter: one that few rows have, if any, or one that many have.
fn chosen(list: &'static List, filter: &str, is_rare: bool) -> Chosen {
    let kind = list.filters.iter().find(|known| known.name == filter).unwrap().kind;
    let value = match (filter, kind) {
        ("token" | "address" | "contract", _) if is_rare => imagined::OTHER.to_string(),
        ("token" | "address" | "contract", _) => imagined::TOKEN.to_string(),
        ("recipient", _) if list.name == "transactions" && !is_rare => imagined::TOKEN.to_string(),
        ("topic0", _) if !is_rare => {
            // sha256('Transfer(address,address,uint256)'), as the ledger is imagined.
            "0x2fb30cfca4728c7f62d6787ef949fc7943d813f5093ebc6c343c6cc6f3ec1a56".to_owned()
        }
        ("name", _) if !is_rare => "Transfer".into(),
        ("outcome", _) => if is_rare { "7" } else { "0" }.into(),
        (_, Kind::Address) => holder(if is_rare { 20_002 } else { 77 }).to_string(),
        (_, Kind::Hash) => format!("0x{}", "07".repeat(32)),
        (_, Kind::Bytes) => format!("0x{}", if is_rare { "07" } else { "0a" }.repeat(20)),
        (_, Kind::Int | Kind::Number) => "7".into(),
        (_, Kind::Stands) => if is_rare { "lapsed" } else { "provisional" }.into(),
        (_, Kind::Member) if is_rare => "bank-d".into(),
        (_, Kind::Text | Kind::Member) => if is_rare { "nobody" } else { "bank-b" }.into(),
    };
    list.choose(filter, &value).unwrap()
}

/// Everything that can be asked of a list, the first page of each.
async fn lists(reader: &Reader, list: &'static List) {
    let restricted = list.is_journal() || ["accounts", "balances", "contracts"].contains(&list.name);
    for scope in scopes().into_iter().take(if restricted { 6 } else { 2 }) {
        let plain = Wanted { scope, ..wanted() };
        let mut wishes = vec![
            plain.clone(),
            Wanted { newest_first: false, ..plain.clone() },
            Wanted { from: Some(700), to: Some(720), ..plain.clone() },
            Wanted { history: !list.is_journal(), to: Some(1_500), ..plain.clone() },
            Wanted { history: !list.is_journal(), newest_first: false, ..plain.clone() },
        ];
        for is_rare in [true, false] {
            let all: Vec<Chosen> = list.filters.iter().map(|one| chosen(list, one.name, is_rare)).collect();
            let pairs = all.windows(2).map(<[Chosen]>::to_vec);
            let sets = all.iter().map(|one| vec![one.clone()]).chain(pairs);
            for filters in sets {
                let history = !list.is_journal();
                wishes.extend(history.then(|| Wanted { filters: filters.clone(), history, ..plain.clone() }));
                wishes.push(Wanted { filters, ..plain.clone() });
            }
        }
        for wish in wishes {
            let page = reader.page(list, &wish).await.unwrap();
            if let Some(next) = page.next {
                reader.page(list, &Wanted { after: Some(next), ..wish }).await.unwrap();
            }
        }
    }
}

/// What is asked besides lists.
async fn others(reader: &Reader) {
    let tip = reader.tip().await.unwrap().unwrap();
    for edge in [Edge::FirstFrom, Edge::LastUntil] {
        reader.height_at(tip.time_ms - 700_500, edge).await.unwrap();
    }
    for scope in scopes() {
        for number in [6, 20_001, 999_999] {
            reader.account(holder(number), 2_000).await.unwrap();
            reader.picture(holder(number), 2_000, &scope).await.unwrap();
            reader.holdings(holder(number), 1_000, &scope).await.unwrap();
        }
        for start in [
            Start::Account(holder(5)),
            Start::Account(holder(20_001)),
            Start::Organisation("bank-d".parse().unwrap()),
        ] {
            for direction in [Direction::Out, Direction::In] {
                let flows = FlowQuery {
                    start: start.clone(),
                    direction,
                    hops: 5,
                    from: 0,
                    to: 2_000,
                    token: Some(imagined::TOKEN),
                    least: Some("2".parse().unwrap()),
                    scope: scope.clone(),
                };
                reader.flows(&flows).await.unwrap();
                reader.flows(&FlowQuery { token: None, least: None, from: 1_500, ..flows }).await.unwrap();
            }
        }
    }
}

/// The log of reads, on which one organisation has stood for long, and another one once.
async fn log(postgres: &Postgres, log: &ReadLog) {
    let entry = |organisation: &str, account: u8| Entry {
        organisation: Some(organisation.into()),
        account: Some(vec![account; 20]),
        ..super::entry("/v1/status")
    };
    log.append(vec![entry("regulator-b", 2)]).await.unwrap();
    for _ in 0..20 {
        log.append(vec![entry("regulator-a", 1); 1_000]).await.unwrap();
    }
    postgres.sql("ANALYZE access.reads");
    for (organisation, account) in [
        (None, None),
        (Some("regulator-b"), None),
        (None, Some([2; 20])),
        (Some("regulator-a"), Some([2; 20])),
    ] {
        let found =
            log.entries(None, organisation, account.as_ref().map(<[u8; 20]>::as_slice), 100).await.unwrap();
        assert_eq!(
            found.len(),
            match (organisation, account) {
                (None, None) => 100,
                (Some("regulator-a"), _) => 0,
                _ => 1,
            }
        );
    }
    log.head().await.unwrap();
}

/// The last blocks, by rules that ask what accounts did before.
async fn judge(database: &Database) {
    let rule = |id: &str, body: &str| {
        format!("[[rule]]\nid = \"{id}\"\ntitle = \"t\"\ngrade = \"note\"\nreference = \"r\"\n{body}\n")
    };
    let text = format!(
        "version = 1\n{}{}",
        rule("much", "kind = \"abnormal-amount\"\ntimes = 10\nsample = 20\nleast = 5"),
        rule("sleeper", "kind = \"dormant-awakened\"\nidle = { blocks = 100 }\namount = 1"),
    );
    let rules = parse([("rules.toml", text.as_str())]).unwrap();
    let plan = Rules { rules, list: None, limits: Limits::default() };
    let stop = std::sync::atomic::AtomicBool::new(false);
    watch(database, &plan, Some(1_990), Options { until_tip: true }, &stop, &mut |_| ()).await.unwrap();
}

/// Many findings, most of them closed, by each way in which they can be asked for.
async fn findings(postgres: &Postgres, reader: &Reader) {
    postgres.sql(
        "INSERT INTO watch.rules VALUES (sha256('rule'), 'rule-0', '{}', 1);
         INSERT INTO watch.findings SELECT sha256(('finding ' || n)::bytea), n / 20 + 1, n % 20, n * 1000, 'rule-' || n % 3, sha256('rule'), \
             NULL, 'alert', n % 100 <> 0, 'account', '0x' || lpad(to_hex(n % 1000 + 1), 40, '0'), '', '[]', '{}', 'e', 'r' \
             FROM generate_series(1, 30000) n;
         INSERT INTO watch.trail SELECT sha256(('finding ' || n)::bytea), 0, 'close', 'p', 'r', 't', 1, '\\x00' \
             FROM generate_series(1, 29000) n; ANALYZE watch.findings; ANALYZE watch.trail",
    );
    let some = |text: &str| Some(text.to_owned());
    for scope in scopes() {
        let plain = FindingsWanted { as_of: 2_000, limit: 100, scope, ..FindingsWanted::default() };
        let wishes = [
            plain.clone(),
            FindingsWanted { rule: some("rule-1"), ..plain.clone() },
            FindingsWanted { rule: some("nobody"), ..plain.clone() },
            FindingsWanted { account: Some(holder(77)), ..plain.clone() },
            FindingsWanted { organisation: Some("bank-d".parse().unwrap()), ..plain.clone() },
            FindingsWanted { state: some("open"), to: Some(1_400), ..plain.clone() },
            FindingsWanted { grade: some("note"), ..plain.clone() },
            FindingsWanted { judged: Some(false), from: Some(300), to: Some(1_200), ..plain.clone() },
        ];
        for wish in wishes {
            let page = reader.findings(&wish).await.unwrap();
            if let Some(after) = page.next {
                reader.findings(&FindingsWanted { after: Some(after), ..wish }).await.unwrap();
            }
        }
    }
    let (mut wanted, mut open, mut pages) = (FindingsWanted::default(), 0, 0);
    (wanted.as_of, wanted.limit, wanted.state) = (2_000, 1_000, some("open"));
    loop {
        let page = reader.findings(&wanted).await.unwrap();
        (open, pages) = (open + page.rows.len(), pages + 1);
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    assert!(
        open == 1_000 && pages >= 15,
        "{open} in {pages} pages: each is told once, and no page looks at all"
    );
}
