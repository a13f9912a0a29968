//! The regulator's database says what the chain says: through kills of either side under load, and until somebody edits it.

use std::process::{Child, Output};

use alloy_primitives::Address;
use concordat_tests::{Network, Wallet, committee, load::Load, postgres::Postgres, token};
use serde_json::{Value, json};

const NODES: usize = 4;

/// The node next to which the projector runs.
const OBSERVED: usize = 3;

/// How often each side is killed under load.
const KILLS: usize = 4;

struct Setting {
    network: Network,
    postgres: Postgres,
}

impl Setting {
    fn start(settings: &[&'static str]) -> Self {
        let network = Network::start_with(NODES, &["--empty-block-interval-ms", "200"]);
        let postgres = Postgres::start(settings);
        let done = postgres.concordat(&["audit", "migrate"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        Self { network, postgres }
    }

    /// Where blocks come from, as arguments.
    fn source(&self) -> [String; 4] {
        let data = self.network.node_folder(OBSERVED).join("data");
        let genesis = self.network.info["genesis"].as_str().unwrap();
        ["--data".into(), data.to_str().unwrap().into(), "--genesis".into(), genesis.into()]
    }

    fn audit(&self, command: &str, more: &[&str]) -> Output {
        let source = self.source();
        let mut args = vec!["audit", command];
        args.extend(source.iter().map(String::as_str));
        args.extend(more);
        self.postgres.concordat(&args)
    }

    fn projector(&self) -> Child {
        let source = self.source();
        let mut args = vec!["audit", "project"];
        args.extend(source.iter().map(String::as_str));
        self.postgres.spawn(&args)
    }

    /// Writes what is missing.
    fn project(&self) {
        let output = self.audit("project", &["--until-tip"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    fn height(&self) -> i64 {
        let height = self.postgres.sql("SELECT coalesce(max(height), -1) FROM ledger.projection_cursor");
        height.parse().unwrap()
    }

    /// Waits until the database has what the node has now.
    fn wait(&self) {
        let tip = i64::try_from(self.network.height(OBSERVED).unwrap()).unwrap();
        self.network
            .wait(&format!("block {tip} in the database:\n{}", self.postgres.log()), || self.height() >= tip);
    }

    /// Holds the database against the chain: the exit code, and what is told.
    fn verify(&self, more: &[&str]) -> (Option<i32>, Value) {
        let output = self.audit("verify-projection", more);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    #[track_caller]
    fn assert_right(&self) {
        let (code, told) = self.verify(&[]);
        assert_eq!((code, &told["difference"]), (Some(0), &Value::Null), "{told}");
    }

    /// What the database says that somebody has of a token.
    fn balance(&self, token: Address, holder: Address) -> u64 {
        let (token, holder) = (hex(token), hex(holder));
        let newest = format!(
            "SELECT balance FROM ledger.token_balances WHERE token = {token} AND holder = {holder} \
             ORDER BY height DESC LIMIT 1"
        );
        self.postgres.sql(&newest).parse().unwrap_or_default()
    }
}

fn hex(address: Address) -> String {
    format!("'\\x{}'", alloy_primitives::hex::encode(address))
}

#[test]
fn the_database_says_what_the_chain_says_until_somebody_edits_it() {
    let setting = Setting::start(&["fsync=off"]);
    let mut projector = setting.projector();
    let network = &setting.network;
    committee::enrol(network);
    let token = token::deploy(network, "bank-a/developer", 1_000);
    network.enrol("bank-b/operator", 0);
    let payment = pay(network, token, 250);
    let contract = token.to_string();
    let order = network.home().join("order.txt");
    std::fs::write(&order, "The court orders").unwrap();
    let order = order.to_str().unwrap();
    let freeze = ["freeze-contract", &contract, "--basis-file", order, "--reference", "Order 7"];
    committee::pass(network, &freeze);
    setting.wait();

    balances_are_those_that_the_contract_tells(&setting, token);
    what_was_decided_is_told(&setting, token);
    a_payment_that_is_rolled_back_is_no_balance(&setting, token, &payment, order);
    the_api_reads_and_writes_nothing(&setting);
    a_second_projector_is_refused(&setting);
    assert!(std::process::Command::new("kill").arg(projector.id().to_string()).status().unwrap().success());
    assert_eq!(projector.wait().unwrap().code(), Some(0), "it ends when it is asked to");
    setting.project();
    setting.assert_right();
    whoever_edits_a_row_is_found_out(&setting);
}

fn pay(network: &Network, token: Address, amount: u64) -> Value {
    let (token, to) = (token.to_string(), network.address("bank-b/operator").to_string());
    let call = ["contract", "send", "--to", &token, "transfer(address,uint256)", &to, &amount.to_string()];
    network.with_key("bank-a/developer", 0, &call)
}

fn balances_are_those_that_the_contract_tells(setting: &Setting, token: Address) {
    let parties = ["bank-a/developer", "bank-b/operator"].map(|name| setting.network.address(name));
    let told = parties.map(|party| token::balance(&setting.network, 0, token, party, "latest").unwrap());
    assert_eq!(told, [750, 250]);
    assert_eq!(parties.map(|party| setting.balance(token, party)), told);
    let events =
        "SELECT arguments->>'value' FROM ledger.decoded_events WHERE name = 'Transfer' ORDER BY height";
    assert_eq!(setting.postgres.sql(events), "1000\n250");
}

fn what_was_decided_is_told(setting: &Setting, token: Address) {
    let sql = |statement: &str| setting.postgres.sql(statement);
    assert_eq!(sql("SELECT count(DISTINCT organisation) FROM ledger.organisations WHERE height = 0"), "4");
    assert_eq!(sql("SELECT count(*) FROM ledger.validators WHERE height = 0"), "4");
    let proposal = "SELECT kind, status FROM ledger.proposals ORDER BY height DESC, place DESC LIMIT 1";
    assert_eq!(sql(proposal), "freeze-contract|executed");
    assert!(sql("SELECT count(*) FROM ledger.ballots WHERE choice = 'yes'").parse::<u32>().unwrap() >= 3);
    let status = format!(
        "SELECT status FROM ledger.contracts WHERE contract = {} ORDER BY height DESC LIMIT 1",
        hex(token)
    );
    assert_eq!(sql(&status), "frozen");
    assert_eq!(sql("SELECT reference FROM ledger.contract_halts WHERE NOT removed"), "Order 7");
    let own = "SELECT count(*) > 0 FROM ledger.account_details d JOIN ledger.transactions t USING (height, tx_index) \
               WHERE t.sender = d.account AND t.succeeded";
    assert_eq!(sql(own), "t", "an enrolment is the act of the account's own transaction");
    let halted = "SELECT count(*) FROM ledger.contract_halts h JOIN ledger.decoded_events e USING (height, tx_index) \
                  WHERE e.name = 'ProposalDecided'";
    assert_eq!(sql(halted), "1", "a freeze is the act of who executed the proposal");
    let stray = "SELECT count(*) FROM ledger.ballots b LEFT JOIN ledger.transactions t USING (height, tx_index) \
                 WHERE b.tx_index IS NOT NULL AND t.sender IS DISTINCT FROM b.member";
    assert_eq!(sql(stray), "0", "a ballot is the act of who cast it");
    let enrolled = "SELECT count(*) FROM ledger.account_details WHERE height > 0";
    assert!(sql(enrolled).parse::<u32>().unwrap() >= 6, "members, the developer, the operator");
}

/// The freeze is lifted first, since what is frozen stays as it is.
fn a_payment_that_is_rolled_back_is_no_balance(
    setting: &Setting,
    token: Address,
    payment: &Value,
    order: &str,
) {
    let network = &setting.network;
    let contract = token.to_string();
    let lift = ["unfreeze-contract", &contract, "--basis-file", order, "--reference", "Order 7 lifted"];
    committee::pass(network, &lift);
    let (plan, hash) = (network.home().join("plan.json"), payment["transactionHash"].as_str().unwrap());
    let (plan, url) = (plan.to_str().unwrap(), network.url(0, "ethereum"));
    let planned = ["rollback", "plan", "--rpc", &url, "--transaction", hash, "--out", plan];
    assert!(concordat_tests::run(&planned).status.success());
    committee::pass(network, &["roll-back", "--plan", plan, "--basis-file", order, "--reference", "Order 8"]);
    setting.wait();
    let parties = ["bank-a/developer", "bank-b/operator"].map(|name| network.address(name));
    assert_eq!(parties.map(|party| setting.balance(token, party)), [1_000, 0]);
    assert_eq!(setting.postgres.sql("SELECT jsonb_array_length(transactions) FROM ledger.rollbacks"), "1");
}

fn the_api_reads_and_writes_nothing(setting: &Setting) {
    let as_reader = |statement: &str| format!("SET ROLE concordat_reader; {statement}");
    let read = setting.postgres.sql(&as_reader("SELECT count(*) > 0 FROM ledger.transactions_p000000"));
    assert!(read.ends_with('t'), "{read}");
    for statement in ["DELETE FROM ledger.blocks", "UPDATE ledger.projection_cursor SET height = 1"] {
        let refused = setting.postgres.refused(&as_reader(statement));
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

fn a_second_projector_is_refused(setting: &Setting) {
    let held = setting.postgres.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'");
    assert_eq!(held, "1");
}

fn whoever_edits_a_row_is_found_out(setting: &Setting) {
    // Statement, what undoes it, and what must be named.
    let edits = [
        (
            "UPDATE ledger.transactions SET gas_used = gas_used + 1 WHERE succeeded AND method IS NOT NULL",
            "UPDATE ledger.transactions SET gas_used = gas_used - 1 WHERE succeeded AND method IS NOT NULL",
            ("ledger.transactions", json!("gas_used")),
        ),
        (
            "UPDATE ledger.token_balances SET balance = 999 WHERE balance = 250",
            "UPDATE ledger.token_balances SET balance = 250 WHERE balance = 999",
            ("ledger.token_balances", json!("balance")),
        ),
        (
            "UPDATE ledger.decoded_events SET arguments = arguments || '{\"value\": \"7\"}' WHERE arguments->>'value' = '250'",
            "UPDATE ledger.decoded_events SET arguments = arguments || '{\"value\": \"250\"}' WHERE arguments->>'value' = '7'",
            ("ledger.decoded_events", json!("arguments")),
        ),
        (
            "CREATE TABLE kept AS SELECT * FROM ledger.organisations WHERE organisation = 'bank-b'; \
             DELETE FROM ledger.organisations WHERE organisation = 'bank-b'",
            "INSERT INTO ledger.organisations SELECT * FROM kept",
            ("ledger.organisations", Value::Null),
        ),
        (
            "INSERT INTO ledger.ballots VALUES (3, 0, NULL, false, 1, '\\x01', 'yes')",
            "DELETE FROM ledger.ballots WHERE member = '\\x01'",
            ("ledger.ballots", Value::Null),
        ),
        (
            "UPDATE ledger.block_digests SET running = '\\x00' WHERE height = 2",
            "",
            ("ledger.block_digests", json!("running")),
        ),
    ];
    for (edit, undo, (table, column)) in edits {
        setting.postgres.sql(edit);
        let (code, told) = setting.verify(&[]);
        let difference = &told["difference"];
        assert_eq!(
            (code, &difference["table"], &difference["column"]),
            (Some(3), &json!(table), &column),
            "{told}"
        );
        if !undo.is_empty() {
            setting.postgres.sql(undo);
            setting.assert_right();
        }
    }
    let (code, told) = setting.verify(&["--from", "5", "--to", "9"]);
    assert_eq!(
        (code, &told["from"], &told["to"]),
        (Some(0), &json!(5), &json!(9)),
        "what was not edited is right"
    );
}

#[test]
fn sigkill_of_either_side_under_load_leaves_no_gap_and_no_row_twice() {
    let mut setting = Setting::start(&[]);
    let mut load = Load::start(&setting.network);
    let mut projector = setting.projector();
    for _ in 0..KILLS {
        setting.wait();
        projector.kill().unwrap();
        projector.wait().unwrap();
        projector = setting.projector();
        setting.wait();
        setting.postgres.kill();
        setting.postgres.start_again();
    }
    setting.wait();
    assert_eq!(projector.try_wait().unwrap(), None, "it goes on by itself:\n{}", setting.postgres.log());
    load.stop();
    let network = &setting.network;
    let tip = network.height(OBSERVED).unwrap();
    network.wait_for_height(OBSERVED, tip + 2);
    setting.wait();
    projector.kill().unwrap();
    projector.wait().unwrap();

    let sql = |statement: &str| setting.postgres.sql(statement);
    let gaps = "SELECT max(height) - count(*), max(height) - (SELECT height FROM ledger.projection_cursor) \
                FROM ledger.blocks";
    assert_eq!(sql(gaps), "0|0");
    let paid: u64 = load.accounts.iter().map(|account| account.promised()).sum();
    let transfers: u64 = sql("SELECT count(*) FROM ledger.token_transfers").parse().unwrap();
    assert!(transfers >= paid, "{transfers} transfers, {paid} receipts were given");
    let holders = load.accounts.iter().flat_map(|account| [account.payer, account.receiver]);
    for holder in holders.chain([Wallet::of(network, "bank-a/developer").address()]) {
        let at = format!("{:#x}", setting.height());
        let told = token::balance(network, OBSERVED, load.token, holder, &at).unwrap();
        assert_eq!(setting.balance(load.token, holder), told);
    }
    setting.assert_right();
}

#[test]
fn a_schema_that_is_not_this_programs_is_refused() {
    let postgres = Postgres::start(&["fsync=off"]);
    let said = |args: &[&str]| {
        let output = postgres.concordat(&[&["audit"], args].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (done, text) = said(&["status"]);
    assert!(
        !done && text.contains("older than this program") && text.contains("concordat audit migrate"),
        "{text}"
    );
    assert!(said(&["migrate"]).0);
    assert!(said(&["status"]).0);
    let again = said(&["migrate"]);
    assert!(again.0 && again.1.contains("[]"), "{again:?}");

    postgres.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')");
    for args in [["status"], ["migrate"]] {
        let (done, text) = said(&args);
        assert!(
            !done && text.contains("newer than this program") && text.contains("20991231000001"),
            "{text}"
        );
    }
    postgres.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20991231000001'");

    assert!(said(&["migrate", "--revert"]).0);
    assert_eq!(postgres.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'ledger'"), "0");
    assert!(said(&["migrate"]).0, "what was removed is made again");
}

#[test]
fn an_abi_is_registered_or_refused_with_its_entry() {
    let postgres = Postgres::start(&["fsync=off"]);
    let folder = tempfile::tempdir().unwrap();
    let register = |name: &str, abi: Value| {
        let file = folder.path().join(name);
        std::fs::write(&file, abi.to_string()).unwrap();
        let contract = format!("{:#x}", Address::repeat_byte(7));
        let file = file.to_str().unwrap();
        let output = postgres.concordat(&["audit", "register-abi", "--contract", &contract, "--abi", file]);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let event = |kind: &str| json!({ "type": "event", "name": "Paid", "inputs": [{ "name": "sum", "type": kind, "indexed": false }] });
    let (done, text) = register("early.json", json!([event("uint256")]));
    assert!(!done && text.contains("concordat audit migrate"), "{text}");
    assert!(postgres.concordat(&["audit", "migrate"]).status.success());
    let (done, text) = register("odd.json", json!([event("uint256"), event("uint7")]));
    assert!(!done && text.contains("entry 1 of the ABI (Paid)"), "{text}");
    let (done, text) = register("good.json", json!([event("uint256")]));
    assert!(done && text.contains("\"was_there\": false"), "{text}");
    let decoded = postgres.concordat(&["audit", "decode"]);
    let told: Value = serde_json::from_slice(&decoded.stdout).unwrap();
    assert_eq!((&told["contracts"], &told["events"]), (&json!(1), &json!(0)), "{told}");
}
