//! What supervisors read, from a real PostgreSQL: the right rows, by the indexes, and what is logged of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod orders;
mod pages;
mod plans;

use concordat_sql::{
    Database, SqlError,
    read::{
        Direction, Edge, Entry, Flaw, FlowQuery, Held, LISTS, List, ReadLog, Reader, Scope, Start, Wanted,
        Work, verify_reads,
    },
};
use concordat_tests::{
    imagined::{self, EVERYTHING, Size, Supervisor, bytea, fill, holder, supervise},
    postgres::Postgres,
};
use concordat_types::{Address, OrgId};

const SIZE: Size = Size { blocks: 2_000, transactions: 20 };

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A database with an imagined ledger.
fn ledger() -> (Postgres, Database) {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    fill(&postgres, SIZE);
    (postgres, database)
}

fn wanted() -> Wanted {
    Wanted::newest(2_000, Scope::default())
}

fn list(name: &str) -> &'static List {
    List::named(name).unwrap()
}

/// These organisations and these contracts, and nothing else.
fn of(organisations: &[&str], contracts: &[Address]) -> Scope {
    let organisations = organisations.iter().map(|org| org.parse().unwrap()).collect();
    Scope { organisations: Some(organisations), contracts: Some(contracts.iter().copied().collect()) }
}

#[test]
fn lists_are_read_page_by_page_and_within_a_scope() {
    let (postgres, database) = ledger();
    on_one_thread(async {
        let reader = Reader::open(&database, 4).await.unwrap();
        let tip = reader.tip().await.unwrap().unwrap();
        assert_eq!((tip.height, &*tip.chain_id), (2_000, "imagined"));
        pages_follow_each_other_without_a_gap(&reader).await;
        a_scope_leaves_rows_out(&reader).await;
        registers_tell_what_held_at_any_height(&reader).await;
        times_are_found(&reader, tip.time_ms).await;
        flows_are_followed(&reader).await;
        pictures_are_whole(&reader).await;
    });
    drop(postgres);
}

#[test]
fn what_a_mandate_shows_is_the_same_whether_its_parties_are_few_or_many() {
    let (postgres, database) = ledger();
    imagined::fill_sparsely(&postgres);
    on_one_thread(async {
        let reader = Reader::open(&database, 4).await.unwrap();
        for list in LISTS.iter().filter(|list| list.is_journal() || list.name == "balances") {
            let count =
                [("transactions", 31), ("logs", 30), ("events", 15), ("transfers", 15), ("alerts", 11)];
            let count = count.iter().find(|(name, _)| *name == list.name).map(|(_, count)| *count);
            few_and_many_are_shown_the_same(&reader, list, count).await;
        }
    });
    drop(postgres);
}

