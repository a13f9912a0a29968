//! Supervisors read over mutual TLS what their mandates cover, and nothing else; whatever they do is on the log. The service,
//! PostgreSQL and all certificates are real.

use std::{
    io::BufRead,
    process::Command,
    time::{Duration, Instant},
};

use alloy_primitives::hex;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use concordat_tests::{
    Network, PATIENCE, committee, concordat, get,
    imagined::{self, EVERYTHING, Ordered, Size, Supervisor, bytea, holder, now_ms, supervise},
    postgres::Postgres,
    run, skip,
    supervision::{Holder, Pki, Regulator, Service, database, line, problem, request},
};
use serde_json::{Value, json};

const SIZE: Size = Size { blocks: 200, transactions: 10 };

const BANK_B: &str =
    r#"{"jurisdiction":"EU","organisations":["bank-b"],"contracts":[],"powers":["observe"],"until":0}"#;

/// A database with whoever reads it: a regulator of everything, one of bank B, and an auditor.
fn office(size: Size) -> (Postgres, Pki, [Holder; 3]) {
    let (postgres, pki) = (database(size), Pki::new());
    let [alice, bob] = ["alice", "bob"].map(|name| pki.give("regulator", name, &[]));
    let auditor = pki.give("auditor", "auditor", &[]);
    supervise(&postgres, 100, &alice.supervisor("regulator", Some(EVERYTHING)));
    supervise(&postgres, 100, &bob.supervisor("regulator", Some(BANK_B)));
    supervise(&postgres, 100, &auditor.supervisor("auditor", None));
    (postgres, pki, [alice, bob, auditor])
}

#[test]
fn supervisors_read_what_their_mandates_cover_and_every_read_is_on_the_log() {
    let (postgres, pki, [alice, bob, auditor]) = office(SIZE);
    let service = Service::start(&postgres, &pki, "");
    let token = service.token(&alice);
    what_is_there_is_told(&service, &alice, &token);
    pages_go_on_and_their_cursors_belong_to_them(&service, &alice, &token);
    what_is_not_understood_is_a_problem(&service, &alice, &token);
    a_mandate_shows_its_banks_and_a_token_less(&service, &bob);
    auditors_see_the_log_and_nothing_else(&service, &auditor, &alice);
    ranges_are_exported_and_go_on_where_they_ended(&service, &alice, &token);
    the_commands_ask_too(&service, &pki, &alice);
    operations_are_told_numbers(&service);
    an_auditor_whom_an_order_shuts_out_gets_nothing(&postgres, &service, &auditor);
    the_log_is_whole_until_somebody_edits_it(&postgres, &alice);
}

fn what_is_there_is_told(service: &Service, alice: &Holder, token: &str) {
    let read = |path: &str| service.read(alice, token, path);
    assert_eq!(read("/v1/status")["height"], 200);
    let status = read("/v1/status");
    assert_eq!(
        (&status["you"]["organisation"], &status["you"]["jurisdiction"]),
        (&json!("regulator-a"), &json!("EU"))
    );
    assert_eq!(status["commit"], json!({ "height": 199, "round": 0, "validators": 4, "absent": [] }));
    assert_eq!(status["node"], Value::Null, "none is configured");
    assert_eq!(read("/v1/blocks?limit=3")["data"].as_array().unwrap().len(), 3);
    let block = read("/v1/blocks/150");
    let hash = block["data"]["hash"].as_str().unwrap();
    assert_eq!(read(&format!("/v1/blocks/{hash}"))["data"]["height"], 150);
    let sender = holder(7);
    let transactions = read(&format!("/v1/transactions?sender={sender}"));
    assert_eq!(transactions["data"][0]["sender"], format!("{sender:#x}"));
    let hash = transactions["data"][0]["hash"].as_str().unwrap();
    let transaction = read(&format!("/v1/transactions/{hash}"));
    assert_eq!(transaction["logs"].as_array().unwrap().len(), 1, "its own alone");
    assert_eq!(transaction["transfers"][0]["sender"], format!("{sender:#x}"));
    assert_eq!(read(&format!("/v1/accounts/{sender}"))["account"]["organisation"], "bank-a");
    assert_eq!(read(&format!("/v1/accounts/{sender}/balances?at=5"))["data"][0]["balance"], "7");
    assert_eq!(read(&format!("/v1/balances?holder={sender}"))["data"][0]["balance"], "14");
    assert_eq!(read("/v1/organisations/bank-a")["accounts"].as_array().unwrap().len(), 100);
    assert_eq!(read("/v1/proposals/7")["ballots"][0]["choice"], "yes");
    assert_eq!(read(&format!("/v1/contracts/{}", imagined::TOKEN))["data"]["organisation"], "bank-a");
    let flows = read(&format!("/v1/flows?account={sender}&hops=3"));
    assert_eq!(flows["flows"].as_array().unwrap().len(), 3);
    assert_eq!(read("/v1/openapi.json")["openapi"], "3.1.0");
    assert_eq!(read("/v1/jwks")["keys"][0]["crv"], "P-256");
    for path in [
        "commits",
        "logs",
        "events",
        "transfers",
        "accounts",
        "seats",
        "regulators",
        "alerts",
        "policies",
        "freezes",
    ] {
        assert!(read(&format!("/v1/{path}"))["data"].is_array(), "{path}");
    }
    let answer = service.get(alice, token, "/v1/status");
    assert!(
        answer.head.contains("concordat-height: 200") && answer.head.contains("no-store"),
        "{}",
        answer.head
    );
}

