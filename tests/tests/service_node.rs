//! What the service of supervisors has from the node beside it: why somebody may do something, packages for a court, and a way
//! for orders to the chain. A real chain, its database, its service; what it hands out is checked by the program's own commands.

use std::{
    fs,
    process::{Child, Command, Output},
};

use alloy_primitives::Address;
use concordat_tests::{
    Network, committee, concordat, get,
    postgres::Postgres,
    run,
    supervision::{Answer, Holder, Pki, Regulator, Service, problem, request},
    token,
};
use serde_json::{Value, json};

/// The node beside the service; the others are asked by the test itself.
const BESIDE: usize = 3;

const TRANSFER: &str = "0xa9059cbb";

struct Setting {
    network: Network,
    postgres: Postgres,
    pki: Pki,
    projector: Child,
    supervisor: Holder,
    auditor: Holder,
    token: Address,
}

impl Setting {
    /// One with a regulator that has these powers over everything.
    fn start(powers: &[&str]) -> Self {
        let network = Network::start_with(4, &["--empty-block-interval-ms", "300"]);
        let (postgres, pki) = (Postgres::start(&["fsync=off"]), Pki::new());
        assert!(postgres.concordat(&["audit", "migrate"]).status.success());
        let data = network.node_folder(BESIDE).join("data");
        let genesis = network.info["genesis"].as_str().unwrap();
        let project = ["audit", "project", "--data", data.to_str().unwrap(), "--genesis", genesis];
        let projector = postgres.spawn(&project);
        committee::enrol(&network);
        let token = token::deploy(&network, "bank-a/developer", 1_000);
        network.enrol("bank-b/operator", 0);
        let to = network.address("bank-b/operator").to_string();
        for amount in ["250", "30", "7"] {
            let at = token.to_string();
            let call = ["contract", "send", "--to", &at, "transfer(address,uint256)", &to, amount];
            network.with_key("bank-a/developer", 0, &call);
        }
        let regulator = Regulator::enrol(&network, &pki);
        regulator.is_admitted_with(powers);
        let (supervisor, auditor) = (regulator.holder.clone(), regulator.appoints("auditor"));
        // Nothing on chain is open to a server's certificate, and so to whoever steals this key.
        pki.give("server", "seal", &["--san", "dns:evidence.supervision.test"]);
        fs::create_dir(pki.path("roots")).unwrap();
        fs::copy(pki.path("ca/root/ca.crt"), pki.path("roots/root.pem")).unwrap();
        Self { network, postgres, pki, projector, supervisor, auditor, token }
    }

    fn service(&self, more: &str) -> Service {
        Service::start(&self.postgres, &self.pki, more)
    }

    fn node(&self) -> String {
        let (ethereum, comet) = (self.network.url(BESIDE, "ethereum"), self.network.url(BESIDE, "cometbft"));
        let genesis = self.network.info["genesis"].as_str().unwrap();
        format!("[node]\nethereum = \"{ethereum}\"\ncomet = \"{comet}\"\ngenesis = \"{genesis}\"\n")
    }

    /// The mandate and all that was paid are in the database.
    fn token_of(&self, service: &Service) -> String {
        let wish = json!({ "purpose": "investigation", "case": "2026/7" });
        let mut given = Value::Null;
        self.network.wait("the mandate is in the database", || {
            given = service.ask_token(&self.supervisor, &wish).body;
            given["access_token"].is_string()
        });
        given["access_token"].as_str().unwrap().to_owned()
    }

    fn get(&self, service: &Service, token: &str, path: &str) -> Answer {
        service.get(&self.supervisor, token, path)
    }

    fn refused(&self, service: &Service, token: &str, path: &str) -> (String, Value) {
        let answer = self.get(service, token, path);
        (problem(&answer), answer.body["detail"].clone())
    }

    fn address(&self, name: &str) -> String {
        self.network.address(name).to_string()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = self.projector.kill();
        let _ = self.projector.wait();
    }
}

const SEAL: &str = "[seal]\nkey = \"seal.key\"\ncertificate = \"seal.crt\"\nroots = \"roots\"\n";

