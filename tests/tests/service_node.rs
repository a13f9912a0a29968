//! What the service of supervisors has from the node beside it: why somebody may do something, and packages for a court. A
//! real chain, its database, its service; what it hands out is checked by the program's own commands.

use std::{
    fs,
    process::{Child, Command, Output},
};

use alloy_primitives::Address;
use concordat_tests::{
    Network, committee, concordat, get,
    postgres::Postgres,
    run,
    supervision::{Answer, Holder, Pki, Regulator, Service, problem},
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
    fn start() -> Self {
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
        regulator.is_admitted();
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
    let mut setting = Setting::start();
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