fn pages_go_on_and_their_cursors_belong_to_them(service: &Service, alice: &Holder, token: &str) {
    let first = service.read(alice, token, "/v1/transactions?limit=700&from=1&to=100");
    let next = first["next"].as_str().unwrap();
    let second =
        service.read(alice, token, &format!("/v1/transactions?limit=700&from=1&to=100&cursor={next}"));
    assert_eq!(second["data"].as_array().unwrap().len(), 300);
    assert_eq!(second["next"], Value::Null);
    let other = service.refused(alice, token, &format!("/v1/transactions?from=1&to=99&cursor={next}"));
    assert_eq!(other, "foreign-cursor");
    assert_eq!(service.refused(alice, token, &format!("/v1/blocks?cursor={next}")), "foreign-cursor");
    assert_eq!(service.refused(alice, token, "/v1/blocks?cursor=AAAA"), "malformed");
}

fn what_is_not_understood_is_a_problem(service: &Service, alice: &Holder, token: &str) {
    let problems = [
        ("/v1/nothing", "not-found"),
        ("/", "not-found"),
        ("/v1/blocks/999999", "not-found"),
        ("/v1/token", "method"),
        ("/v1/blocks?limit=0", "malformed"),
        ("/v1/blocks?limit=1001", "malformed"),
        ("/v1/blocks?from=-1", "malformed"),
        ("/v1/blocks?since=yesterday", "malformed"),
        ("/v1/blocks?nonsense=1", "malformed"),
        ("/v1/transactions?sender=0x12", "malformed"),
        ("/v1/transactions?sender=1%27%20OR%20%271%27=%271", "malformed"),
        ("/v1/accounts/0x12", "malformed"),
        ("/v1/flows", "malformed"),
        ("/v1/flows?account=0x0000000000000000000000000000000000000007&hops=6", "malformed"),
        ("/v1/accounts?at=201", "ahead"),
        ("/v1/export/blocks?to=999", "ahead"),
        ("/v1/reads", "role"),
    ];
    for (path, kind) in problems {
        assert_eq!(service.refused(alice, token, path), kind, "{path}");
    }
    for nasty in ["x%27;DROP%20TABLE%20ledger.blocks;--", "%27%20OR%20TRUE--", "%00", "%F0%9F%92%A3"] {
        let answer = service.get(alice, token, &format!("/v1/organisations?organisation={nasty}"));
        let empty = answer.status == 200 && answer.body["data"] == json!([]);
        assert!(empty || problem(&answer) == "malformed", "{answer:?}");
        assert!(!answer.body.to_string().to_lowercase().contains("select"), "{answer:?}");
    }
    assert_eq!(service.read(alice, token, "/v1/blocks?limit=1")["data"][0]["height"], 200, "nothing is gone");
    let huge = request("POST", "/v1/token", "", &"x".repeat(20_000));
    assert_eq!(problem(&service.send(alice, &huge)), "too-large");
    let long = format!("/v1/blocks?nonsense={}", "x".repeat(5_000));
    assert_eq!(service.refused(alice, token, &long), "malformed");
    let wish = |purpose: &str, case: &str| {
        problem(&service.ask_token(alice, &json!({ "purpose": purpose, "case": case })))
    };
    assert_eq!((wish("curiosity", "1"), wish("audit", "")), ("purpose".into(), "malformed".into()));
}

fn a_mandate_shows_its_banks_and_a_token_less(service: &Service, bob: &Holder) {
    let token = service.token(bob);
    assert_eq!(
        service.read(bob, &token, &format!("/v1/accounts/{}", holder(2)))["account"]["organisation"],
        "bank-b"
    );
    assert_eq!(service.refused(bob, &token, &format!("/v1/accounts/{}", holder(1))), "not-found");
    let accounts = service.read(bob, &token, "/v1/accounts?organisation=bank-a");
    assert_eq!(accounts["data"], json!([]));
    assert_eq!(service.refused(bob, &token, &format!("/v1/contracts/{}", imagined::TOKEN)), "not-found");
    let wide = json!({ "purpose": "supervision", "case": "1", "organisations": ["bank-a"] });
    assert_eq!(problem(&service.ask_token(bob, &wide)), "scope-too-wide");
    let none = json!({ "purpose": "supervision", "case": "1", "organisations": [] });
    let less = service.ask_token(bob, &none).body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(service.refused(bob, &less, &format!("/v1/accounts/{}", holder(2))), "not-found");
}