/// What a history shows is compared with what plain SQL says, where little work is allowed for a page and where much is.
#[test]
fn histories_are_whole_however_little_is_done_for_a_page() {
    let (postgres, database) = ledger();
    imagined::fill_sparsely(&postgres);
    let (token, other) = (bytea(imagined::TOKEN), bytea(imagined::OTHER));
    postgres.sql(&format!(
        "INSERT INTO ledger.token_balances SELECT h, p, CASE WHEN p < 3 THEN {other} ELSE {token} END, p, \
             decode(lpad(to_hex(h % 9 + 1), 40, '0'), 'hex'), 1, CASE WHEN h < 20 THEN 1 ELSE 5 END \
         FROM generate_series(11, 900) h, generate_series(1, 4) p"
    ));
    let (balances, accounts) = (list("balances"), list("accounts"));
    let chosen = |list: &'static List, name: &str, value: Address| {
        vec![list.choose(name, &value.to_string()).unwrap()]
    };
    let of_b = format!(
        "(t.token = {other} OR EXISTS (SELECT FROM ledger.account_standings s \
             WHERE s.account = t.holder AND s.authority = 2))"
    );
    let of_c = "EXISTS (SELECT FROM ledger.authorities a WHERE a.authority = t.authority AND a.organisation = 'bank-c')";
    let cases = [
        (balances, of(&["bank-b"], &[]), vec![], of_b.clone()),
        (
            balances,
            of(&["bank-b"], &[]),
            chosen(balances, "token", imagined::TOKEN),
            format!("t.token = {token} AND {of_b}"),
        ),
        (
            balances,
            of(&["bank-b"], &[]),
            chosen(balances, "holder", holder(3)),
            format!("t.holder = {} AND {of_b}", bytea(holder(3))),
        ),
        (
            balances,
            Scope::default(),
            chosen(balances, "holder", holder(3)),
            format!("t.holder = {}", bytea(holder(3))),
        ),
        (
            balances,
            Scope::default(),
            chosen(balances, "token", imagined::OTHER),
            format!("t.token = {other}"),
        ),
        (accounts, of(&["bank-c"], &[]), vec![], of_c.to_owned()),
    ];
    on_one_thread(async {
        for page in [10, 300, 50_000] {
            let reader =
                Reader::open(&database, 1).await.unwrap().with_work(Work { page, ..Work::default() });
            for (list, scope, filters, condition) in &cases {
                for newest_first in [true, false] {
                    let wanted =
                        Wanted { scope: scope.clone(), filters: filters.clone(), newest_first, ..wanted() };
                    history_is(&reader, list, wanted, &plainly(&postgres, list, condition, newest_first))
                        .await;
                }
            }
        }
    });
}

/// Where the rows of a table stand that have a condition.
fn plainly(postgres: &Postgres, list: &List, condition: &str, newest_first: bool) -> Vec<Vec<String>> {
    let table = if list.name == "balances" { "token_balances" } else { "account_standings" };
    let order = if newest_first { "height DESC, place DESC" } else { "height, place" };
    let rows = postgres
        .sql(&format!("SELECT height, place FROM ledger.{table} t WHERE {condition} ORDER BY {order}"));
    rows.lines().map(|line| line.split('|').map(ToOwned::to_owned).collect()).collect()
}

async fn history_is(reader: &Reader, list: &'static List, wanted: Wanted, expected: &[Vec<String>]) {
    assert!(expected.len() > 10, "{} rows show nothing", expected.len());
    let (mut wanted, mut seen) = (Wanted { history: true, limit: 150, ..wanted }, Vec::new());
    loop {
        let page = reader.page(list, &wanted).await.unwrap();
        seen.extend(page.places);
        assert!(seen.len() <= expected.len(), "{}: a row comes twice", list.name);
        wanted.after = page.next;
        if wanted.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected, "{} {:?}", list.name, wanted.filters);
}

/// One organisation with few accounts; it and another one with so many that they cannot be named, of which there is nothing.
fn few_and_many() -> [Scope; 2] {
    [of(&["bank-d"], &[]), of(&["bank-c", "bank-d"], &[])]
}

async fn few_and_many_are_shown_the_same(reader: &Reader, list: &'static List, count: Option<usize>) {
    let [few, many] = few_and_many();
    for newest_first in [true, false] {
        let of_few = all_of(reader, list, few.clone(), newest_first).await;
        assert_eq!(of_few, all_of(reader, list, many.clone(), newest_first).await, "{}", list.name);
        assert!(count.is_none_or(|count| of_few.len() == count), "{}: {}", list.name, of_few.len());
    }
}

/// Where all rows of a list stand that a scope shows, page by page. Of what is everybody's, the first ones.
async fn all_of(reader: &Reader, list: &'static List, scope: Scope, newest_first: bool) -> Vec<Vec<String>> {
    let mut wanted = Wanted { scope, newest_first, limit: 7, ..wanted() };
    let mut seen = Vec::new();
    loop {
        let page = reader.page(list, &wanted).await.unwrap();
        seen.extend(page.places);
        wanted.after = page.next;
        if wanted.after.is_none() || seen.len() >= 70 {
            return seen;
        }
    }
}

