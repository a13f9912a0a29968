//! Four banks, four processes: what accounts may do, what is refused and with which words.

use std::process::Output;

use alloy_consensus::{TxEip2930, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind, U256, keccak256};
use concordat_tests::{Network, Wallet, chain, run, token};
use serde_json::{Value, json};

const SUPPLY: u64 = 1_000_000;

/// What the program said of a command that must fail.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["error"].as_str().unwrap().to_owned()
}

/// The words of a JSON-RPC error with the code that pools refuse with.
fn pool_refusal(result: Result<String, Value>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error["code"], -32000, "{error}");
    error["message"].as_str().unwrap().to_owned()
}

/// What a node's pool says of a transaction that it refuses, and counts as `kind`.
#[track_caller]
fn refused_as(network: &Network, node: usize, raw: &Bytes, kind: &str) -> String {
    let series = format!("concordat_submissions_total{{result=\"{kind}\"}}");
    let before = network.counted(node, &series);
    let said = pool_refusal(network.submit(node, raw));
    assert_eq!(network.counted(node, &series), before + 1, "{kind}: {said}");
    said
}

#[track_caller]
fn assert_starts(text: &str, start: &str) {
    assert!(text.starts_with(start), "{text:?} does not start with {start:?}");
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

#[test]
fn four_banks_agree_on_who_may_act_and_what_happened() {
    let network = Network::start(4);
    accounts_act_only_after_enrolment(&network);
    let token = token::deploy(&network, "bank-a/developer", SUPPLY);
    only_developers_deploy(&network);
    tokens_move_between_banks_and_every_node_sees_it(&network, token);
    the_past_stays_readable(&network, token);
    logs_are_found_by_every_node(&network, token);
    wrong_transactions_are_refused_with_the_words_that_clients_know(&network, token);
    transactions_of_every_type_are_taken(&network, token);
    gaps_are_waited_for(&network, token);
    what_became_of_transactions_is_counted(&network, token);
    a_p256_account_brings_a_crl_which_binds_from_the_next_transaction_on(&network, token);
    let height = chain::assert_one_chain(&network);
    chain::assert_no_double_signing(&network);
    assert!(height > 5);
}

fn accounts_act_only_after_enrolment(network: &Network) {
    let wallet = Wallet::of(network, "bank-b/operator");
    let raw = wallet.sign(wallet.draft(0, Address::repeat_byte(1).into(), Bytes::new()));
    let said = pool_refusal(network.submit(1, &raw));
    assert_starts(&said, &format!("account {} is not enrolled", wallet.address()));

    network.enrol("bank-b/operator", 1);
    network.wait_for_height(2, network.height(1).unwrap());
    let shown =
        run(&["account", "show", &wallet.address().to_string(), "--rpc", &network.url(2, "ethereum")]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["organisation"], &shown["role"]), (&json!("bank-b"), &json!("operator")));

    let certificate = network.account("bank-b/operator")["certificate"].as_str().unwrap().to_owned();
    let twice =
        network.try_with_key("bank-b/operator", 0, &["account", "enrol", "--certificate", &certificate]);
    assert!(refusal(&twice).contains("revert"), "{}", refusal(&twice));
    let borrowed =
        network.try_with_key("bank-c/operator", 0, &["account", "enrol", "--certificate", &certificate]);
    assert_ne!(borrowed.status.code(), Some(0), "an account enrolled with another's certificate");
}

fn only_developers_deploy(network: &Network) {
    network.enrol("bank-a/operator", 0);
    let artefact = token::artefact();
    let deploy = ["contract", "deploy", "--artefact", artefact.to_str().unwrap(), "1"];
    let said = refusal(&network.try_with_key("bank-a/operator", 0, &deploy));
    assert!(said.contains("refused: not permitted: no policy permits deploy"), "{said}");
}

fn tokens_move_between_banks_and_every_node_sees_it(network: &Network, token: Address) {
    let send = |who: &str, node: usize, to: &str, amount: &str| {
        let (token, to) = (token.to_string(), network.address(to).to_string());
        let call = ["contract", "send", "--to", &token, "transfer(address,uint256)", &to, amount];
        network.with_key(who, node, &call)
    };
    send("bank-a/developer", 0, "bank-a/operator", "5000");
    send("bank-a/operator", 1, "bank-b/operator", "1200");
    let receipt = send("bank-b/operator", 3, "bank-a/operator", "200");
    let hash = receipt["transactionHash"].as_str().unwrap();
    for node in 0..network.count() {
        network.wait_for_receipt(node, hash);
        let balance = |who| token::balance(network, node, token, network.address(who), "latest").unwrap();
        assert_eq!((balance("bank-a/operator"), balance("bank-b/operator")), (4000, 1000));
    }
    let poor = [
        "contract",
        "send",
        "--to",
        &token.to_string(),
        "transfer(address,uint256)",
        "0x0000000000000000000000000000000000000009",
        "4001",
    ];
    let said = refusal(&network.try_with_key("bank-a/operator", 0, &poor));
    assert!(said.contains("revert"), "{said}");
}