fn auditors_see_the_log_and_nothing_else(service: &Service, auditor: &Holder, alice: &Holder) {
    let token = service.token(auditor);
    let path = format!("/v1/reads?account={}&limit=1000", alice.account);
    let reads = service.read(auditor, &token, &path);
    let reads = reads["data"].as_array().unwrap();
    let refused = reads.iter().find(|read| read["path"] == "/v1/reads").unwrap();
    assert_eq!(
        (&refused["status"], &refused["purpose"], &refused["case"]),
        (&json!(403), &json!("supervision"), &json!("2026/7"))
    );
    assert_eq!(refused["certificate"], format!("0x{}", hex::encode(alice.fingerprint)));
    assert!(reads.iter().any(|read| read["path"] == "/v1/blocks?limit=3" && read["rows"] == 3));
    assert!(service.read(auditor, &token, "/v1/reads/head")["count"].as_i64().unwrap() > 50);
    assert_eq!(service.read(auditor, &token, "/v1/status")["height"], 200);
    assert_eq!(service.refused(auditor, &token, "/v1/transactions"), "role");
    assert_eq!(service.refused(auditor, &token, "/v1/reads?organisation=bank-a"), "not-found");
}

fn ranges_are_exported_and_go_on_where_they_ended(service: &Service, alice: &Holder, token: &str) {
    let mut stream = service.stream(alice, token, "/v1/export/transfers?from=1&to=200", "");
    let mut rows = 0;
    let mut last = Value::Null;
    loop {
        let text = line(&mut stream, "{");
        let document: Value = serde_json::from_str(&format!("{{{text}")).unwrap();
        if document["end"].is_object() {
            assert_eq!(document["end"], json!({ "rows": 2_000, "through": 200 }));
            break;
        }
        rows += 1;
        last = document["id"].clone();
    }
    assert_eq!((rows, last), (2_000, json!("200:9:0:0")));
    let rest = "/v1/export/transfers?from=1&to=200&after=200:6:0:0";
    let mut stream = service.stream(alice, token, rest, "");
    assert!(line(&mut stream, "{\"id\":").starts_with("\"200:7:0:0\""));
    assert_eq!(service.refused(alice, token, "/v1/export/transfers?after=1:2"), "malformed");
}

fn the_commands_ask_too(service: &Service, pki: &Pki, alice: &Holder) {
    let (url, root) = (format!("https://127.0.0.1:{}", service.port), pki.name("ca/root/ca.crt"));
    let secret = pki.name("passphrase");
    let shown = ["--service", &url, "--ca", &root, "--client-certificate", &alice.certificate];
    let key = ["--client-key", &alice.key, "--client-passphrase-file", &secret];
    let wish = ["audit", "token", "--purpose", "audit", "--case", "9", "--organisation", "bank-a"];
    let answer = concordat(&[&wish[..], &shown, &key].concat());
    let token = pki.name("token");
    std::fs::write(&token, answer["access_token"].as_str().unwrap()).unwrap();
    let get = ["audit", "get", "/v1/accounts?limit=1", "--token-file", &token];
    let page = concordat(&[&get[..], &shown, &key].concat());
    assert_eq!(page["data"][0]["organisation"], "bank-a");
    let output = run(&[&["audit", "get", "/v1/reads", "--token-file", &token][..], &shown, &key].concat());
    assert!(String::from_utf8_lossy(&output.stdout).contains("code 27"), "{output:?}");
    let export = ["audit", "get", "/v1/export/transfers?from=1&to=200", "--token-file", &token];
    let lines = run(&[&export[..], &shown, &key].concat());
    let rows = String::from_utf8_lossy(&lines.stdout).lines().count() - 1;
    let file = run(&[&export[..], &["--parquet"], &shown, &key].concat());
    assert!(lines.status.success() && file.status.success(), "{lines:?}");
    is_read_by_others(&file.stdout, rows);
    let pages = ["audit", "get", "/v1/transfers?limit=300", "--all", "--token-file", &token];
    let all = run(&[&pages[..], &shown, &key].concat());
    assert_eq!(String::from_utf8_lossy(&all.stdout).lines().count(), rows, "{all:?}");
    let ahead = ["audit", "get", "/v1/export/transfers?to=999", "--token-file", &token, "--parquet"];
    let refused = run(&[&ahead[..], &shown, &key].concat());
    assert!(String::from_utf8_lossy(&refused.stdout).contains("code 8"), "{refused:?}");
}