async fn pages_follow_each_other_without_a_gap(reader: &Reader) {
    for (name, newest_first, count) in [("transactions", true, 40_000), ("accounts", false, 1000)] {
        let mut wanted = Wanted { newest_first, limit: 1000, ..wanted() };
        let mut seen = Vec::new();
        loop {
            let page = reader.page(list(name), &wanted).await.unwrap();
            seen.extend(page.places);
            wanted.after = page.next;
            if wanted.after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), count, "{name}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "{name}: none twice");
    }
}

async fn a_scope_leaves_rows_out(reader: &Reader) {
    let count = async |name: &str, scope: Scope| {
        let limited = Wanted { scope, limit: 1000, to: Some(30), ..wanted() };
        reader.page(list(name), &limited).await.unwrap().rows.len()
    };
    let (all, bank_a, nobody) = (Scope::default(), of(&["bank-a"], &[]), of(&["bank-x"], &[]));
    assert_eq!(count("transactions", all.clone()).await, 600);
    // The token is bank-a's, so that its holders of bank-b are shown with it.
    assert_eq!(count("transactions", bank_a.clone()).await, 600);
    assert_eq!(count("transactions", of(&["bank-b"], &[])).await, 300);
    assert_eq!(count("transactions", nobody.clone()).await, 0);
    assert_eq!(count("transactions", of(&[], &[imagined::OTHER])).await, 0);
    assert_eq!(count("accounts", bank_a.clone()).await, 500);
    assert_eq!(count("accounts", nobody.clone()).await, 0);
    assert_eq!(count("contracts", bank_a).await, 1);
    assert_eq!(
        count("organisations", nobody).await,
        3,
        "how the network is governed is everybody's business"
    );
    assert_eq!(count("transactions", of(&["bank-b"], &[imagined::TOKEN])).await, 600, "either suffices");
    let holder_of_b = Wanted {
        scope: of(&["bank-a"], &[]),
        filters: vec![list("accounts").choose("account", &holder(2).to_string()).unwrap()],
        ..wanted()
    };
    assert!(reader.page(list("accounts"), &holder_of_b).await.unwrap().rows.is_empty());
}

async fn registers_tell_what_held_at_any_height(reader: &Reader) {
    let balance = async |as_of: i64| {
        let filters = vec![list("balances").choose("holder", &holder(7).to_string()).unwrap()];
        let page = reader.page(list("balances"), &Wanted { as_of, filters, ..wanted() }).await.unwrap();
        page.rows.first().map(|row| row["balance"].as_str().unwrap().to_owned())
    };
    assert_eq!(balance(0).await, None);
    assert_eq!(balance(1).await.as_deref(), Some("7"));
    assert_eq!(balance(9).await.as_deref(), Some("7"));
    assert_eq!(balance(2_000).await.as_deref(), Some("14"));
    let held = reader.holdings(holder(7), 9, &Scope::default()).await.unwrap();
    assert_eq!((held.len(), &*held[0].balance, held[0].height), (1, "7", 1));
    let open = async |as_of: i64| {
        let filters = vec![list("proposals").choose("status", "open").unwrap()];
        reader.page(list("proposals"), &Wanted { as_of, filters, ..wanted() }).await.unwrap().rows.len()
    };
    assert_eq!((open(5).await, open(2_000).await), (50, 10));
    let seats =
        async |as_of| reader.page(list("seats"), &Wanted { as_of, ..wanted() }).await.unwrap().rows.len();
    assert_eq!((seats(5).await, seats(2_000).await), (2, 1), "who lost a seat is not there");
    let history = Wanted {
        history: true,
        filters: vec![list("proposals").choose("proposal", "7").unwrap()],
        ..wanted()
    };
    let told = reader.page(list("proposals"), &history).await.unwrap().rows;
    assert_eq!(
        told.iter().map(|row| row["status"].as_str().unwrap()).collect::<Vec<_>>(),
        ["executed", "open"]
    );
    assert!(told[0]["time"].as_str().unwrap().ends_with('Z'));
}

