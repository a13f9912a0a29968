//! Surveillance of a real network: what is found, what people make of it, and that kills leave nothing out.

use std::{
    path::PathBuf,
    process::{Child, Output},
    time::Duration,
};

use alloy_primitives::Address;
use concordat_tests::{Network, committee, load::Load, postgres::Postgres, token};
use serde_json::Value;

const NODES: usize = 4;

/// The node next to which the projector runs.
const OBSERVED: usize = 3;

/// How often the watcher is killed under load.
const KILLS: usize = 5;

struct Setting {
    network: Network,
    postgres: Postgres,
}

impl Setting {
    fn start() -> Self {
        let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
        let postgres = Postgres::start(&["fsync=off"]);
        assert!(postgres.concordat(&["audit", "migrate"]).status.success());
        Self { network, postgres }
    }

    fn project(&self, until_tip: bool) -> Child {
        let data = self.network.node_folder(OBSERVED).join("data");
        let genesis = self.network.info["genesis"].as_str().unwrap();
        let mut args = vec!["audit", "project", "--data", data.to_str().unwrap(), "--genesis", genesis];
        args.extend(until_tip.then_some("--until-tip"));
        self.postgres.spawn(&args)
    }

    /// Puts everything that there is into the database.
    fn project_all(&self) {
        let tip = self.network.height(0).unwrap();
        self.network.wait_for_height(OBSERVED, tip);
        assert!(self.project(true).wait().unwrap().success(), "{}", self.postgres.log());
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.network.home().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What a command of `concordat audit` says.
    #[track_caller]
    fn audit(&self, args: &[&str]) -> Value {
        let output: Output = self.postgres.concordat(&[&["audit"], args].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, args: &[&str]) -> String {
        let output = self.postgres.concordat(&[&["audit"], args].concat());
        assert!(!output.status.success(), "{args:?} was not refused");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn pay(&self, from: &str, to: &str, token: Address, amount: u64) {
        let (token, to) = (token.to_string(), self.network.address(to).to_string());
        let call =
            ["contract", "send", "--to", &token, "transfer(address,uint256)", &to, &amount.to_string()];
        self.network.with_key(from, 0, &call);
    }
}

const RULES: &str = r#"
version = 1
[[rule]]
id = "circle"
title = "Value that comes back"
kind = "round-trip"
grade = "propose-freeze"
reference = "Guideline 3"
hops = 3
returned = 900
amount = "100"
window = { blocks = 100000 }
[[rule]]
id = "listed"
title = "Somebody on the list"
kind = "sanctions"
grade = "alert"
reference = "Regulation 2"
hits = ["recipient"]
[[rule]]
id = "own-matter"
title = "A member votes on its own matter"
kind = "own-matter"
grade = "alert"
reference = "Charter 5"
[[rule]]
id = "new-accounts"
title = "Many accounts at once"
kind = "new-accounts"
grade = "note"
reference = "Guideline 6"
organisations = ["bank-a"]
count = 2
window = { blocks = 100000 }
[[rule]]
id = "busy-member"
title = "Many proposals"
kind = "proposal-burst"
grade = "note"
reference = "Charter 1"
count = 50
window = { blocks = 100000 }
"#;

#[test]
fn what_happens_on_a_network_is_found_and_people_decide_about_it() {
    let setting = Setting::start();
    let network = &setting.network;
    committee::enrol(network);
    let token = token::deploy(network, "bank-a/developer", 1_000);
    for operator in ["bank-b/operator", "bank-c/operator"] {
        network.enrol(operator, 0);
    }
    setting.pay("bank-a/developer", "bank-b/operator", token, 500);
    setting.pay("bank-b/operator", "bank-c/operator", token, 480);
    setting.pay("bank-c/operator", "bank-a/developer", token, 455);
    // Too little of it.
    setting.pay("bank-a/developer", "bank-c/operator", token, 100);
    setting.pay("bank-c/operator", "bank-a/developer", token, 89);
    let (developer, order) =
        (network.address("bank-a/developer"), setting.file("order.txt", "It is ordered"));
    let account = developer.to_string();
    committee::pass(network, &["freeze-account", &account, "--basis-file", &order, "--reference", "Order 1"]);
    setting.project_all();

    let rules = setting.file("rules.toml", RULES);
    let list = format!(
        "version = 1\nsource = \"test\"\n[[entry]]\naddress = \"{:#x}\"\nreason = \"No. 1\"\n",
        network.address("bank-b/operator")
    );
    let list = setting.file("list.toml", &list);
    let missing = setting.refused(&["watch", "--rules", &rules, "--until-tip"]);
    assert!(missing.contains("name one by --sanctions"), "{missing}");
    setting.audit(&["watch", "--rules", &rules, "--sanctions", &list, "--until-tip"]);
    let found = setting.audit(&["findings", "list"]);
    let told: Vec<&str> = found.as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(told, ["new-accounts", "listed", "circle", "own-matter"], "{found:#}");
    let (circle, own) = (&found[2], &found[3]);
    assert_eq!(
        (circle["subject"].as_str(), circle["numbers"]["returned"].as_str()),
        (Some(&*format!("{developer:#x}")), Some("455"))
    );
    assert_eq!(own["subject"].as_str().unwrap(), format!("{:#x}", network.address("bank-a/member")));
    assert_eq!(own["numbers"]["matter"], "its organisation bank-a");
    let note = setting.audit(&["findings", "list", "--grade", "note"]);
    assert_eq!(note.as_array().unwrap().len(), 1);
    people_decide(&setting, circle["id"].as_str().unwrap());
}

/// The freeze that `show` proposes is one that a member can propose.
fn people_decide(setting: &Setting, id: &str) {
    setting.audit(&["findings", "ack", id, "--by", "A. Meier"]);
    let document = setting.network.home().join("finding.json");
    let document = document.to_str().unwrap();
    let shown = setting.audit(&["findings", "show", &id[..12], "--out", document]);
    assert_eq!(
        (&shown["state"], shown["transactions"].as_array().unwrap().len()),
        (&"acknowledged".into(), 3)
    );
    let (account, reference) = (shown["subject"].as_str().unwrap(), format!("finding {id}"));
    let file = format!("finding-{}.json", &id[..12]);
    let command = format!(
        "concordat gov propose freeze-account {account} --basis-file {file} --reference \"{reference}\" --key member.key"
    );
    assert_eq!(shown["commands"][1], command);
    // That account is frozen already; another one's freeze is proposed in the same words.
    let other = setting.network.address("bank-b/operator").to_string();
    let words = ["freeze-account", &other, "--basis-file", document, "--reference", &reference];
    let proposed = committee::propose(&setting.network, &words);
    assert!(proposed.parse::<u64>().is_ok(), "{proposed}");
    setting.audit(&["findings", "close", id, "--by", "B. Keller", "--text", "the committee decides"]);
    let again = setting.refused(&["findings", "close", id, "--by", "B. Keller", "--text", "again"]);
    assert!(again.contains("is closed"), "{again}");
    let shown = setting.audit(&["findings", "show", id]);
    assert_eq!((&shown["state"], &shown["trailWhole"]), (&"closed".into(), &true.into()));
    let open = setting.audit(&["findings", "list", "--state", "closed"]);
    assert_eq!(open.as_array().unwrap().len(), 1);
}

/// Rules that find much in the payments of a load.
const BUSY: &str = r#"
version = 1
[[rule]]
id = "many"
title = "Many transactions"
kind = "high-frequency"
grade = "note"
reference = "r"
of = "transactions"
count = 20
window = { blocks = 20 }
quiet = { blocks = 3 }
[[rule]]
id = "gets"
title = "Gets much in small pieces"
kind = "structuring"
grade = "note"
reference = "r"
side = "recipient"
below = "1000000"
total = "10"
count = 10
window = { seconds = 10 }
quiet = { seconds = 1 }
"#;

#[test]
fn sigkill_of_the_watcher_under_load_leaves_no_finding_out_and_none_twice() {
    let setting = Setting::start();
    let mut load = Load::start(&setting.network);
    let mut projector = setting.project(false);
    let rules = setting.file("busy.toml", BUSY);
    let watching = ["audit", "watch", "--rules", &rules];
    let judged =
        || setting.postgres.sql("SELECT coalesce(max(height), 0) FROM watch.cursor").parse::<u64>().unwrap();
    let mut watcher = None;
    setting.network.wait("blocks in the database", || {
        setting.postgres.sql("SELECT count(*) FROM ledger.projection_cursor WHERE height > 0") == "1"
    });
    for kill in 0..KILLS {
        let (mut one, before) = (setting.postgres.spawn(&watching), judged());
        setting
            .network
            .wait(&format!("blocks judged:\n{}", setting.postgres.log()), || judged() > before + 3);
        std::thread::sleep(Duration::from_millis(u64::try_from(kill).unwrap() * 90));
        one.kill().unwrap();
        watcher = Some(one.wait().unwrap());
    }
    assert!(!watcher.unwrap().success());
    load.stop();
    projector.kill().unwrap();
    projector.wait().unwrap();
    setting.project_all();
    setting.audit(&["watch", "--rules", &rules, "--until-tip"]);

    let ids = |found: &Value| -> Vec<String> {
        let found = found.as_array().unwrap().iter();
        found.map(|one| one["id"].as_str().unwrap().trim_start_matches("0x").to_owned()).collect()
    };
    let kept = ids(&setting.audit(&["findings", "list", "--limit", "10000"]));
    let whole = setting.audit(&["backtest", "--rules", &rules, "--limit", "10000"]);
    assert!(kept.len() > 10, "{} findings", kept.len());
    assert_eq!(kept, ids(&whole["findings"]));
}
