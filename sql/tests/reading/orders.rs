//! Orders as supervisors see them: how each stands after a block, though a lapse leaves no row; and whom it shuts out.

use std::collections::BTreeMap;

use concordat_sql::read::{Reader, Scope, Wanted};
use concordat_tests::{
    imagined::{self, Ordered, Size, Supervisor, bytea, holder, ordered, supervise},
    postgres::Postgres,
};
use concordat_types::Address;
use serde_json::Value;

use super::{Database, list, of, on_one_thread};

/// Whom most orders here are about, and the account of the same person's second key.
const IDENTITY: Address = Address::repeat_byte(0x77);
const SECOND: Address = Address::repeat_byte(0x78);

fn ledger() -> (Postgres, Database) {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = Database::at(&postgres.url()).unwrap();
    on_one_thread(database.migrate()).unwrap();
    imagined::fill(&postgres, Size { blocks: 20, transactions: 2 });
    (postgres, database)
}

fn freeze(id: u64) -> Ordered<'static> {
    Ordered {
        id,
        measure: "freeze-all",
        account: Some(IDENTITY),
        issued: 100,
        lapses: 300,
        ..Ordered::default()
    }
}

/// One order of each fate, imposed at 100: number, and how it stands from which height on.
const FATES: [(u64, &[(i64, &str)]); 7] = [
    (1, &[(100, "provisional"), (300, "provisional"), (301, "lapsed")]),
    (2, &[(100, "provisional"), (200, "provisional"), (201, "lapsed")]),
    (3, &[(149, "provisional"), (150, "confirmed"), (400, "confirmed"), (401, "over")]),
    (4, &[(149, "provisional"), (150, "confirmed"), (100_000, "confirmed")]),
    (5, &[(179, "provisional"), (180, "released"), (100_000, "released")]),
    (6, &[(179, "provisional"), (180, "superseded"), (100_000, "superseded")]),
    (7, &[(250, "confirmed"), (251, "over"), (260, "answered"), (100_000, "answered")]),
];

/// The orders of [`FATES`], step by step.
fn imposed(postgres: &Postgres) {
    let halt = Ordered { measure: "halt", account: None, contract: Some(imagined::TOKEN), ..freeze(3) };
    let demand = Ordered { measure: "demand", account: None, organisation: Some("bank-b"), ..freeze(7) };
    let steps = [
        (100, freeze(1)),
        (100, Ordered { until: 200, ..freeze(2) }),
        (100, Ordered { until: 400, ..halt.clone() }),
        (150, Ordered { until: 400, confirmed: Some(150), ..halt }),
        (100, freeze(4)),
        (150, Ordered { confirmed: Some(150), ..freeze(4) }),
        (100, freeze(5)),
        (180, Ordered { ended: Some((180, "released")), ..freeze(5) }),
        (100, freeze(6)),
        (180, Ordered { ended: Some((180, "superseded")), ..freeze(6) }),
        (100, Ordered { until: 250, ..demand.clone() }),
        (150, Ordered { until: 250, confirmed: Some(150), ..demand.clone() }),
        (260, Ordered { until: 250, confirmed: Some(150), ended: Some((260, "answered")), ..demand }),
    ];
    steps.iter().for_each(|(height, order)| ordered(postgres, *height, order));
}

async fn told(reader: &Reader, as_of: i64, filters: &[(&str, &str)], history: bool) -> Vec<Value> {
    let orders = list("orders");
    let filters = filters.iter().map(|(name, text)| orders.choose(name, text).unwrap()).collect();
    let wanted = Wanted { filters, history, ..Wanted::newest(as_of, Scope::default()) };
    reader.page(orders, &wanted).await.unwrap().rows
}

/// Numbers of orders, the newest first.
fn ids(rows: &[Value]) -> Vec<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[test]
fn each_order_stands_as_its_steps_and_the_height_say() {
    let (postgres, database) = ledger();
    imposed(&postgres);
    on_one_thread(async {
        let reader = Reader::open(&database, 2).await.unwrap();
        assert!(told(&reader, 99, &[], false).await.is_empty(), "before the first there is none");
        for (id, fate) in FATES {
            for (height, stands) in fate {
                let rows = told(&reader, *height, &[("id", &id.to_string())], false).await;
                assert_eq!(rows[0]["stands"], *stands, "order {id} after block {height}");
            }
        }
        orders_are_found_by_what_they_are_about_and_how_they_stand(&reader).await;
        a_history_tells_how_the_order_stands_and_not_how_a_step_left_it(&reader).await;
    });
}

async fn orders_are_found_by_what_they_are_about_and_how_they_stand(reader: &Reader) {
    let found = async |as_of: i64, filters: &[(&str, &str)]| ids(&told(reader, as_of, filters, false).await);
    let token = imagined::TOKEN.to_string();
    assert_eq!(found(300, &[("contract", &token)]).await, [3]);
    assert_eq!(found(300, &[("organisation", "bank-b")]).await, [7]);
    assert_eq!(found(300, &[("account", &IDENTITY.to_string())]).await, [6, 5, 4, 2, 1]);
    let by_stands = async |as_of: i64| {
        let mut all = BTreeMap::new();
        for stands in concordat_sql::read::STANDS {
            let found = found(as_of, &[("stands", stands)]).await;
            all.extend(found.into_iter().map(|id| (id, stands)));
        }
        all
    };
    for (height, expected) in [
        (149, ["provisional"; 7]),
        (201, ["provisional", "lapsed", "confirmed", "confirmed", "released", "superseded", "confirmed"]),
        (500, ["lapsed", "lapsed", "over", "confirmed", "released", "superseded", "answered"]),
    ] {
        assert_eq!(by_stands(height).await, (1..).zip(expected).collect(), "after block {height}");
    }
    assert_eq!(found(500, &[("contract", &token), ("stands", "confirmed")]).await, [0_u64; 0]);
}