async fn times_are_found(reader: &Reader, newest: i64) {
    let at = async |time, edge| reader.height_at(time, edge).await.unwrap();
    assert_eq!(at(newest, Edge::LastUntil).await, Some(2_000));
    assert_eq!(at(newest - 1, Edge::LastUntil).await, Some(1_999));
    assert_eq!(at(newest - 10_500, Edge::FirstFrom).await, Some(1_990));
    assert_eq!(at(newest + 1, Edge::FirstFrom).await, None);
}

async fn flows_are_followed(reader: &Reader) {
    let query = FlowQuery {
        start: Start::Account(holder(5)),
        direction: Direction::Out,
        hops: 3,
        from: 0,
        to: 2_000,
        token: None,
        least: None,
        scope: Scope::default(),
    };
    let flows = reader.flows(&query).await.unwrap();
    let told: Vec<_> =
        flows.flows.iter().map(|flow| (flow.hop, flow.recipient.clone(), flow.transfers)).collect();
    let name = |number| format!("{:#x}", holder(number));
    assert_eq!(told, [(1, name(6), 40), (2, name(7), 40), (3, name(8), 40)]);
    assert_eq!(flows.parties[&name(6)], "bank-b");
    assert!(!flows.truncated && flows.organisations.len() == 2);
    let back = FlowQuery { direction: Direction::In, hops: 1, ..query.clone() };
    assert_eq!(reader.flows(&back).await.unwrap().flows[0].sender, name(4));
    let few = FlowQuery { scope: of(&["bank-x"], &[imagined::TOKEN]), ..query.clone() };
    assert_eq!(
        reader.flows(&few).await.unwrap().flows,
        flows.flows,
        "all are of a token that the scope names"
    );
    let nothing = FlowQuery { scope: of(&["bank-x"], &[]), ..query.clone() };
    assert!(reader.flows(&nothing).await.unwrap().flows.is_empty());
    let least = FlowQuery { least: Some("1000000".parse().unwrap()), ..query.clone() };
    assert!(reader.flows(&least).await.unwrap().flows.is_empty());
    let bank = FlowQuery { start: Start::Organisation("bank-a".parse().unwrap()), hops: 1, ..query };
    let flows = reader.flows(&bank).await.unwrap();
    assert_eq!(flows.flows.len(), 500);
    let sums = &flows.organisations;
    assert_eq!(
        (sums.len(), sums[0].sender.as_deref(), sums[0].recipient.as_deref()),
        (1, Some("bank-a"), Some("bank-b"))
    );
}

async fn pictures_are_whole(reader: &Reader) {
    let whole = Scope::default();
    let picture = reader.picture(holder(6), 2_000, &whole).await.unwrap().unwrap();
    assert_eq!(picture["account"]["organisation"], "bank-b");
    assert_eq!(picture["account"]["common_name"], "holder 6");
    assert_eq!(picture["counts"]["sent"], serde_json::json!({ "count": 40, "more": false }));
    assert_eq!(picture["balances"][0]["balance"], "12");
    assert_eq!(picture["sent"].as_array().unwrap().len(), 20);
    assert!(reader.picture(holder(6), 2_000, &of(&["bank-a"], &[])).await.unwrap().is_none());
    assert!(reader.picture(Address::repeat_byte(9), 2_000, &whole).await.unwrap().is_none());
}