#[test]
fn the_service_explains_permissions_and_packs_evidence_that_verifies_anywhere() {
    let mut setting = Setting::start(&["observe"]);
    what_is_not_configured_is_named(&setting);
    let service = setting.service(&format!("requests_per_second = 1000\n{}{SEAL}", setting.node()));
    let token = setting.token_of(&service);
    an_explanation_is_what_the_command_comes_to(&setting, &service, &token);
    a_package_verifies_by_the_genesis_document_alone(&setting, &service, &token);
    what_is_wrong_or_not_covered_is_refused(&setting, &service, &token);
    all_of_it_is_on_the_log(&setting);
    a_database_that_was_altered_makes_no_package(&setting, &service, &token);
    the_end_of_the_log_is_anchored_and_whoever_cuts_it_is_found_out(&setting, &service, &token);
    the_status_tells_who_is_absent_and_where_the_node_stands(&mut setting, &service, &token);
    a_node_that_is_away_is_a_problem(&mut setting, &service, &token);
}

fn what_is_not_configured_is_named(setting: &Setting) {
    let account = setting.address("bank-b/operator");
    let explanation = format!("/v1/permissions/explanation?account={account}&deploy=true");
    let evidence = format!("/v1/evidence?subject={account}");
    let service = setting.service("");
    let token = setting.token_of(&service);
    for path in [&explanation, &evidence] {
        let (kind, detail) = setting.refused(&service, &token, path);
        assert_eq!(kind, "not-configured", "{path}");
        assert!(detail.as_str().unwrap().contains("[node]"), "{detail}");
    }
    drop(service);
    let service = setting.service(&setting.node());
    let token = setting.token_of(&service);
    let (kind, detail) = setting.refused(&service, &token, &evidence);
    assert!(kind == "not-configured" && detail.as_str().unwrap().contains("[seal]"), "{kind}: {detail}");
    assert_eq!(setting.get(&service, &token, &explanation).status, 200, "no signer is needed for it");
}

fn an_explanation_is_what_the_command_comes_to(setting: &Setting, service: &Service, token: &str) {
    let (account, contract) = (setting.address("bank-b/operator"), setting.token.to_string());
    let path = format!("/v1/permissions/explanation?account={account}&contract={contract}&method={TRANSFER}");
    let told = service.read(&setting.supervisor, token, &path);
    assert_eq!(
        (&told["executed"], &told["enrolled"], &told["proved"]),
        (&json!(true), &json!(true), &json!(false))
    );
    let height = told["as_of"]["height"].to_string();
    assert_eq!(told["heights"], json!([told["as_of"]["height"], told["as_of"]["height"]]));
    setting.network.wait_for_height(0, told["as_of"]["height"].as_u64().unwrap());
    let comet = setting.network.url(0, "cometbft");
    let why = ["why", &account, &contract, TRANSFER, "--height", &height, "--comet", &comet];
    let same = concordat(&why);
    for part in ["executed", "refused", "standing", "permission", "says"] {
        assert_eq!(told[part], same[part], "{part}");
    }
    // Before it enrolled, it might do nothing.
    let before = service.read(&setting.supervisor, token, &format!("{path}&at=1"));
    assert_eq!((&before["enrolled"], &before["as_of"]["height"]), (&json!(false), &json!(1)));
    let deploy = format!("/v1/permissions/explanation?account={account}&deploy=true");
    let refused = service.read(&setting.supervisor, token, &deploy);
    assert_eq!((&refused["executed"], &refused["refused"]["code"]), (&json!(false), &json!(21)));
}

