//! Code is held against its source with the real compiler and a real chain: a deployed contract, init code, and a
//! proposal to deploy. What solc's SMTChecker proves goes into a report that can be made again.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use concordat_tests::{Network, committee, package, run, skip};
use serde_json::{Value, json};

/// A contract with an immutable and a condition that z3 proves.
const TILL: &str = "// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A till that takes no more than its limit.
contract Till {
    uint256 public immutable limit;
    uint256 public held;

    constructor(uint256 limit_) {
        limit = limit_;
    }

    function put(uint256 amount) external {
        require(amount < 1000 && held < 1000);
        uint256 before = held;
        held = before + amount;
        assert(held >= before);
    }
}
";

#[test]
fn code_is_held_against_the_source_that_it_shall_be_made_of() {
    if std::env::var_os("CONCORDAT_WITHOUT_NPM").is_some() {
        return skip::note(
            "npm",
            "npm or its packages are missing; scripts/setup and scripts/clients install them",
        );
    }
    let network = Network::start_with(2, &["--empty-block-interval-ms", "200"]);
    committee::enrol(&network);
    network.enrol("bank-a/developer", 0);
    network.enrol("bank-b/operator", 0);
    let place = Place { input: write(&network, "input.json", &input(TILL)), network };
    let artefact = write(&place.network, "Till.json", &artefact(&input(TILL)));

    a_contract_is_identical_or_it_is_told_where_it_differs(&place, &artefact);
    init_code_is_read_with_its_arguments(&place, &artefact);
    a_proposal_to_deploy_names_the_hashes_of_its_source(&place, &artefact);
    what_has_no_place_in_a_contract_is_found(&place);
    an_upgrade_that_moves_storage_is_told_so(&place, &artefact);
    proofs_are_told_in_a_report_that_can_be_made_again(&place);
}

/// A network, and the input that the contract on it is made of.
struct Place {
    network: Network,
    input: String,
}

impl Place {
    /// `concordat contract verify` of the till: exit code and what is said.
    fn verify(&self, input: &str, more: &[&str]) -> (Option<i32>, Value) {
        let (solc, url) = (solc(), self.network.url(0, "ethereum"));
        let fixed = ["contract", "verify", "--input", input, "--contract", "Till.sol:Till", "--rpc", &url];
        let output = run(&[&fixed[..], &["--solc", solc.to_str().unwrap()], more].concat());
        (output.status.code(), said(&output))
    }

    /// The input of the same contract with something else in its source.
    fn changed(&self, from: &str, to: &str) -> String {
        assert!(TILL.contains(from));
        write(&self.network, "changed.json", &input(&TILL.replace(from, to)))
    }
}