/// A whole file in Parquet, of so many rows.
fn is_read_by_others(file: &[u8], rows: usize) {
    assert!(
        rows > 100 && file.starts_with(b"PAR1") && file.ends_with(b"PAR1"),
        "{rows} rows, {} bytes",
        file.len()
    );
    let python = std::env::var("CONCORDAT_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import duckdb"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        return skip::note("duckdb", "duckdb is missing: python3 -m pip install duckdb");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transfers.parquet");
    std::fs::write(&path, file).unwrap();
    let script = "import sys, duckdb\n\
                  q = \"select count(*), min(len(token)) from '\" + sys.argv[1] + \"'\"\n\
                  print(*duckdb.sql(q).fetchall()[0])";
    let output = Command::new(&python).args(["-c", script]).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with(&format!("{rows} 42")), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn operations_are_told_numbers(service: &Service) {
    let url = format!("http://127.0.0.1:{}", service.port + 1);
    assert_eq!(get(&format!("{url}/healthz")), (200, "ok\n".into()));
    let (_, metrics) = get(&format!("{url}/metrics"));
    assert!(
        metrics.contains("concordat_regulator_answers_total{endpoint=\"blocks\",status=\"200\"}"),
        "{metrics}"
    );
}

/// Orders leave no mark in the standing of an account: they have rows of their own.
fn an_auditor_whom_an_order_shuts_out_gets_nothing(postgres: &Postgres, service: &Service, auditor: &Holder) {
    let token = service.token(auditor);
    service.read(auditor, &token, "/v1/reads/head");
    let issued = imagined::block(postgres);
    let account = Some(auditor.account);
    let order =
        Ordered { id: 7, measure: "blacklist", account, issued, lapses: issued, ..Ordered::default() };
    imagined::ordered(postgres, issued, &order);
    imagined::seen(postgres, issued);
    for path in ["/v1/reads", "/v1/reads/head", "/v1/status"] {
        let answer = service.get(auditor, &token, path);
        assert_eq!(problem(&answer), "frozen", "{path}");
        assert!(answer.body["detail"].as_str().unwrap().contains("order 7"), "{}", answer.body);
    }
    let wish = json!({ "purpose": "supervision", "case": "2026/7" });
    assert_eq!(problem(&service.ask_token(auditor, &wish)), "frozen", "and no token");
    let next = imagined::block(postgres);
    imagined::seen(postgres, next);
    service.read(auditor, &token, "/v1/reads/head");
}

fn the_log_is_whole_until_somebody_edits_it(postgres: &Postgres, alice: &Holder) {
    let verify = || {
        let output = postgres.concordat(&["audit", "verify-reads"]);
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, told) = verify();
    assert_eq!((code, &told["flaw"]), (Some(0), &Value::Null), "{told}");
    let output = postgres.concordat(&["audit", "reads-head"]);
    let head: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&head["count"], &head["head"]), (&told["count"], &told["head"]));
    let tokens = postgres.sql("SELECT count(*) FROM access.reads WHERE path LIKE '%eyJ%.eyJ%'");
    assert_eq!(tokens, "0", "no token is on the log");
    let edit = format!(
        "SET session_replication_role = replica; UPDATE access.reads SET account = {} WHERE seq = 9",
        bytea(alice.account.create(1))
    );
    postgres.sql(&edit);
    let (code, told) = verify();
    assert_eq!((code, &told["flaw"]), (Some(3), &json!({ "flaw": "altered", "seq": 9 })), "{told}");
}

#[test]
fn a_token_that_is_stolen_expired_foreign_or_altered_gets_nothing_and_that_is_on_the_log() {
    let (postgres, pki) = (database(Size { blocks: 110, transactions: 1 }), Pki::new());
    let [alice, bob] = ["alice", "bob"].map(|name| pki.give("regulator", name, &[]));
    let mallory = pki.give("regulator", "mallory", &[]);
    let operator = pki.give("operator", "operator", &[]);
    supervise(&postgres, 100, &alice.supervisor("regulator", Some(EVERYTHING)));
    supervise(&postgres, 100, &bob.supervisor("regulator", Some(BANK_B)));
    supervise(&postgres, 100, &operator.supervisor("operator", None));
    let mut service = Service::start(&postgres, &pki, "token_seconds = 10\n");
    let (token, bobs) = (service.token(&alice), service.token(&bob));
    let made = Instant::now();
    let entry = |path: &str| attempt(&postgres, path);
    assert_eq!(service.refused(&bob, &token, "/v1/blocks?limit=11"), "foreign-token", "another regulator's");
    assert_eq!(entry("/v1/blocks?limit=11"), told(401, Some(&bob)));
    assert_eq!(service.refused(&mallory, &token, "/v1/blocks?limit=12"), "foreign-token", "by a stranger");
    assert_eq!(entry("/v1/blocks?limit=12"), told(401, Some(&mallory)));
    assert_eq!(service.refused(&alice, "", "/v1/blocks?limit=13"), "no-token");
    assert_eq!(entry("/v1/blocks?limit=13"), told(401, Some(&alice)));
    without_a_certificate_there_is_one_answer_and_it_is_on_the_log(&service, &postgres, &token);
    let parts: Vec<&str> = bobs.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
    let wider = String::from_utf8(claims).unwrap().replace("[\"bank-b\"]", "null");
    let wider = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(wider), parts[2]);
    assert_eq!(service.refused(&bob, &wider, "/v1/blocks?limit=14"), "bad-token", "with a wider scope");
    assert_eq!(entry("/v1/blocks?limit=14"), told(401, Some(&bob)));
    let wide = json!({ "purpose": "audit", "case": "1", "organisations": ["bank-a"] });
    assert_eq!(problem(&service.ask_token(&bob, &wide)), "scope-too-wide");
    let wished = "SELECT method, organisation, encode(account, 'hex') FROM access.reads WHERE path = '/v1/token' AND status = 403";
    assert_eq!(postgres.sql(wished), format!("POST|regulator-a|{}", hex::encode(bob.account)));
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    assert_eq!(service.refused(&bob, &unsigned, "/v1/blocks"), "bad-token");
    let wish = json!({ "purpose": "supervision", "case": "1" });
    assert_eq!(problem(&service.ask_token(&mallory, &wish)), "not-enrolled");
    assert_eq!(problem(&service.ask_token(&operator, &wish)), "role");
    std::thread::sleep(Duration::from_millis(10_500).saturating_sub(made.elapsed()));
    assert_eq!(service.refused(&alice, &token, "/v1/blocks?limit=15"), "token-expired");
    assert_eq!(entry("/v1/blocks?limit=15"), told(401, Some(&alice)));

    let logged = |who: &Holder, status: u16| {
        let certificate = bytea(who.fingerprint);
        postgres.sql(&format!(
            "SELECT count(*) FROM access.reads WHERE certificate = {certificate} AND status = {status}"
        ))
    };
    assert_eq!(
        (logged(&bob, 401), logged(&mallory, 401), logged(&operator, 403)),
        ("3".into(), "2".into(), "1".into())
    );
    keys_are_rotated_without_a_restart(&mut service, &pki, &alice);
}

