//! The token that tests move: `tests/contracts/BankToken.sol`, an unmodified OpenZeppelin ERC-20.

use std::path::PathBuf;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall as _;
use serde_json::{Value, json};

use crate::{Network, package, wallet::IERC20};

/// The compiled contract.
pub fn artefact() -> PathBuf {
    package().join("contracts/BankToken.json")
}

/// Enrols a developer and deploys the token, whose whole supply is then the developer's.
pub fn deploy(network: &Network, developer: &str, supply: u64) -> Address {
    network.enrol(developer, 0);
    let (artefact, supply) = (artefact(), supply.to_string());
    let artefact = artefact.to_str().unwrap();
    let said = network.with_key(developer, 0, &["contract", "deploy", "--artefact", artefact, &supply]);
    said["contract"].as_str().unwrap().parse().unwrap()
}

/// A balance, as a node sees it at a height (`latest`, or a number in hex).
pub fn balance(
    network: &Network,
    node: usize,
    token: Address,
    holder: Address,
    at: &str,
) -> Result<u64, Value> {
    let call = Bytes::from(IERC20::balanceOfCall { holder }.abi_encode());
    let output = network.eth(node, "eth_call", json!([{ "to": token, "input": call }, at]))?;
    let amount: U256 = serde_json::from_value(output).unwrap();
    Ok(amount.try_into().unwrap())
}