fn the_past_stays_readable(network: &Network, token: Address) {
    let now = network.height(0).unwrap();
    let holder = network.address("bank-a/operator");
    let balance = |at| token::balance(network, 0, token, holder, &hex(at)).ok();
    let mut seen: Vec<u64> = (1..=now).filter_map(balance).collect();
    seen.dedup();
    assert_eq!(seen, [0, 5000, 3800, 4000]);
    let future = token::balance(network, 0, token, holder, &hex(now + 1000)).unwrap_err();
    assert!(future["message"].as_str().unwrap().contains("not found"), "{future}");
}

fn logs_are_found_by_every_node(network: &Network, token: Address) {
    let moved = keccak256("Transfer(address,address,uint256)");
    let to = network.address("bank-b/operator").into_word();
    let filter = json!([{ "address": token, "topics": [moved, null, to], "fromBlock": "0x1" }]);
    let logs = network.eth(0, "eth_getLogs", filter.clone()).unwrap();
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    assert_eq!(logs[0]["data"], json!(alloy_primitives::B256::from(U256::from(1200))));
    for node in 1..network.count() {
        assert_eq!(network.eth(node, "eth_getLogs", filter.clone()).unwrap(), logs);
    }
    let reversed = network.eth(0, "eth_getLogs", json!([{ "fromBlock": "0x2", "toBlock": "0x1" }]));
    assert_eq!(reversed.unwrap_err()["code"], -32602);
}