fn a_package_verifies_by_the_genesis_document_alone(setting: &Setting, service: &Service, token: &str) {
    let account = setting.address("bank-b/operator");
    let genesis = setting.network.info["genesis"].as_str().unwrap();
    for (subject, transactions) in [(account.as_str(), Some(4)), ("bank-b", None)] {
        let path = format!("/v1/evidence?subject={subject}");
        let (head, package) = service.download(&setting.supervisor, token, &path);
        assert!(head.starts_with("http/1.1 200"), "{head}{}", String::from_utf8_lossy(&package));
        assert!(
            head.contains("application/zip") && head.contains("attachment; filename=\"evidence-"),
            "{head}"
        );
        let (file, roots) = (setting.pki.name(&format!("{subject}.zip")), setting.pki.name("roots"));
        fs::write(&file, package).unwrap();
        let found = concordat(&["audit", "verify-evidence", &file, "--genesis", genesis, "--roots", &roots]);
        assert_eq!(found["case"]["case"], "2026/7", "the token's: {found}");
        assert!(found["signer"]["subject"].as_str().unwrap().contains("O=regulator-a"), "{found}");
        if let Some(transactions) = transactions {
            assert_eq!(
                found["case"]["transactions"], transactions,
                "its enrolment and what it was paid: {found}"
            );
        }
        let strangers = run(&["audit", "verify-evidence", &file, "--genesis", genesis]);
        assert_eq!(strangers.status.code(), Some(3), "its root is in no genesis document");
    }
}

fn what_is_wrong_or_not_covered_is_refused(setting: &Setting, service: &Service, token: &str) {
    let (own, other) = (setting.address("bank-b/operator"), setting.address("bank-a/developer"));
    let nobody = Address::repeat_byte(7);
    let problems = [
        ("/v1/evidence".to_owned(), "malformed"),
        ("/v1/evidence?subject=0x12".to_owned(), "malformed"),
        (format!("/v1/evidence?subject={own}&from=9&to=8"), "malformed"),
        (format!("/v1/evidence?subject={own}&case=1"), "malformed"),
        (format!("/v1/evidence?subject={own}&to=999999"), "ahead"),
        (format!("/v1/evidence?subject={nobody}"), "not-found"),
        ("/v1/evidence?subject=bank-x".to_owned(), "not-found"),
        (format!("/v1/permissions/explanation?account={own}"), "malformed"),
        (format!("/v1/permissions/explanation?account={own}&deploy=true&at=0"), "malformed"),
        (format!("/v1/permissions/explanation?account={own}&deploy=true&at=999999"), "ahead"),
        (format!("/v1/permissions/explanation?account={nobody}&deploy=true"), "not-found"),
    ];
    for (path, kind) in problems {
        assert_eq!(setting.refused(service, token, &path).0, kind, "{path}");
    }
    let wish = json!({ "purpose": "audit", "case": "9", "organisations": ["bank-b"] });
    let less =
        service.ask_token(&setting.supervisor, &wish).body["access_token"].as_str().unwrap().to_owned();
    let explained = |account: &str| format!("/v1/permissions/explanation?account={account}&deploy=true");
    for path in
        [format!("/v1/evidence?subject={other}"), "/v1/evidence?subject=bank-a".into(), explained(&other)]
    {
        assert_eq!(setting.refused(service, &less, &path).0, "not-found", "{path}: not the token's");
    }
    assert_eq!(setting.get(service, &less, &explained(&own)).status, 200);
}

