//! What a correction would change: the balances of its accounts as they are now.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall as _, sol};
use concordat_governance::{Effect, effect::Change};
use serde_json::{Value, json};

use crate::client::Client;

sol! {
    function balanceOf(address account) external view returns (uint256);
}

/// A balance that an effect's correction bears on; `None` where the token does not tell it.
pub(super) struct Balance {
    token: Address,
    account: Address,
    amount: Option<U256>,
}

impl Balance {
    pub(super) fn json(&self) -> Value {
        let amount = self.amount.map(|amount| amount.to_string());
        json!({ "token": self.token, "account": self.account, "balance": amount })
    }

    pub(super) fn line(&self) -> String {
        let amount = self.amount.map_or_else(|| "not told".to_owned(), |amount| amount.to_string());
        format!("balance of {} now: {amount}", self.account)
    }
}

/// The balances before an effect, at the newest height.
pub(super) fn balances(client: &Client, effect: &Effect) -> Vec<Balance> {
    let mut balances = Vec::new();
    for change in &effect.changes {
        let Change::Correction { contract: token, correction, .. } = change else { continue };
        for account in correction.accounts() {
            balances.push(Balance { token: *token, account, amount: balance(client, *token, account) });
        }
    }
    balances
}

fn balance(client: &Client, token: Address, account: Address) -> Option<U256> {
    let input = Bytes::from(balanceOfCall { account }.abi_encode());
    let answer = client.call("eth_call", json!([{ "to": token, "input": input }, "latest"])).ok()?;
    balanceOfCall::abi_decode_returns(&serde_json::from_value::<Bytes>(answer).ok()?).ok()
}