/// What the log has of refused reads of a path: status, rows, account and certificate.
fn attempt(postgres: &Postgres, path: &str) -> String {
    postgres.sql(&format!(
        "SELECT status, rows, encode(account, 'hex'), encode(certificate, 'hex') FROM access.reads WHERE path = '{path}'"
    ))
}

/// What it has to have of one.
fn told(status: u16, who: Option<&Holder>) -> String {
    let account = who.map(|who| hex::encode(who.account)).unwrap_or_default();
    let certificate = who.map(|who| hex::encode(who.fingerprint)).unwrap_or_default();
    format!("{status}|0|{account}|{certificate}")
}

fn without_a_certificate_there_is_one_answer_and_it_is_on_the_log(
    service: &Service,
    postgres: &Postgres,
    stolen: &str,
) {
    // Nothing here asks for the connection to be closed.
    let ask = |method: &str, path: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {stolen}\r\n\r\n");
        service.send_without_certificate(&head)
    };
    let answer = ask("GET", "/v1/blocks?limit=16");
    assert_eq!((problem(&answer), answer.status), ("no-certificate".into(), 401));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(attempt(postgres, "/v1/blocks?limit=16"), told(401, None));
    // What is open to any certificate, what is not there, and another method than a path takes.
    for (method, path) in
        [("GET", "/v1/openapi.json"), ("GET", "/v1/jwks"), ("GET", "/v1/nothing"), ("DELETE", "/v1/blocks")]
    {
        let same = ask(method, path);
        assert_eq!((same.status, &same.body), (answer.status, &answer.body), "{method} {path}");
        assert!(!same.head.contains("allow:"), "{}", same.head);
    }
    let long = format!("/v1/blocks?x={}", "x".repeat(2_000));
    ask("GET", &long);
    assert_eq!(attempt(postgres, &long[..256]), told(401, None), "the beginning of it");
    let began = Instant::now();
    let refused: Vec<String> = (0..60).map(|_| problem(&ask("GET", "/v1/blocks?limit=17"))).collect();
    assert!(refused.iter().all(|kind| kind == "no-certificate" || kind == "too-many"), "{refused:?}");
    let logged = refused.iter().filter(|kind| *kind == "no-certificate").count() as u64;
    let entries =
        "SELECT count(*) FROM access.reads WHERE path = '/v1/blocks?limit=17' AND certificate IS NULL";
    assert!(logged <= 10 + 5 * (began.elapsed().as_secs() + 1), "whoever can connect cannot fill the log");
    assert_eq!(postgres.sql(entries), logged.to_string());
}

