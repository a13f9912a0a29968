//! Clients that we did not write, unchanged: ethers, viem, web3.js, Hardhat, Foundry, cosmjs; and the schemas of
//! ethereum/execution-apis.

use std::{path::PathBuf, process::Command};

use concordat_tests::{Network, chain, skip, token};
use serde_json::{Value, json};

/// The folder that `npm install` fills from the checked-in lock file.
fn clients() -> PathBuf {
    concordat_tests::package().join("clients")
}

/// Runs a client and gives what it printed. Panics with all its output if it fails.
fn output_of(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; run `npm install` in tests/clients"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out.trim().to_owned()
}

/// A network as these clients see it.
struct Place {
    network: Network,
    url: String,
    websocket: String,
}

impl Place {
    fn secret(&self, account: &str) -> String {
        self.network.account(account)["secret"].as_str().unwrap().to_owned()
    }

    fn node(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("node");
        command.arg(clients().join(script)).args([&self.url, &self.websocket]).args(arguments);
        output_of(&mut command)
    }

    /// Runs a script of the Hardhat project; what it printed last.
    fn hardhat(&self, script: &str, account: &str) -> String {
        let mut command = Command::new(clients().join("node_modules/.bin/hardhat"));
        command
            .args(["--config", "hardhat.config.cjs", "run", script])
            .current_dir(clients().join("hardhat"))
            .env("HARDHAT_MADE", self.network.home().join("hardhat"))
            .env("HARDHAT_DISABLE_TELEMETRY_PROMPT", "true")
            .env("ETH_RPC_URL", &self.url)
            .env("DEVELOPER_KEY", key(self, account));
        let said = output_of(&mut command);
        said.lines().last().unwrap_or_default().to_owned()
    }

    fn foundry(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(clients().join("node_modules/.bin").join(program));
        let made = self.network.home().join("foundry");
        command
            .args(arguments)
            .current_dir(clients().join("foundry"))
            .env("ETH_RPC_URL", &self.url)
            .env("FOUNDRY_OUT", made.join("out"))
            .env("FOUNDRY_CACHE_PATH", made.join("cache"))
            .env("FOUNDRY_BROADCAST", made.join("broadcast"));
        output_of(&mut command)
    }