async fn a_history_tells_how_the_order_stands_and_not_how_a_step_left_it(reader: &Reader) {
    let rows = told(reader, 401, &[("id", "3")], true).await;
    let told: Vec<_> = rows.iter().map(|row| (&row["height"], &row["status"], &row["stands"])).collect();
    let told = serde_json::to_string(&told).unwrap();
    assert_eq!(told, r#"[[150,"confirmed","over"],[100,"provisional","over"]]"#);
}

/// The identity's key was lost at 200: its second account acts since.
fn recovered(postgres: &Postgres) {
    let (identity, second) = (bytea(IDENTITY), bytea(SECOND));
    postgres.sql(&format!(
        "INSERT INTO ledger.account_standings VALUES (50, 900, NULL, false, {identity}, 'active', 'operator', false, 4000000000, 2, '\\x01'), \
             (200, 901, NULL, false, {second}, 'active', 'operator', true, 4000000000, 2, '\\x02'); \
         INSERT INTO ledger.identities VALUES (200, 0, NULL, false, {second}, {identity}); \
         INSERT INTO ledger.freezes VALUES (210, 0, NULL, false, {identity}, 'all', '\\x', 'Order 1', 450, false, 210, 1); \
         INSERT INTO ledger.alerts VALUES (15, 9, 9, 'rule-9', {identity}, 'bank-b', '\\x', 7, 1)"
    ));
}

#[test]
fn a_picture_shows_what_binds_an_identity_whichever_of_its_keys_is_looked_at() {
    let (postgres, database) = ledger();
    imposed(&postgres);
    recovered(&postgres);
    on_one_thread(async {
        let reader = Reader::open(&database, 2).await.unwrap();
        let of_bank = of(&["bank-b"], &[]);
        let picture =
            async |account, height| reader.picture(account, height, &of_bank).await.unwrap().unwrap();
        let binding = |picture: &Value| ids(picture["binding"].as_array().unwrap());
        let second = picture(SECOND, 300).await;
        assert_eq!(second["account"]["status"], "active", "orders leave no mark in the standing");
        assert_eq!(binding(&second), [1, 4]);
        assert_eq!(
            ids(second["orders"].as_array().unwrap()),
            [6, 5, 4, 2, 1],
            "those that bind no more, too"
        );
        assert_eq!(second["orders"][1]["stands"], "released");
        assert_eq!(second["freezes"][0]["until"], "450", "the committee's");
        assert_eq!(
            (&second["alerts"][0]["rule"], &second["counts"]["alerts"]["count"]),
            (&"rule-9".into(), &1.into())
        );
        assert_eq!(binding(&picture(SECOND, 301).await), [4], "one has lapsed");
        assert_eq!(binding(&picture(IDENTITY, 100).await), [6, 5, 4, 2, 1]);
        let other = picture(holder(2), 300).await;
        assert_eq!((binding(&other), &other["orders"]), (vec![], &Value::Array(vec![])));
    });
}

#[test]
fn an_order_shuts_out_an_identity_with_every_key_and_a_blacklisting_the_person() {
    let (postgres, database) = ledger();
    let [auditor, namesake, stranger] = [1, 2, 3].map(Address::repeat_byte);
    for account in [auditor, namesake, stranger] {
        let supervisor =
            Supervisor { account, fingerprint: [7; 32], role: "auditor", not_after: 9, mandate: None };
        supervise(&postgres, 50, &supervisor);
    }
    // One person with two accounts; another of the same organisation; and of another organisation somebody so called.
    let name = |account: Address, name: &str| {
        let statement = format!(
            "UPDATE ledger.account_details SET common_name = '{name}' WHERE account = {}",
            bytea(account)
        );
        postgres.sql(&statement);
    };
    name(auditor, "Alice Miller");
    name(namesake, " ALICE  miller");
    name(stranger, "Alice Muller");
    name(holder(2), "Alice Miller");
    let on = |id: u64, measure: &'static str, issued: u64| Ordered {
        measure,
        account: Some(auditor),
        issued,
        lapses: issued + 50,
        ..freeze(id)
    };
    ordered(&postgres, 100, &on(1, "freeze-outgoing", 100));
    ordered(&postgres, 100, &on(2, "freeze-token", 100));
    ordered(&postgres, 200, &on(3, "freeze-all", 200));
    ordered(&postgres, 300, &on(4, "blacklist", 300));
    ordered(&postgres, 320, &Ordered { confirmed: Some(320), ..on(4, "blacklist", 300) });
    ordered(
        &postgres,
        400,
        &Ordered { confirmed: Some(320), ended: Some((400, "released")), ..on(4, "blacklist", 300) },
    );
    on_one_thread(async {
        let reader = Reader::open(&database, 2).await.unwrap();
        let order = async |account, height| reader.account(account, height).await.unwrap().unwrap().order;
        assert_eq!(order(auditor, 150).await, None, "an end of business alone keeps nobody from reading");
        assert_eq!((order(auditor, 200).await, order(auditor, 250).await), (Some(3), Some(3)));
        assert_eq!(order(auditor, 251).await, None, "it has lapsed");
        assert_eq!(order(namesake, 200).await, None, "a freeze is of one identity");
        for height in [300, 399] {
            assert_eq!((order(auditor, height).await, order(namesake, height).await), (Some(4), Some(4)));
            assert_eq!((order(stranger, height).await, order(holder(2), height).await), (None, None));
        }
        assert_eq!((order(auditor, 400).await, order(namesake, 400).await), (None, None));
    });
}