fn all_of_it_is_on_the_log(setting: &Setting) {
    let logged = |condition: &str| {
        let statement = format!("SELECT count(*) FROM access.reads WHERE {condition}");
        setting.postgres.sql(&statement).parse::<u64>().unwrap()
    };
    let whole = "status = 200 AND rows > 4 AND purpose = 'investigation' AND case_ref = '2026/7'";
    assert_eq!(logged(&format!("path LIKE '/v1/evidence?subject=%' AND {whole}")), 2);
    assert!(logged("path LIKE '/v1/permissions/explanation?%' AND status = 200 AND rows = 1") >= 3);
    assert!(logged("path LIKE '/v1/evidence%' AND status = 404") >= 4, "refusals too");
    let verified = setting.postgres.concordat(&["audit", "verify-reads"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    an_end_of_before_is_told_and_holds(&setting.postgres);
}

/// Where the log ended once is an anchor of then.
fn an_end_of_before_is_told_and_holds(postgres: &Postgres) {
    let head = |count: &str| {
        let output = postgres.concordat(&["audit", "reads-head", "--count", count]);
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (code, told) = head("5");
    assert_eq!((code, &told["count"]), (Some(0), &json!(5)));
    let anchor = |count: u8| format!("{count}:{}", told["head"].as_str().unwrap());
    let verify =
        |anchor: &str| postgres.concordat(&["audit", "verify-reads", "--anchor", anchor]).status.code();
    assert_eq!((verify(&anchor(5)), verify(&anchor(6))), (Some(0), Some(3)));
    let (code, told) = head("1000000");
    assert_eq!(code, Some(1));
    assert!(told["error"].as_str().unwrap().contains("1000000 entries yet"), "{told}");
}

fn a_database_that_was_altered_makes_no_package(setting: &Setting, service: &Service, token: &str) {
    let path = format!("/v1/evidence?subject={}", setting.address("bank-b/operator"));
    let change = |from: u32, to: u32| {
        let statement = format!("UPDATE ledger.token_transfers SET amount = {to} WHERE amount = {from}");
        setting.postgres.sql(&statement);
    };
    change(250, 251);
    let (kind, detail) = setting.refused(service, token, &path);
    assert_eq!(kind, "contradiction");
    assert!(detail.as_str().unwrap().contains("verify-projection"), "{detail}");
    change(251, 250);
    assert!(service.download(&setting.supervisor, token, &path).0.starts_with("http/1.1 200"));
}

/// By an auditor's key: once, then by a process of its own whenever there were reads. Who cuts the log behind the anchor is found
/// out by what the projection has from the chain, and no further anchor hides it.
fn the_end_of_the_log_is_anchored_and_whoever_cuts_it_is_found_out(
    setting: &Setting,
    service: &Service,
    token: &str,
) {
    let (rpc, secret) = (setting.network.url(0, "ethereum"), setting.pki.name("passphrase"));
    let by = ["--key", &setting.auditor.key, "--passphrase-file", &secret, "--rpc", &rpc];
    let anchor = [&["audit", "anchor-reads"][..], &by].concat();
    let once = || answer_of(&setting.postgres.concordat(&anchor));
    let (code, told) = once();
    assert_eq!(
        (code, &told["organisation"], &told["anchored"]),
        (Some(0), &json!("regulator-a"), &json!(true))
    );
    assert_eq!(once().1["anchored"], false, "there were no reads");
    let projected = || {
        let newest = "SELECT coalesce(max(count), 0) FROM ledger.read_anchors";
        setting.postgres.sql(newest).parse::<i64>().unwrap()
    };
    let first = told["count"].as_i64().unwrap();
    setting.network.wait("the anchor is in the database", || projected() == first);
    let verify = || answer_of(&setting.postgres.concordat(&["audit", "verify-reads"]));
    assert_eq!((verify().0, &verify().1["anchors"]), (Some(0), &json!(1)));
    let (_, metrics) = get(&format!("http://127.0.0.1:{}/metrics", service.port + 1));
    assert!(metrics.contains(&format!("concordat_regulator_reads_anchored {first}\n")), "{metrics}");
    assert!(!metrics.contains("concordat_regulator_reads_anchored_time_seconds 0\n"), "{metrics}");

    let mut anchoring = setting.postgres.spawn(&[&anchor[..], &["--every-s", "1"]].concat());
    service.read(&setting.supervisor, token, "/v1/blocks?limit=1");
    setting.network.wait("the process anchors what was read", || projected() > first);
    Command::new("kill").arg(anchoring.id().to_string()).status().unwrap();
    assert!(anchoring.wait().unwrap().success(), "{}", setting.postgres.log());

    let last = projected();
    setting.postgres.sql(&format!(
        "SET session_replication_role = replica; DELETE FROM access.reads WHERE seq >= {last}"
    ));
    let (code, told) = verify();
    assert_eq!(code, Some(3), "{told}");
    assert_eq!(told["flaw"], json!({ "flaw": "cut", "anchored": last, "found": last - 1 }));
    assert_eq!(once(), (Some(3), json!({ "flaw": told["flaw"] })), "nothing is anchored over it");
    assert_eq!(projected(), last);
}

fn answer_of(output: &Output) -> (Option<i32>, Value) {
    let said = serde_json::from_slice(&output.stdout);
    (output.status.code(), said.unwrap_or_else(|_| json!(String::from_utf8_lossy(&output.stderr))))
}

fn the_status_tells_who_is_absent_and_where_the_node_stands(
    setting: &mut Setting,
    service: &Service,
    token: &str,
) {
    let status = |setting: &Setting| service.read(&setting.supervisor, token, "/v1/status");
    let told = status(setting);
    assert_eq!((&told["commit"]["validators"], &told["you"]["jurisdiction"]), (&json!(4), &json!("EU")));
    let (node, database) = (told["node"]["height"].as_i64().unwrap(), told["height"].as_i64().unwrap());
    assert_eq!(told["node"]["database_behind"], (node - database).max(0));
    assert_eq!(told["node"]["catching_up"], false);
    let gone = 1;
    let organisation = setting.network.node(gone)["organisation"].clone();
    setting.network.kill(gone);
    setting.network.wait("its absence is told", || {
        let absent = status(setting)["commit"]["absent"].clone();
        absent.as_array().is_some_and(|all| all.iter().any(|one| one["organisation"] == organisation))
    });
    setting.network.start_node(gone);
    setting.network.wait("it is back", || {
        let commit = status(setting)["commit"].clone();
        commit["absent"].as_array().unwrap().iter().all(|one| one["organisation"] != organisation)
    });
}

fn a_node_that_is_away_is_a_problem(setting: &mut Setting, service: &Service, token: &str) {
    let account = setting.address("bank-b/operator");
    setting.network.kill(BESIDE);
    for path in [
        format!("/v1/evidence?subject={account}"),
        format!("/v1/permissions/explanation?account={account}&deploy=true"),
    ] {
        let answer = setting.get(service, token, &path);
        assert_eq!((problem(&answer).as_str(), answer.status), ("node-away", 503), "{path}");
        assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
    }
    let status = service.read(&setting.supervisor, token, "/v1/status");
    assert_eq!(status["node"], json!({ "problem": "node-away" }), "the rest is told");
    setting.network.start_node(BESIDE);
    let path = format!("/v1/permissions/explanation?account={account}&deploy=true");
    setting.network.wait("the node is back", || setting.get(service, token, &path).status == 200);
}

/// How many blocks an order binds here unless it is confirmed.
const LAPSE: &str = "80";

const POWERS: [&str; 3] = ["observe", "freeze-accounts", "freeze-contracts"];

/// A supervisor with a token, who signs orders on a machine of its own.
struct Desk<'a> {
    setting: &'a Setting,
    service: &'a Service,
    token: String,
}

impl Desk<'_> {
    /// A transaction that the supervisor signs; no key leaves its machine.
    fn signed(&self, act: &[&str], more: &[&str]) -> String {
        let (secret, url) = (self.setting.pki.name("passphrase"), self.setting.network.url(0, "ethereum"));
        let key = ["--key", &self.setting.supervisor.key, "--passphrase-file", &secret, "--rpc", &url];
        let signed = concordat(&[act, &["--offline", "--gas", "2000000"], more, &key].concat());
        signed["raw"].as_str().unwrap().to_owned()
    }

    /// An act on orders by a document.
    fn order(&self, act: &[&str], more: &[&str]) -> String {
        let file = self.setting.pki.name("order.txt");
        fs::write(&file, "The supervisor orders").unwrap();
        self.signed(&[&["order"], act, &["--basis-file", &file, "--reference", "Order 7"]].concat(), more)
    }

    fn hand_in(&self, raw: &str) -> Answer {
        self.service.hand_in(&self.setting.supervisor, &self.token, raw)
    }

    /// Hands in what must be taken; what it says, and the transaction's hash.
    fn takes(&self, raw: &str) -> (String, String) {
        let answer = self.hand_in(raw);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let told = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        (told("says"), told("hash"))
    }

    /// The same by the program's own command.
    fn by_command(&self, raw: &str) -> Value {
        let pki = &self.setting.pki;
        let [root, secret, token] = ["ca/root/ca.crt", "passphrase", "token"].map(|name| pki.name(name));
        fs::write(&token, &self.token).unwrap();
        let (url, supervisor) =
            (format!("https://127.0.0.1:{}", self.service.port), &self.setting.supervisor);
        let shown = ["--service", &url, "--ca", &root, "--client-certificate", &supervisor.certificate];
        let key = ["--client-key", &supervisor.key, "--client-passphrase-file", &secret];
        concordat(&[&["audit", "submit", raw, "--token-file", &token], &shown[..], &key].concat())
    }

    fn read(&self, path: &str) -> Value {
        self.service.read(&self.setting.supervisor, &self.token, path)
    }

    /// An order as soon as it stands so.
    fn stands(&self, id: u64, stands: &str) -> Value {
        let mut found = Value::Null;
        let path = format!("/v1/orders?id={id}&stands={stands}");
        self.setting.network.wait(&format!("order {id} is {stands}"), || {
            found = self.read(&path)["data"][0].clone();
            found.is_object()
        });
        found
    }
}

#[test]
fn a_supervisor_hands_in_orders_and_reads_how_each_of_them_stands() {
    let setting = Setting::start(&POWERS);
    committee::pass(&setting.network, &["set-rule", "confirm-order", "--lapse", LAPSE]);
    without_a_node_no_order_is_taken(&setting);
    let service = setting.service(&setting.node());
    let token = setting.token_of(&service);
    let desk = Desk { setting: &setting, service: &service, token };
    let account = setting.address("bank-b/operator");
    what_is_no_order_of_ones_own_is_refused(&desk, &account);
    an_own_order_binds_and_the_picture_says_so(&desk, &account);
    the_committee_confirms_and_lifts_it(&desk, &account);
    a_halt_lapses_without_a_step(&desk);
    its_issuer_releases_one(&desk, &setting.address("bank-a/developer"));
    every_attempt_is_on_the_log(&setting);
    the_database_says_what_the_chain_says(&setting);
}

fn without_a_node_no_order_is_taken(setting: &Setting) {
    let service = setting.service("");
    let token = setting.token_of(&service);
    let desk = Desk { setting, service: &service, token };
    let answer = desk.hand_in(&desk.order(&["release", "1"], &[]));
    assert_eq!(problem(&answer), "not-configured");
    assert!(answer.body["detail"].as_str().unwrap().contains("[node]"), "{}", answer.body);
}

fn what_is_no_order_of_ones_own_is_refused(desk: &Desk<'_>, account: &str) {
    let refused = |raw: &str, kind: &str, says: &str| {
        let answer = desk.hand_in(raw);
        assert_eq!(problem(&answer), kind, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{}", answer.body);
    };
    let own = desk.order(&["freeze", account], &[]);
    refused("0x12", "malformed", "raw: ");
    refused(&own[2..], "malformed", "the signed transaction");
    refused(&own[..own.len() - 2], "malformed", "raw: ");
    refused(&desk.order(&["freeze", account], &["--chain-id", "1"]), "malformed", "invalid chain id");
    let file = desk.setting.pki.name("order.txt");
    let by_member = ["order", "freeze", account, "--basis-file", &file, "--reference", "Order 7"];
    let by_member = [&by_member[..], &["--offline", "--gas", "2000000"]].concat();
    let foreign = desk.setting.network.with_key("bank-a/member", 0, &by_member);
    refused(foreign["raw"].as_str().unwrap(), "foreign-signer", &desk.setting.address("bank-a/member"));
    refused(
        &desk.signed(&["gov", "revoke", "1"], &[]),
        "no-order",
        "0x000000000000000000000000000000000000c006",
    );
    refused(&desk.order(&["release", "99"], &[]), "refused", "code 130: ");
    refused(&desk.order(&["freeze", account], &["--nonce", "0"]), "refused", "nonce too low");

    let supervisor = &desk.setting.supervisor;
    assert_eq!(problem(&desk.service.hand_in(supervisor, "", &own)), "no-token");
    let answer = desk.service.send(supervisor, &request("PUT", "/v1/orders", &desk.token, ""));
    assert_eq!(problem(&answer), "method");
    assert!(answer.head.contains("allow: get, post"), "{}", answer.head);
    assert_eq!(desk.read("/v1/orders")["data"], json!([]), "none of it came to anything");
}

fn an_own_order_binds_and_the_picture_says_so(desk: &Desk<'_>, account: &str) {
    let raw = desk.order(&["freeze", account], &[]);
    let (says, hash) = desk.takes(&raw);
    assert!(says.starts_with(&format!("freeze-all of account {account}, until it is released")), "{says}");
    let order = desk.stands(1, "provisional");
    let issuer = format!("{:#x}", desk.setting.supervisor.account);
    assert_eq!((&order["issuer"], &order["measure"]), (&json!(issuer), &json!("freeze-all")));
    for step in
        ["confirmed_at", "confirmed_by", "confirmed_by_proposal", "ended_at", "ended_by", "ended_by_proposal"]
    {
        assert_eq!(order[step], Value::Null, "{step}");
    }
    assert_eq!(desk.read(&format!("/v1/transactions/{hash}"))["data"]["outcome"], 0);
    let token = desk.setting.token.to_string();
    let pays = ["contract", "send", "--to", &token, "transfer(address,uint256)", &token, "1"];
    let said = concordat_tests::refused(&desk.setting.network, "bank-b/operator", &pays);
    assert!(said.contains("frozen by order 1 "), "{said}");
    let picture = desk.read(&format!("/v1/accounts/{account}"));
    assert_eq!((&picture["account"]["status"], &picture["freezes"]), (&json!("active"), &json!([])));
    assert_eq!(
        (&picture["binding"][0]["id"], &picture["binding"][0]["stands"]),
        (&json!(1), &json!("provisional"))
    );
    let again = desk.hand_in(&desk.order(&["freeze", account], &[]));
    assert_eq!(problem(&again), "refused", "one binds already: {}", again.body);
}

/// Who confirmed, and who ended it: a proposal each time, and not the same.
fn the_committee_confirms_and_lifts_it(desk: &Desk<'_>, account: &str) {
    let (network, file) = (&desk.setting.network, desk.setting.pki.name("order.txt"));
    let basis = ["--basis-file", &file, "--reference", "Minutes 9"];
    committee::pass(network, &[&["confirm-order", "1"], &basis[..]].concat());
    let order = desk.stands(1, "confirmed");
    let by = order["confirmed_by_proposal"].as_i64().unwrap();
    assert!(order["confirmed_at"].as_i64() > order["issued"].as_i64(), "{order}");
    assert_eq!(
        (&order["confirmed_by"], &order["ended_at"], &order["ended_by_proposal"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let proposal = desk.read(&format!("/v1/proposals/{by}"));
    assert_eq!(proposal["data"]["kind"], "confirm-order");

    committee::pass(network, &[&["lift-order", "1"], &basis[..]].concat());
    let order = desk.stands(1, "released");
    assert_eq!(
        (order["confirmed_by_proposal"].as_i64(), &order["end_reference"]),
        (Some(by), &json!("Minutes 9"))
    );
    let lifted = order["ended_by_proposal"].as_i64().unwrap();
    assert_eq!(desk.read(&format!("/v1/proposals/{lifted}"))["data"]["kind"], "lift-order");
    assert!(order["ended_at"].as_i64() > order["confirmed_at"].as_i64(), "{order}");
    assert_eq!(order["ended_by"], Value::Null, "no regulator's");
    let picture = desk.read(&format!("/v1/accounts/{account}"));
    assert_eq!((&picture["binding"], &picture["orders"][0]["stands"]), (&json!([]), &json!("released")));
    let before = desk.read(&format!("/v1/accounts/{account}?at={}", order["confirmed_at"]));
    assert_eq!(before["binding"][0]["stands"], "confirmed");
}

fn a_halt_lapses_without_a_step(desk: &Desk<'_>) {
    let token = desk.setting.token.to_string();
    let (says, _) = desk.takes(&desk.order(&["halt", &token], &[]));
    assert!(says.starts_with(&format!("halt of contract {token}")), "{says}");
    let lapses: u64 = desk.stands(2, "provisional")["lapses"].as_str().unwrap().parse().unwrap();
    let picture = desk.read(&format!("/v1/contracts/{token}"));
    let told = (&picture["data"]["status"], &picture["orders"][0]["stands"]);
    assert_eq!(
        told,
        (&json!("active"), &json!("provisional")),
        "the contract's own status is the committee's"
    );
    desk.setting.network.wait_for_height(0, lapses + 1);
    let order = desk.stands(2, "lapsed");
    assert_eq!(
        (&order["status"], &order["ended_at"]),
        (&json!("provisional"), &Value::Null),
        "no step was taken"
    );
    let then = desk.read(&format!("/v1/contracts/{token}?at={lapses}"));
    assert_eq!(then["orders"][0]["stands"], "provisional", "through that height it has bound");
}

/// Nobody confirmed it, and a person ended it.
fn its_issuer_releases_one(desk: &Desk<'_>, account: &str) {
    desk.takes(&desk.order(&["freeze", account, "--scope", "outgoing"], &[]));
    desk.stands(3, "provisional");
    let said = desk.by_command(&desk.order(&["release", "3"], &[]));
    assert!(said["says"].as_str().unwrap().starts_with("release of order 3"), "{said}");
    let order = desk.stands(3, "released");
    let issuer = format!("{:#x}", desk.setting.supervisor.account);
    assert_eq!((&order["ended_by"], &order["ended_by_proposal"]), (&json!(issuer), &Value::Null));
    assert_eq!((&order["confirmed_at"], &order["confirmed_by"]), (&Value::Null, &Value::Null));
}

fn every_attempt_is_on_the_log(setting: &Setting) {
    let logged = |condition: &str| {
        let statement = format!("SELECT count(*) FROM access.reads WHERE method = 'POST' AND {condition}");
        setting.postgres.sql(&statement).parse::<u64>().unwrap()
    };
    let known = "path LIKE '/v1/orders#0x%' AND purpose = 'investigation' AND case_ref = '2026/7'";
    assert_eq!(
        logged(&format!("{known} AND status = 200")),
        4,
        "each that was taken, by its transaction's hash"
    );
    let announced = "SELECT count(*) FROM access.reads taken WHERE status = 200 AND method = 'POST' AND path LIKE '/v1/orders%' \
         AND EXISTS (SELECT FROM access.reads said WHERE said.path = taken.path AND said.status = 102 AND said.seq < taken.seq)";
    assert_eq!(setting.postgres.sql(announced), "4", "and before it was handed on");
    assert_eq!(logged("path LIKE '/v1/orders#0x%' AND status = 403"), 1, "another's");
    assert_eq!(
        logged("path LIKE '/v1/orders#0x%' AND status = 422"),
        4,
        "another contract; thrice the chain's refusal"
    );
    assert!(logged("path LIKE '/v1/orders%' AND status = 400") >= 4, "what is no transaction");
    assert_eq!(logged("path = '/v1/orders' AND status = 401"), 1, "without a token");
    let verified = setting.postgres.concordat(&["audit", "verify-reads"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

fn the_database_says_what_the_chain_says(setting: &Setting) {
    let data = setting.network.node_folder(BESIDE).join("data");
    let genesis = setting.network.info["genesis"].as_str().unwrap();
    let verify = ["audit", "verify-projection", "--data", data.to_str().unwrap(), "--genesis", genesis];
    let verified = setting.postgres.concordat(&verify);
    let told: Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
    assert_eq!((verified.status.code(), &told["difference"]), (Some(0), &Value::Null), "{told}");
}