fn nonce(network: &Network, wallet: &Wallet) -> u64 {
    let count = network.eth(0, "eth_getTransactionCount", json!([wallet.address(), "latest"])).unwrap();
    u64::from_str_radix(count.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn wrong_transactions_are_refused_with_the_words_that_clients_know(network: &Network, token: Address) {
    let wallet = Wallet::of(network, "bank-a/operator");
    let next = nonce(network, &wallet);
    let good = wallet.draft(next, token.into(), Bytes::new());
    let cases = [
        (
            alloy_consensus::TxEip1559 { chain_id: 1, ..good.clone() },
            "invalid chain id for signer: have 1 want 20260",
            "wrong_chain",
        ),
        (
            alloy_consensus::TxEip1559 { value: U256::from(1), ..good.clone() },
            "value must be zero",
            "value_not_zero",
        ),
        (
            alloy_consensus::TxEip1559 { nonce: 0, ..good.clone() },
            "nonce too low: next nonce",
            "nonce_too_low",
        ),
        (
            alloy_consensus::TxEip1559 { nonce: next + 100_000, ..good.clone() },
            "nonce too high: next nonce",
            "nonce_too_far",
        ),
        (
            alloy_consensus::TxEip1559 { gas_limit: 20_000, ..good.clone() },
            "intrinsic gas too low",
            "intrinsic_gas",
        ),
        (
            alloy_consensus::TxEip1559 { gas_limit: 1 << 25, ..good.clone() },
            "transaction gas limit too high",
            "gas_above_cap",
        ),
        (
            alloy_consensus::TxEip1559 { max_priority_fee_per_gas: 2, max_fee_per_gas: 1, ..good.clone() },
            "max priority fee per gas higher than max fee per gas",
            "tip_above_fee_cap",
        ),
    ];
    for (tx, words, kind) in cases {
        assert_starts(&refused_as(network, 0, &wallet.sign(tx), kind), words);
    }
    let unprotected =
        TxLegacy { chain_id: None, nonce: next, gas_limit: 30_000, to: token.into(), ..TxLegacy::default() };
    let said = refused_as(network, 0, &wallet.sign(unprotected), "not_replay_protected");
    assert_starts(&said, "only replay-protected (EIP-155) transactions allowed over RPC");
    // A blob transaction: the type alone decides.
    let said = refused_as(network, 0, &Bytes::from_static(&[3, 0xc0]), "unsupported_type");
    assert_starts(&said, "transaction type not supported");
    assert_eq!(nonce(network, &wallet), next, "a refused transaction used up a nonce");
}

fn transactions_of_every_type_are_taken(network: &Network, token: Address) {
    let wallet = Wallet::of(network, "bank-a/operator");
    let next = nonce(network, &wallet);
    let chain_id = network.info["evm_chain_id"].as_u64().unwrap();
    let (gas_limit, to) = (100_000, TxKind::Call(network.address("bank-b/operator")));
    let legacy = TxLegacy {
        chain_id: Some(chain_id),
        nonce: next,
        gas_limit,
        to,
        gas_price: 7,
        ..TxLegacy::default()
    };
    let listed = TxEip2930 { chain_id, nonce: next + 1, gas_limit, to, ..TxEip2930::default() };
    let dynamic = wallet.transfer(next + 2, token, network.address("bank-b/operator"), 1);
    let raws = [(wallet.sign(legacy), "0x0"), (wallet.sign(listed), "0x1"), (dynamic.clone(), "0x2")];
    for (raw, kind) in raws {
        let receipt = network.execute(0, &raw);
        let said = (&receipt["status"], &receipt["type"], &receipt["effectiveGasPrice"]);
        assert_eq!(said, (&json!("0x1"), &json!(kind), &json!("0x0")));
    }
    // Once more: it is in the chain.
    assert_starts(&refused_as(network, 0, &dynamic, "already_known"), "already known");
}

fn gaps_are_waited_for(network: &Network, token: Address) {
    let wallet = Wallet::of(network, "bank-a/operator");
    let (next, to) = (nonce(network, &wallet), network.address("bank-b/operator"));
    let early = wallet.transfer(next + 1, token, to, 1);
    let later = network.submit(0, &early).unwrap();
    let status = network.eth(0, "txpool_status", json!([])).unwrap();
    assert_eq!((&status["pending"], &status["queued"]), (&json!("0x0"), &json!("0x1")));
    assert_starts(&refused_as(network, 0, &early, "already_known"), "already known");
    let said = refused_as(network, 0, &wallet.transfer(next + 1, token, to, 2), "nonce_held");
    assert_starts(&said, "replacement transaction underpriced");
    assert_eq!(network.execute(0, &wallet.transfer(next, token, to, 1))["status"], "0x1");
    assert_eq!(network.wait_for_receipt(0, &later)["status"], "0x1");
}

/// Each node counts what is committed, by outcome: here one transaction that pays and one that cannot.
fn what_became_of_transactions_is_counted(network: &Network, token: Address) {
    let wallet = Wallet::of(network, "bank-a/operator");
    let (next, to) = (nonce(network, &wallet), network.address("bank-b/operator"));
    let outcome = |node, outcome: &str| {
        network.counted(node, &format!("concordat_outcomes_total{{outcome=\"{outcome}\"}}"))
    };
    let counts = |node| (outcome(node, "success"), outcome(node, "reverted"));
    let nodes = 0..network.count();
    let before: Vec<_> = nodes.clone().map(counts).collect();
    let paid = network.submit(0, &wallet.transfer(next, token, to, 1)).unwrap();
    let unpaid = network.submit(0, &wallet.transfer(next + 1, token, to, SUPPLY)).unwrap();
    for node in nodes {
        assert_eq!(network.wait_for_receipt(node, &paid)["status"], "0x1");
        assert_eq!(network.wait_for_receipt(node, &unpaid)["status"], "0x0");
        let (success, reverted) = before[node];
        network.wait("both are counted", || counts(node) == (success + 1, reverted + 1));
        let all = network.metric(node, "concordat_outcomes_total");
        assert_eq!(all, network.metric(node, "concordat_transactions_total"), "node {node}");
    }
}

fn a_p256_account_brings_a_crl_which_binds_from_the_next_transaction_on(network: &Network, token: Address) {
    network.enrol("bank-b/registrar", 0);
    let ca = network.home().join("organisations/bank-b/ca");
    let (crl, issuer) = (network.home().join("bank-b.crl"), ca.join("issuing/ca.crt"));
    let certificate = network.account("bank-b/operator")["certificate"].as_str().unwrap();
    let ca = ca.to_str().unwrap();
    let reason = ["--reason", "key-compromise"];
    network.with_passphrase(&[&["pki", "revoke", "--ca", ca, "--cert", certificate][..], &reason].concat());
    let (crl, issuer) = (crl.to_str().unwrap(), issuer.to_str().unwrap());
    network.with_passphrase(&["pki", "crl", "--ca", ca, "--out", crl]);

    let submit = ["account", "submit-crl", "--crl", crl, "--issuer", issuer];
    let receipt = network.with_key("bank-b/registrar", 0, &submit);
    assert_eq!(receipt["type"], "0x50", "a P-256 account signs institutional transactions");
    let hash = receipt["transactionHash"].as_str().unwrap();
    let wallet = Wallet::of(network, "bank-b/operator");
    let raw = wallet.transfer(nonce(network, &wallet), token, network.address("bank-a/operator"), 1);
    for node in 0..network.count() {
        network.wait_for_receipt(node, hash);
        let said = refused_as(network, node, &raw, "certificate_revoked");
        assert_starts(&said, "refused: the sender's certificate is revoked");
    }
    let again = network.try_with_key("bank-b/registrar", 0, &submit);
    assert!(refusal(&again).contains("revert"), "a CRL counts once");
    a_roots_crl_is_submitted_without_an_issuer(network, ca);
}

/// The root is known to the ledger: nobody has to show it.
fn a_roots_crl_is_submitted_without_an_issuer(network: &Network, ca: &str) {
    let crl = network.home().join("bank-b-root.crl");
    let crl = crl.to_str().unwrap();
    network.with_passphrase(&["pki", "crl", "--ca", ca, "--tier", "root", "--out", crl]);
    let submit = ["account", "submit-crl", "--crl", crl];
    assert_eq!(network.with_key("bank-b/registrar", 0, &submit)["status"], "0x1");
    let again = network.try_with_key("bank-b/registrar", 0, &submit);
    assert!(refusal(&again).contains("revert"), "a CRL counts once");
}

#[test]
fn unknown_flags_are_wrong_usage() {
    for args in [&["node", "run", "--fast"][..], &["net", "init", "--validators", "0"], &["verify"], &["fly"]]
    {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"), "{args:?}");
    }
}