#[test]
fn an_account_is_told_as_the_registry_has_it_at_each_height() {
    let (postgres, database) = ledger();
    let account = Address::repeat_byte(0x77);
    let supervisor = Supervisor {
        account,
        fingerprint: [7; 32],
        role: "regulator",
        not_after: 9,
        mandate: Some(EVERYTHING),
    };
    supervise(&postgres, 100, &supervisor);
    imagined::mandated(&postgres, 200, account, EVERYTHING, true);
    postgres.sql(&format!(
        "INSERT INTO ledger.revocations VALUES (300, 0, NULL, false, sha256('authority 2'), sha256({0}), 1, 0);
         INSERT INTO ledger.freezes VALUES (400, 0, NULL, false, {0}, 'all', '\\x', 'Order 1', 450, false, 400, 1);
         INSERT INTO ledger.freezes VALUES (500, 0, NULL, true, {0}, 'all', '\\x', 'Order 1', 450, false, 400, 1);
         INSERT INTO ledger.organisations VALUES (600, 0, NULL, false, 'regulator-a', 'Name', 'suspended', '', 0, 0, '[]')",
        bytea(account)
    ));
    on_one_thread(async {
        let reader = Reader::open(&database, 2).await.unwrap();
        let at = async |height| reader.account(account, height).await.unwrap();
        assert_eq!(at(99).await, None);
        let found = at(100).await.unwrap();
        assert_eq!(
            (&*found.role, found.not_after, found.fingerprint.as_deref()),
            ("regulator", 9, Some(&[7; 32][..]))
        );
        assert_eq!(found.organisation.as_deref(), Some("regulator-a"));
        assert!(found.organisation_active && !found.revoked && found.freeze.is_none());
        assert!(found.mandate.unwrap().observes);
        assert_eq!(at(200).await.unwrap().mandate, None);
        assert!(!at(299).await.unwrap().revoked && at(300).await.unwrap().revoked);
        assert_eq!(at(400).await.unwrap().freeze, Some(("all".into(), 450)));
        assert_eq!(at(500).await.unwrap().freeze, None);
        assert!(!at(600).await.unwrap().organisation_active);
    });
}

fn entry(path: &str) -> Entry {
    Entry { path: path.into(), method: "GET".into(), status: 200, ..Entry::default() }
}

#[test]
fn whoever_changes_the_log_of_reads_is_found_out() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(async {
        database.migrate().await.unwrap();
        let log = ReadLog::open(&database);
        for piece in 0..4 {
            let entries = (0..3).map(|number| entry(&format!("/v1/blocks/{piece}-{number}\0"))).collect();
            log.append(entries).await.unwrap();
        }
        let head = log.head().await.unwrap();
        let verified =
            verify_reads(&database, &[(12, hex::decode(&head.head).unwrap())], None).await.unwrap();
        assert_eq!((verified.flaw, &verified.head, verified.anchors), (None, &head, 1));

        let refused = postgres.refused("UPDATE access.reads SET status = 404 WHERE seq = 5");
        assert!(refused.contains("only ever added to"), "{refused}");
        assert!(postgres.refused("DELETE FROM access.reads").contains("only ever added to"));
        assert!(postgres.refused("TRUNCATE access.reads").contains("only ever added to"));

        let without = |edit: &str| {
            postgres.sql(&format!("SET session_replication_role = replica; {edit}"));
        };
        let flaw = async || {
            verify_reads(&database, &[(12, hex::decode(&head.head).unwrap())], None).await.unwrap().flaw
        };
        without(
            "CREATE TABLE kept AS SELECT * FROM access.reads; UPDATE access.reads SET path = '/v1/status' WHERE seq = 5",
        );
        assert_eq!(flaw().await, Some(Flaw::Altered { seq: 5 }));
        let restore = "DELETE FROM access.reads; INSERT INTO access.reads SELECT * FROM kept";
        without(restore);
        without("DELETE FROM access.reads WHERE seq = 7");
        assert_eq!(flaw().await, Some(Flaw::Removed { seq: 7 }));
        without(restore);
        without("DELETE FROM access.reads WHERE seq > 10");
        assert_eq!(flaw().await, Some(Flaw::Cut { anchored: 12, found: 10 }));
        without(restore);
        without(
            "INSERT INTO access.reads SELECT 0, time_ms, account, organisation, certificate, purpose, case_ref, method, path, status, rows, as_of, previous, hash FROM kept WHERE seq = 1",
        );
        assert_eq!(flaw().await, Some(Flaw::Removed { seq: 1 }), "before the first there is none");
        without(restore);
        assert_eq!(flaw().await, None);
    });
}