    /// A command of cast that prints JSON.
    fn cast(&self, arguments: &[&str]) -> Value {
        let out = self.foundry("cast", &[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {out}"))
    }
}

#[test]
fn clients_that_others_wrote_work_unchanged() {
    if std::env::var_os("CONCORDAT_WITHOUT_NPM").is_some() {
        return skip::note(
            "npm",
            "npm or its packages are missing; scripts/setup and scripts/clients install them",
        );
    }
    let network = Network::start_with(4, &["--empty-block-interval-ms", "1000"]);
    let (url, websocket) = (network.url(0, "ethereum"), network.url(0, "ethereum").replace("http", "ws"));
    let place = Place { network, url, websocket };
    for account in ["bank-a/developer", "bank-a/operator"] {
        place.network.enrol(account, 0);
    }
    let token = ethers_deploys_pays_and_listens(&place);
    viem_reads_writes_and_watches(&place, &token);
    cast_sends_calls_and_asks(&place, &token);
    cast_and_forge_deploy(&place);
    forge_runs_a_script(&place);
    web3_deploys_pays_and_listens(&place);
    hardhat_compiles_deploys_and_explains(&place);
    cosmjs_queries_broadcasts_and_listens(&place, &token);
    an_indexer_finds_one_truth(&place);
    answers_conform_to_the_specification(&place, &token);
    chain::assert_one_chain(&place.network);
}

fn artefact() -> String {
    token::artefact().to_str().unwrap().to_owned()
}

fn ethers_deploys_pays_and_listens(place: &Place) -> String {
    let (developer, operator) = (place.secret("bank-a/developer"), place.secret("bank-a/operator"));
    place.node("ethers.mjs", &[&artefact(), &developer, &operator])
}

fn viem_reads_writes_and_watches(place: &Place, token: &str) {
    place.node("viem.mjs", &[&artefact(), &place.secret("bank-a/developer"), token]);
}

fn key(place: &Place, account: &str) -> String {
    std::fs::read_to_string(place.secret(account)).unwrap().trim().to_owned()
}

fn cast_sends_calls_and_asks(place: &Place, token: &str) {
    let key = key(place, "bank-a/developer");
    let developer = place.network.address("bank-a/developer").to_string();
    let someone = "0x00000000000000000000000000000000000000bb";
    let transfer = "transfer(address,uint256)";

    let receipt = place.cast(&["send", "--private-key", &key, token, transfer, someone, "12"]);
    assert_eq!(receipt["status"], "0x1");
    let hash = receipt["transactionHash"].as_str().unwrap();
    assert_eq!(place.cast(&["receipt", hash])["blockHash"], receipt["blockHash"]);
    assert_eq!(place.cast(&["tx", hash])["hash"], receipt["transactionHash"]);
    let height = receipt["blockNumber"].as_str().unwrap();
    assert_eq!(place.cast(&["block", height])["hash"], receipt["blockHash"]);
    let balance = place.foundry("cast", &["call", token, "balanceOf(address)(uint256)", someone]);
    assert_eq!(balance, "12");
    let logs = place.cast(&["logs", "--from-block", height, "--address", token]);
    assert_eq!(logs[0]["transactionHash"], json!(hash));
    let gas = place.foundry("cast", &["estimate", "--from", &developer, token, transfer, someone, "1"]);
    assert!(gas.parse::<u64>().unwrap() > 21_000, "{gas}");
    assert_eq!(place.foundry("cast", &["balance", &developer]), "0");
    assert_eq!(place.foundry("cast", &["chain-id"]), "20260");
    assert_eq!(place.foundry("cast", &["gas-price"]), "0");
    let legacy =
        ["send", "--legacy", "--gas-price", "0", "--private-key", &key, token, transfer, someone, "1"];
    assert_eq!(place.cast(&legacy)["type"], "0x0");
    let code = place.foundry("cast", &["code", token]);
    assert!(code.len() > 1_000, "{code}");
}

fn cast_and_forge_deploy(place: &Place) {
    let key = key(place, "bank-a/developer");
    let artefact: Value = serde_json::from_slice(&std::fs::read(token::artefact()).unwrap()).unwrap();
    let code = format!("{}{:064x}", artefact["bytecode"].as_str().unwrap(), 77);
    let receipt = place.cast(&["send", "--private-key", &key, "--create", &code]);
    let contract = receipt["contractAddress"].as_str().unwrap();
    assert!(place.foundry("cast", &["call", contract, "totalSupply()(uint256)"]).starts_with("77"));

    let create = ["create", "--broadcast", "--json", "--private-key", &key, "src/Counter.sol:Counter"];
    let said = place.foundry("forge", &[&create[..], &["--constructor-args", "5"]].concat());
    let said: Value = serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap();
    let counter = said["deployedTo"].as_str().unwrap();
    assert_eq!(place.foundry("cast", &["call", counter, "number()(uint256)"]), "5");
}

fn forge_runs_a_script(place: &Place) {
    let key = key(place, "bank-a/developer");
    let script = ["script", "script/Deploy.s.sol:Deploy", "--broadcast", "--slow", "--private-key", &key];
    let said = place.foundry("forge", &[&script[..], &["--rpc-url", &place.url]].concat());
    assert!(said.contains("ONCHAIN EXECUTION COMPLETE & SUCCESSFUL"), "{said}");
}

fn web3_deploys_pays_and_listens(place: &Place) {
    let (developer, operator) = (place.secret("bank-a/developer"), place.secret("bank-a/operator"));
    place.node("web3.mjs", &[&artefact(), &developer, &operator]);
}

fn hardhat_compiles_deploys_and_explains(place: &Place) {
    let till = place.hardhat("scripts/till.cjs", "bank-a/developer");
    assert!(place.foundry("cast", &["code", &till]).len() > 100, "{till}");
}

fn cosmjs_queries_broadcasts_and_listens(place: &Place, token: &str) {
    let url = place.network.url(0, "cometbft");
    let socket = url.replace("http", "ws");
    let mut command = Command::new("node");
    command.arg(clients().join("cosmjs.mjs")).args([&url, &socket, &place.url, token]);
    output_of(command.arg(place.secret("bank-a/operator")));
}

fn an_indexer_finds_one_truth(place: &Place) {
    output_of(Command::new("node").arg(clients().join("indexer.mjs")).arg(&place.url));
}

/// `EXECUTION_APIS` may name an OpenRPC document, such as one built from the newest execution-apis.
fn answers_conform_to_the_specification(place: &Place, token: &str) {
    let logs = place.cast(&["logs", "--from-block", "1", "--address", token]);
    let last = logs.as_array().unwrap().last().unwrap();
    let transfer = last["transactionHash"].as_str().unwrap();
    let mut command = Command::new("node");
    command.arg(clients().join("conformity.mjs")).args([&place.url, transfer]);
    output_of(command.args(std::env::var_os("EXECUTION_APIS")));
}
