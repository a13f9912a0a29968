//! What control costs: processor time of a transfer on a node where the catalogue's policies alone are in force, and where
//! a committee has enacted many policies and run-time rules.
//!
//! The enacted policies are of every shape: most speak of other contracts, organisations and accounts, a few of the token
//! that is transferred. So do the rules; of those on the token, one counts what each organisation moves.

use alloy_primitives::Address;
use concordat_core::{permissions, rules};
use concordat_permissions::EnactedPolicy;
use concordat_types::{ChangeSet, Genesis};
use eyre::Result;
use serde::Serialize;
use serde_json::json;

use super::{
    accounts::Signed,
    chain::{Chain, Seal, Start},
    network::Processes,
    scale::{
        self, Loaded, consensus_key,
        population::{Load, Population},
    },
    stats::{tenth, thousandth},
};

/// Accounts that transfer among one another at random.
const ACCOUNTS: usize = 10_000;

/// Policies and rules of the controlled chain.
const POLICIES: usize = 200;
const RULES: usize = 50;

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Control {
    /// Enrolled accounts, all of which transfer.
    pub accounts: usize,
    /// Enacted policies of the controlled chain.
    pub policies: usize,
    /// Its run-time rules.
    pub rules: usize,
    /// Processor time of a transfer under the catalogue alone, in microseconds.
    pub plain_us: f64,
    /// The same on the controlled chain.
    pub controlled_us: f64,
    /// The latter over the former.
    pub ratio: f64,
}

impl Control {
    /// A line for people.
    pub fn table(&self) -> String {
        let Self { policies, rules, plain_us, controlled_us, ratio, accounts } = self;
        let name = format!("{policies} policies, {rules} rules");
        format!(
            "{name:<42} {controlled_us} µs of CPU per transfer of {accounts} accounts, {plain_us} without: {ratio}\n"
        )
    }
}

/// Measures both chains.
pub fn measure(seed: u64, say: impl Fn(&str)) -> Result<Control> {
    say(&format!("control: {ACCOUNTS} accounts, with and without {POLICIES} policies and {RULES} rules ..."));
    let (plain, controlled) = (Node::start(seed, false)?, Node::start(seed, true)?);
    let [plain, controlled] = scale::measure_in_turns([plain.loaded()?, controlled.loaded()?])?;
    let (plain, controlled) = (plain.us_per_tx, controlled.us_per_tx);
    let control = Control {
        accounts: ACCOUNTS,
        policies: POLICIES,
        rules: RULES,
        plain_us: tenth(plain),
        controlled_us: tenth(controlled),
        ratio: thousandth(controlled / plain.max(f64::EPSILON)),
    };
    say(&format!("  {} µs per transfer, {} without", control.controlled_us, control.plain_us));
    Ok(control)
}

/// A node of one of the chains.
struct Node {
    nodes: Processes,
    txs: Vec<Signed>,
}

impl Node {
    fn start(seed: u64, controlled: bool) -> Result<Self> {
        let mut nodes = Processes::prepare(1, None)?;
        let genesis = Genesis::from_json(&std::fs::read_to_string(&nodes.network.genesis)?)?;
        let load = Load { among: ACCOUNTS, transfers: scale::NODE_TXS.iter().sum() };
        let mut population = Population::new(&nodes, &genesis, ACCOUNTS, &[load], seed)?;
        if controlled {
            population.state.extend(control(population.token)?);
        }
        let time_secs = u64::try_from(genesis.genesis_time)?;
        let start = Start { state: &population.state, validators: population.validators, time_secs };
        let seal = Seal::Key(Box::new(consensus_key(&nodes)?));
        drop(Chain::start(&genesis, &nodes.ledger(0), start, seal)?);
        nodes.start_node(0)?;
        nodes.wait_for_height(0, 0)?;
        Ok(Self { nodes, txs: population.transfers })
    }

    fn loaded(&self) -> Result<Loaded<'_>> {
        Loaded::of(&self.nodes, &self.txs)
    }
}