fn keys_are_rotated_without_a_restart(service: &mut Service, pki: &Pki, alice: &Holder) {
    let old = service.token(alice);
    pki.token_key("2.key");
    let hangup = |service: &Service| {
        assert!(
            Command::new("kill")
                .args(["-HUP", &service.process.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    };
    let keys = |service: &Service| service.read(alice, "", "/v1/jwks")["keys"].as_array().unwrap().len();
    let wait = |service: &Service, count: usize| {
        let until = Instant::now() + PATIENCE;
        while keys(service) != count {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    hangup(service);
    wait(service, 2);
    service.read(alice, &old, "/v1/blocks?limit=1");
    let new = service.token(alice);
    let named = |token: &str| URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_ne!(named(&old), named(&new), "the newest key signs");
    std::fs::remove_file(pki.path("keys").join("1.key")).unwrap();
    hangup(service);
    wait(service, 1);
    assert_eq!(service.refused(alice, &old, "/v1/blocks"), "bad-token");
    service.read(alice, &new, "/v1/blocks?limit=1");
}

#[test]
fn findings_are_shown_by_mandate_and_worked_through_in_the_name_of_the_certificate() {
    let (postgres, pki, [alice, bob, auditor]) = office(Size { blocks: 110, transactions: 3 });
    let service = Service::start(&postgres, &pki, "");
    let tokens = [&alice, &bob, &auditor].map(|holder| service.token(holder));
    assert_eq!(service.read(&alice, &tokens[0], "/v1/findings")["judged_to"], Value::Null, "nobody watches");
    let [banka, bankb] = [1, 2].map(|number| format!("{:#x}", holder(number)));
    let found = [
        (50, ("account", &*banka), ("alert", true)),
        (60, ("account", &*bankb), ("propose-freeze", true)),
        (70, ("organisation", "bank-b"), ("note", true)),
        (80, ("committee", ""), ("alert", true)),
        (90, ("rule", ""), ("alert", false)),
    ];
    let ids: Vec<String> = (1..)
        .zip(found)
        .map(|(number, (height, about, what))| imagined::finding(&postgres, number, height, about, what))
        .collect();
    findings_are_filtered_and_paged(&service, (&alice, &tokens[0]), (&bob, &tokens[1]), &banka);
    a_finding_leads_to_what_the_mandate_shows(&service, (&alice, &tokens[0]), (&bob, &tokens[1]), &ids);
    acts_are_the_certificates(&service, (&alice, &tokens[0]), (&bob, &tokens[1]), &ids);
    assert_eq!(service.refused(&auditor, &tokens[2], "/v1/findings"), "role");
    let act = json!({ "act": "acknowledge" });
    assert_eq!(
        problem(&service.post(&auditor, &tokens[2], &format!("/v1/findings/{}/acts", ids[0]), &act)),
        "role"
    );
    let steps = "SELECT string_agg(method || ' ' || status, ', ' ORDER BY seq) FROM access.reads WHERE path LIKE '/v1/findings/%/acts'";
    assert_eq!(
        postgres.sql(steps),
        "POST 404, POST 200, POST 409, POST 400, POST 400, POST 400, POST 200, POST 409, POST 200, POST 403"
    );
}

type Reading<'a> = (&'a Holder, &'a String);

fn findings_are_filtered_and_paged(
    service: &Service,
    (alice, everything): Reading<'_>,
    (bob, bank_b): Reading<'_>,
    account: &str,
) {
    let heights = |(holder, token): Reading<'_>, query: &str| {
        let page = service.read(holder, token, &format!("/v1/findings{query}"));
        page["data"].as_array().unwrap().iter().map(|row| row["height"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let told = |query: &str| heights((alice, everything), query);
    assert_eq!(told(""), [90, 80, 70, 60, 50], "the newest first");
    assert_eq!(heights((bob, bank_b), ""), [70, 60], "what is about nobody is not shown either");
    assert_eq!(told("?grade=alert"), [90, 80, 50]);
    assert_eq!(told("?judged=false"), [90]);
    assert_eq!(told("?organisation=bank-b"), [70]);
    assert_eq!(told(&format!("?account={account}")), [50]);
    assert_eq!(heights((bob, bank_b), &format!("?account={account}")), [0_u64; 0]);
    assert_eq!(told("?rule=rule-1&from=60&to=80"), [70]);
    assert_eq!(told("?state=closed"), [0_u64; 0]);
    assert_eq!(
        told(&format!("?account={account}&organisation=bank-b")),
        [0_u64; 0],
        "about one of both alone"
    );
    let first = service.read(alice, everything, "/v1/findings?limit=2");
    assert_eq!(first["judged_to"], 90);
    let next = first["next"].as_str().unwrap();
    assert_eq!(told(&format!("?limit=3&cursor={next}")), [70, 60, 50]);
    let problems = [
        (format!("?grade=note&cursor={next}"), "foreign-cursor"),
        ("?grade=high".into(), "malformed"),
        ("?state=done".into(), "malformed"),
        ("?subject=bank-a".into(), "malformed"),
        ("/0x12".into(), "malformed"),
        (format!("/0x{}", "00".repeat(32)), "not-found"),
    ];
    for (query, kind) in problems {
        assert_eq!(service.refused(alice, everything, &format!("/v1/findings{query}")), kind, "{query}");
    }
}

fn a_finding_leads_to_what_the_mandate_shows(
    service: &Service,
    (alice, everything): Reading<'_>,
    (bob, bank_b): Reading<'_>,
    ids: &[String],
) {
    assert_eq!(service.refused(bob, bank_b, &format!("/v1/findings/{}", ids[0])), "not-found");
    assert_eq!(service.refused(bob, bank_b, &format!("/v1/findings/{}", ids[3])), "not-found");
    let path = format!("/v1/findings/{}", ids[1]);
    let whole = service.read(alice, everything, &path);
    assert_eq!(
        (&whole["explanation"], whole["evidence"].as_array().unwrap().len()),
        (&json!("finding 2"), 3)
    );
    assert_eq!(
        (&whole["state"], &whole["trail"], &whole["trail_whole"]),
        (&json!("open"), &json!([]), &json!(true))
    );
    assert_eq!(whole["transactions"].as_array().unwrap().len(), 3);
    let less = service.read(bob, bank_b, &path);
    let links = less["links"]["transactions"].as_array().unwrap();
    assert_eq!(links.len(), 1, "one of three is a payment of bank-b");
    for link in links.iter().chain([&less["links"]["account"]]) {
        service.read(bob, bank_b, link.as_str().unwrap());
    }
}

fn acts_are_the_certificates(
    service: &Service,
    (alice, everything): Reading<'_>,
    (bob, bank_b): Reading<'_>,
    ids: &[String],
) {
    let act = |(holder, token): Reading<'_>, id: &str, body: Value| {
        service.post(holder, token, &format!("/v1/findings/{id}/acts"), &body)
    };
    let (by_bob, by_alice) = ((bob, bank_b), (alice, everything));
    assert_eq!(problem(&act(by_bob, &ids[0], json!({ "act": "acknowledge" }))), "not-found", "not his");
    let done = act(by_bob, &ids[1], json!({ "act": "acknowledge" }));
    assert_eq!((done.status, &done.body["state"]), (200, &json!("acknowledged")));
    let again = act(by_alice, &ids[1], json!({ "act": "acknowledge" }));
    let person = format!("regulator-a {:#x}", bob.account);
    assert_eq!(
        (problem(&again), again.body["detail"].as_str().unwrap().contains(&person)),
        ("conflict".into(), true)
    );
    for body in
        [json!({ "act": "close" }), json!({ "act": "close", "comment": "x", "by": "A. Meier" }), json!({})]
    {
        assert_eq!(problem(&act(by_bob, &ids[1], body)), "malformed");
    }
    assert_eq!(act(by_alice, &ids[1], json!({ "act": "close", "comment": "a loan" })).status, 200);
    assert_eq!(problem(&act(by_bob, &ids[1], json!({ "act": "close", "comment": "again" }))), "conflict");
    let said = act(by_bob, &ids[1], json!({ "act": "comment", "comment": "agreed" })).body;
    assert_eq!((&said["state"], &said["trail_whole"]), (&json!("closed"), &json!(true)));
    let trail: Vec<(&str, &str)> = said["trail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["act"].as_str().unwrap(), step["person"].as_str().unwrap()))
        .collect();
    let other = format!("regulator-a {:#x}", alice.account);
    assert_eq!(trail, [("acknowledge", &*person), ("close", &*other), ("comment", &*person)]);
}

#[test]
fn what_the_chain_takes_is_taken_with_the_block_from_streams_too() {
    let (postgres, pki) = (database(Size { blocks: 110, transactions: 1 }), Pki::new());
    let names = ["alice", "bob", "carol", "dave"];
    let [alice, bob, carol, dave] = names.map(|name| pki.give("regulator", name, &[]));
    for holder in [&alice, &bob, &carol] {
        supervise(&postgres, 100, &holder.supervisor("regulator", Some(EVERYTHING)));
    }
    let service = Service::start(&postgres, &pki, "");
    let [a, b, c] = [&alice, &bob, &carol].map(|holder| service.token(holder));
    let soon = now_ms() / 1000 + 20;
    let supervisor = Supervisor { not_after: soon, ..dave.supervisor("regulator", Some(EVERYTHING)) };
    supervise(&postgres, 100, &supervisor);
    let d = service.token(&dave);

    let mut blocks = service.stream(&alice, &a, "/v1/stream/blocks", "");
    let mut ending =
        service.stream(&dave, &d, "/v1/stream/blocks?from=105", "Accept: application/x-ndjson\r\n");
    assert!(line(&mut blocks, "").contains("200"));
    assert!(line(&mut ending, "{\"id\":").starts_with("\"105\""));
    std::thread::sleep(Duration::from_millis(500));
    let first = imagined::block(&postgres);
    imagined::seen(&postgres, first);
    assert_eq!(line(&mut blocks, "id: "), first.to_string());
    let second = imagined::block(&postgres);
    imagined::seen(&postgres, second);
    drop(blocks);
    let resume = format!("Last-Event-ID: {first}\r\n");
    let mut again = service.stream(&alice, &a, "/v1/stream/blocks", &resume);
    assert_eq!(line(&mut again, "id: "), second.to_string(), "nothing is lost");

    // In one block: alice's certificate is revoked, bob's mandate ends, carol has renewed hers.
    let height = imagined::block(&postgres);
    let who = bytea(alice.account);
    postgres.sql(&format!(
        "INSERT INTO ledger.revocations VALUES ({height}, 0, NULL, false, sha256('authority 2'), sha256({who}), 1, 0);
         INSERT INTO ledger.account_details VALUES ({height}, 9, NULL, false, {}, 'carol', sha256('new'), 0, 100)",
        bytea(carol.account)
    ));
    imagined::mandated(&postgres, height, bob.account, EVERYTHING, true);
    service.read(&alice, &a, "/v1/blocks?limit=1");
    imagined::seen(&postgres, height);
    assert_eq!(service.refused(&alice, &a, "/v1/blocks"), "certificate-revoked");
    assert_eq!(service.refused(&bob, &b, "/v1/blocks"), "no-mandate");
    assert_eq!(service.refused(&carol, &c, "/v1/blocks"), "other-certificate");
    let last: Value = serde_json::from_str(&line_after(&mut again, "event: problem")).unwrap();
    assert_eq!(last["type"], "urn:concordat:problem:certificate-revoked");
    let last: Value =
        serde_json::from_str(&format!("{{\"problem\":{}", line(&mut ending, "{\"problem\":"))).unwrap();
    assert_eq!(last["problem"]["type"], "urn:concordat:problem:certificate-expired");
    assert_eq!(last["problem"]["after"], height.to_string(), "from where to go on");
}

/// The data of the next event that is so called.
fn line_after(stream: &mut impl BufRead, event: &str) -> String {
    line(stream, event);
    line(stream, "data: ")
}

#[test]
fn a_database_that_is_away_or_behind_is_a_problem_and_then_it_goes_on() {
    let (mut postgres, pki) = (database(Size { blocks: 110, transactions: 1 }), Pki::new());
    let alice = pki.give("regulator", "alice", &[]);
    supervise(&postgres, 100, &alice.supervisor("regulator", Some(EVERYTHING)));
    let service = Service::start(&postgres, &pki, "");
    let token = service.token(&alice);
    postgres.kill();
    let answer = service.get(&alice, &token, "/v1/blocks");
    assert_eq!(problem(&answer), "database-away");
    assert_eq!(answer.status, 503);
    assert!(!answer.body.to_string().contains("postgres"), "{}", answer.body);
    postgres.start_again();
    let until = Instant::now() + PATIENCE;
    while service.get(&alice, &token, "/v1/blocks").status != 200 {
        assert!(Instant::now() < until, "{}", postgres.log());
        std::thread::sleep(Duration::from_millis(200));
    }

    postgres.sql("ALTER TABLE access.reads RENAME TO hidden");
    assert_eq!(
        service.refused(&alice, &token, "/v1/blocks"),
        "unlogged",
        "what cannot be logged is not shown"
    );
    postgres.sql("ALTER TABLE access.hidden RENAME TO reads");
    postgres.sql("UPDATE ledger.blocks SET time_ms = time_ms - 3600000");
    let wish = json!({ "purpose": "supervision", "case": "1" });
    assert_eq!(problem(&service.ask_token(&alice, &wish)), "stale", "a revocation might have been missed");
    service.read(&alice, &token, "/v1/blocks?limit=1");
    postgres.sql("DELETE FROM ledger.projection_cursor");
    assert_eq!(service.refused(&alice, &token, "/v1/blocks"), "empty");
}

#[test]
fn a_regulator_of_a_real_chain_is_let_in_by_the_committee_and_out_by_a_revocation() {
    let network = Network::start_with(4, &["--empty-block-interval-ms", "500"]);
    let (postgres, pki) = (Postgres::start(&["fsync=off"]), Pki::new());
    assert!(postgres.concordat(&["audit", "migrate"]).status.success());
    let data = network.node_folder(3).join("data");
    let genesis = network.info["genesis"].as_str().unwrap();
    let project = ["audit", "project", "--data", data.to_str().unwrap(), "--genesis", genesis];
    let mut projector = postgres.spawn(&project);
    committee::enrol(&network);
    let regulator = Regulator::enrol(&network, &pki);
    regulator.is_admitted();
    let service = Service::start(&postgres, &pki, "");
    let holder = &regulator.holder;
    let wish = json!({ "purpose": "supervision", "case": "1" });
    network.wait("the mandate is in the database", || service.ask_token(holder, &wish).status == 200);
    let token = service.token(holder);
    let picture = service.read(holder, &token, &format!("/v1/accounts/{}", holder.account));
    assert_eq!(picture["account"]["role"], "regulator");
    assert_eq!(picture["regulator"][0]["mandate"]["jurisdiction"], "EU");
    let validators = service.read(holder, &token, "/v1/validators");
    assert_eq!(validators["data"].as_array().unwrap().len(), 4);

    let block = regulator.is_revoked();
    network.wait("the revocation is in the database", || {
        let height = "SELECT coalesce(max(height), -1) FROM ledger.projection_cursor";
        postgres.sql(height).parse::<i64>().unwrap() >= block
    });
    assert_eq!(service.refused(holder, &token, "/v1/validators"), "certificate-revoked");
    projector.kill().unwrap();
    projector.wait().unwrap();
}