fn said(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn solc() -> PathBuf {
    package().join("clients/node_modules/.bin/solcjs")
}

fn input(source: &str) -> Value {
    json!({
        "language": "Solidity",
        "sources": { "Till.sol": { "content": source } },
        "settings": {
            "optimizer": { "enabled": true, "runs": 200 },
            "outputSelection": { "*": { "*": ["abi", "evm.bytecode.object"] } },
        },
    })
}

/// The till as the compiler makes it, apart from the program under test.
fn artefact(input: &Value) -> Value {
    let mut child = Command::new(solc())
        .arg("--standard-json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run `npm install` in tests/clients");
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    let start = said.iter().position(|byte| *byte == b'{').unwrap();
    let output: Value = serde_json::from_slice(&said[start..]).unwrap();
    let made = &output["contracts"]["Till.sol"]["Till"];
    json!({ "abi": made["abi"], "bytecode": format!("0x{}", made["evm"]["bytecode"]["object"].as_str().unwrap()) })
}

fn write(network: &Network, name: &str, document: &Value) -> String {
    let file = network.home().join(name);
    std::fs::write(&file, document.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn a_contract_is_identical_or_it_is_told_where_it_differs(place: &Place, artefact: &str) {
    let deploy = ["contract", "deploy", "--artefact", artefact, "5"];
    let deployed = place.network.with_key("bank-a/developer", 0, &deploy);
    let at = ["--address", deployed["contract"].as_str().unwrap()];
    let (code, said) = place.verify(&place.input, &at);
    assert_eq!((code, said["compared"]["verdict"].as_str()), (Some(0), Some("identical")), "{said}");
    let limit = format!("0x{:064x}", 5);
    assert_eq!(said["compared"]["immutables"], json!({ "limit": limit }), "{said}");

    let comment = place.changed("no more than", "at most");
    let (code, said) = place.verify(&comment, &at);
    assert_eq!(said["compared"]["verdict"], "identical-but-for-metadata", "{said}");
    assert_eq!(code, Some(3));
    assert_eq!(place.verify(&comment, &[&at[..], &["--ignore-metadata"]].concat()).0, Some(0));

    let (code, said) = place.verify(&place.changed("held < 1000", "held < 1001"), &at);
    assert_eq!((code, said["compared"]["verdict"].as_str()), (Some(3), Some("differs")), "{said}");
    assert!(said["compared"]["at"].as_u64() > Some(0), "{said}");

    let (code, said) =
        place.verify(&place.input, &["--address", "0x00000000000000000000000000000000000000bb"]);
    assert_eq!(code, Some(1));
    assert!(said["error"].as_str().unwrap().contains("no contract"), "{said}");
}

fn init_code_is_read_with_its_arguments(place: &Place, artefact: &str) {
    let text = std::fs::read_to_string(artefact).unwrap();
    let artefact: Value = serde_json::from_str(&text).unwrap();
    let code = format!("{}{:064x}", artefact["bytecode"].as_str().unwrap(), 77);
    let (exit, said) = place.verify(&place.input, &["--init-code", &code]);
    assert_eq!((exit, &said["compared"]["arguments"]), (Some(0), &json!(["77"])), "{said}");
    assert_eq!(place.verify(&place.input, &["--init-code", &code, "--argument", "78"]).0, Some(3));
    let (exit, said) = place.verify(&place.input, &["--init-code", &format!("{code}00")]);
    assert_eq!((exit, &said["compared"]["arguments"]), (Some(3), &Value::Null), "{said}");
}

fn a_proposal_to_deploy_names_the_hashes_of_its_source(place: &Place, artefact: &str) {
    let network = &place.network;
    let (deployer, reviewer) = (network.address("bank-a/developer"), network.address("bank-b/operator"));
    let (deployer, reviewer) = (deployer.to_string(), reviewer.to_string());
    let rest = ["--source", &place.input, "--compiler", "solc 0.8.37", "--deployer", &deployer];
    let rest = [&rest[..], &["--reviewer", &reviewer, "--until", "90000"]].concat();
    let propose = |code: &[&str]| {
        let made =
            committee::gov(network, "bank-a", &[&["propose", "deploy-contract"], code, &rest].concat());
        (made["id"].to_string(), made["digest"].clone())
    };
    let (id, digest) = propose(&["--artefact", artefact, "--argument", "5"]);
    let text = std::fs::read_to_string(artefact).unwrap();
    let bytecode = serde_json::from_str::<Value>(&text).unwrap()["bytecode"].as_str().unwrap().to_owned();
    let code = network.home().join("init.hex");
    std::fs::write(&code, format!("{bytecode}{:064x}\n", 5)).unwrap();
    assert_eq!(propose(&["--init-code", code.to_str().unwrap()]).1, digest, "the same, from other files");

    let (exit, said) = place.verify(&place.input, &["--proposal", &id, "--argument", "5"]);
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(
        (&said["compared"]["same_code"], &said["compared"]["same_source"]),
        (&json!(true), &json!(true))
    );
    let (exit, said) = place.verify(&place.input, &["--proposal", &id, "--argument", "6"]);
    assert_eq!((exit, &said["compared"]["same_code"]), (Some(3), &json!(false)), "{said}");
    let comment = place.changed("no more than", "at most");
    let (exit, said) = place.verify(&comment, &["--proposal", &id, "--argument", "5"]);
    assert_eq!((exit, &said["compared"]["same_source"]), (Some(3), &json!(false)), "{said}");
    let other = ["--proposal", &id, "--argument", "5", "--compiler", "solc 0.8.36"];
    let (exit, said) = place.verify(&place.input, &other);
    let told = said["error"].as_str().unwrap();
    assert!(exit == Some(1) && told.contains("0.8.37") && told.contains("0.8.36"), "{said}");
}

fn what_has_no_place_in_a_contract_is_found(place: &Place) {
    let ends = "selfdestruct(payable(tx.origin));\n        require(amount < 1000";
    let (exit, said) = place.verify(&place.changed("require(amount < 1000", ends), &["--init-code", "0x"]);
    let found: Vec<_> =
        said["findings"].as_array().unwrap().iter().map(|found| found["what"].as_str()).collect();
    assert_eq!((exit, found), (Some(3), vec![Some("SELFDESTRUCT"), Some("ORIGIN")]), "{said}");
}

fn an_upgrade_that_moves_storage_is_told_so(place: &Place, artefact: &str) {
    let deploy = ["contract", "deploy", "--artefact", artefact, "5"];
    let deployed = place.network.with_key("bank-a/developer", 0, &deploy);
    let runs = deployed["contract"].as_str().unwrap();
    let previous = ["--previous-input", &place.input, "--previous-address", runs];
    let inserted = place.changed("uint256 public held;", "address public keeper;\n    uint256 public held;");
    let (exit, said) = place.verify(&inserted, &previous);
    let moved = json!([{
        "change": "moved", "variable": "held", "from": { "slot": "0", "offset": 0 }, "to": { "slot": "1", "offset": 0 }
    }]);
    assert_eq!((exit, &said["upgrade"]["changes"]), (Some(3), &moved), "{said}");
    assert_eq!(said["upgrade"]["previous_code"], "identical", "{said}");
    assert_eq!(place.verify(&inserted, &[&previous[..], &["--allow-layout-change"]].concat()).0, Some(0));

    let appended = place.changed("uint256 public held;", "uint256 public held;\n    address public keeper;");
    let (exit, said) = place.verify(&appended, &previous);
    assert_eq!((exit, &said["upgrade"]["kept"]), (Some(0), &json!(true)), "{said}");
    assert_eq!(said["upgrade"]["added"], json!(["keeper"]), "{said}");
    // Of a source that is not the one that runs, the layout says nothing.
    let other = ["--previous-input", &appended, "--previous-address", runs];
    let (exit, said) = place.verify(&place.input, &other);
    assert!(said["error"].as_str().unwrap().contains("find the source that runs"), "{said}");
    assert_eq!(exit, Some(3));
}

fn proofs_are_told_in_a_report_that_can_be_made_again(place: &Place) {
    if Command::new("z3").arg("--version").output().is_err() {
        return skip::note("z3", "z3 is missing; scripts/setup installs it");
    }
    let file = place.network.home().join("report.json");
    let prove = ["--prove", "--report", file.to_str().unwrap()];
    let (exit, first) = place.verify(&place.input, &prove);
    assert_eq!(exit, Some(0), "{first}");
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(report.to_string().contains("assert(held >= before)"), "{report}");
    assert_eq!(report["unproved"], json!([]), "{report}");
    assert!(first["proofs"]["proved"].as_u64() > Some(1), "{first}");
    assert_eq!(place.verify(&place.input, &prove).1["proofs"]["report"], first["proofs"]["report"]);

    let (exit, broken) = place.verify(&place.changed("held >= before", "held > before"), &prove);
    assert_eq!((exit, &broken["proofs"]["violated"]), (Some(3), &json!(1)), "{broken}");
}