/// The state of the policies and rules.
fn control(token: Address) -> Result<ChangeSet> {
    let policies = (0..POLICIES).map(|index| policy(index, token)).collect::<Result<Vec<_>>>()?;
    let rules = (0..RULES).map(|index| rule(index, token)).collect::<Result<Vec<_>>>()?;
    Ok(permissions::rows_of(&policies).into_iter().chain(rules::rows_of(&rules)).collect())
}

fn other(kind: u8, index: usize) -> Address {
    let mut address = Address::repeat_byte(kind);
    address.0[18..].copy_from_slice(&(index as u16).to_be_bytes());
    address
}

fn policy(index: usize, token: Address) -> Result<EnactedPolicy> {
    let id = format!("policy-{index:03}");
    let contract = |address: Address| format!("Contract::\"0x{address:x}\"");
    let (there, who) = (contract(other(0xc0, index)), other(0xa0, index));
    let rule = match index {
        0 => format!(
            "forbid (principal in Organisation::\"bank-x\", action == Action::\"call\", resource == {});",
            contract(token)
        ),
        1 => format!(
            "forbid (principal, action == Action::\"call\", resource == {}) when {{ context.method == \"0x40c10f19\" }};",
            contract(token)
        ),
        _ => match index % 5 {
            0 => format!(
                "forbid (principal in Organisation::\"bank-b\", action == Action::\"call\", resource == {there});"
            ),
            1 => {
                format!("forbid (principal == Account::\"0x{who:x}\", action == Action::\"call\", resource);")
            }
            2 => format!(
                "forbid (principal, action == Action::\"call\", resource == {there}) when {{ context.method == \"0xa9059cbb\" }};"
            ),
            3 => format!(
                "forbid (principal in Role::\"operator\", action == Action::\"deploy\", resource) when {{ context.internal && {index} > 0 }};"
            ),
            _ => format!(
                "forbid (principal, action == Action::\"call\", resource == {there}) unless {{ context.time.toTime() >= duration(\"8h\") }};"
            ),
        },
    };
    let text = format!("@id(\"{id}\")\n@reason(\"a policy of the bench\")\n{rule}");
    Ok(EnactedPolicy { id: id.parse()?, text, proposal: 1 + index as u64 })
}

fn rule(index: usize, token: Address) -> Result<rules::EnactedLimit> {
    let contract = if index < 3 { token } else { other(0xc0, index) };
    let mut form = json!({
        "id": format!("rule-{index:02}"),
        "reason": "a rule of the bench",
        "contract": contract,
        "event": "Transfer(address,address,uint256)",
    });
    if index % 3 != 1 {
        form["amount"] = json!({ "word": 0 });
    }
    match index % 3 {
        0 => form["max_amount"] = json!("1000000000"),
        1 => {
            form["counterparty"] = json!({ "topic": 2 });
            form["counterparties"] = json!({ "deny": [other(0xd0, index)] });
        }
        _ => form["total"] = json!({ "max": "1000000000000", "window_secs": 86_400, "per": "organisation" }),
    }
    Ok(rules::EnactedLimit { limit: serde_json::from_value(form)?, proposal: 1 + index as u64 })
}

#[cfg(test)]
mod tests {
    use concordat_permissions::PolicySet;

    use super::*;

    #[test]
    fn the_policies_and_rules_of_the_bench_hold_and_concern_the_token() {
        let token = Address::repeat_byte(7);
        let policies: Vec<EnactedPolicy> = (0..POLICIES).map(|index| policy(index, token).unwrap()).collect();
        assert!(PolicySet::new(&policies).is_ok());
        let rules: Vec<_> = (0..RULES).map(|index| rule(index, token).unwrap()).collect();
        let encoded = format!("{rules:?}");
        assert!(encoded.contains("0x0707"), "{encoded}");
        assert!(control(token).unwrap().len() > POLICIES + RULES);
    }
}