#[test]
fn what_the_chain_has_of_a_log_is_compared_and_never_another_organisations() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    let [own, other] = ["regulator-a", "regulator-b"].map(|id| id.parse::<OrgId>().unwrap());
    let anchored = |height: u64, whose: &OrgId, head: &str, count: i64| {
        postgres.sql(&format!(
            "INSERT INTO ledger.read_anchors VALUES ({height}, 0, NULL, false, '{whose}', '\\x{head}', {count}, {height}, '\\x01')"
        ));
    };
    on_one_thread(async {
        database.migrate().await.unwrap();
        let log = ReadLog::open(&database);
        log.append((0..5).map(|number| entry(&format!("/v1/blocks/{number}"))).collect()).await.unwrap();
        assert_eq!(log.held().await.unwrap(), None);
        let (third, last) = (log.head_at(3).await.unwrap().unwrap().head, log.head().await.unwrap().head);
        anchored(7, &own, &third, 3);
        let verified = verify_reads(&database, &[], None).await.unwrap();
        assert_eq!((verified.flaw, verified.anchors), (None, 1));
        assert_eq!(log.held().await.unwrap(), Some(Held { count: 3, height: 7, time_ms: None }));

        anchored(8, &other, &"ab".repeat(32), 4);
        let unclear = verify_reads(&database, &[], None).await.unwrap_err().to_string();
        assert!(unclear.contains("regulator-a, regulator-b have anchored"), "{unclear}");
        let flaw = async |whose| verify_reads(&database, &[], Some(whose)).await.unwrap().flaw;
        assert_eq!((flaw(&own).await, flaw(&other).await), (None, Some(Flaw::Anchor { seq: 4 })));
        assert_eq!(log.held().await.unwrap().unwrap().height, 7);
        anchored(9, &own, &last, 5);
        postgres.sql("SET session_replication_role = replica; DELETE FROM access.reads WHERE seq = 5");
        assert_eq!(flaw(&own).await, Some(Flaw::Cut { anchored: 5, found: 4 }));
        assert_eq!(log.held().await.unwrap().unwrap().count, 3, "what still holds");
    });
}

#[test]
fn two_services_add_to_one_log_without_a_gap() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(async {
        database.migrate().await.unwrap();
        let (one, other) = (ReadLog::open(&database), ReadLog::open(&database));
        let add = async |log: &ReadLog| {
            for _ in 0..50 {
                log.append(vec![entry("/v1/status"), entry("/v1/blocks")]).await.unwrap();
            }
        };
        tokio::join!(add(&one), add(&other));
        let verified = verify_reads(&database, &[], None).await.unwrap();
        assert_eq!((verified.head.count, verified.flaw), (200, None));
    });
}

#[test]
fn the_role_of_the_service_reads_the_ledger_and_only_adds_to_the_log() {
    let (postgres, _) = ledger();
    let as_service = |statement: &str| format!("SET ROLE concordat_service; {statement}");
    assert!(postgres.sql(&as_service("SELECT count(*) > 0 FROM ledger.transactions")).ends_with('t'));
    for statement in
        ["DELETE FROM access.reads", "UPDATE access.reads SET status = 1", "DELETE FROM ledger.blocks"]
    {
        let refused = postgres.refused(&as_service(statement));
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

#[test]
fn a_schema_of_another_program_is_refused() {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(async {
        assert!(matches!(Reader::open(&database, 1).await, Err(SqlError::SchemaOlder { .. })));
        database.migrate().await.unwrap();
        assert!(Reader::open(&database, 1).await.is_ok());
        postgres.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
        assert!(matches!(Reader::open(&database, 1).await, Err(SqlError::SchemaNewer { .. })));
    });
}
