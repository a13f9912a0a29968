//! `concordat contract versions`: what a governed proxy has handed its calls on to.

use alloy_primitives::Address;
use concordat_core::contracts::abi::IContracts;
use eyre::{Result, bail};
use serde_json::json;

use super::ask;
use crate::{
    client::Client,
    list::{Entry, PageArgs},
};

/// How many versions one call asks for.
const PAGE: u64 = 64;

pub(super) fn versions(client: &Client, contract: Address, page: &PageArgs, json: bool) -> Result<()> {
    let mut all: Vec<IContracts::Version> = Vec::new();
    loop {
        let from = all.last().map_or(1, |last| last.number.saturating_add(1));
        let page = ask(client, &IContracts::versionsCall { contractAddress: contract, from, limit: PAGE })?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let Some(last) = all.last().map(|last| last.number) else {
        bail!("{contract} is no governed proxy: only contracts with the code of GovernedProxy.json are");
    };
    let key = |version: &IContracts::Version| version.number.to_string();
    let page = page.cut(
        &all,
        |version| key(version),
        |version| {
            let said = json!({
                "number": version.number,
                "implementation": version.implementation,
                "code": version.codeHash,
                "since": version.since,
                "proposal": version.proposalId,
                "migration": Some(version.migration).filter(|hash| !hash.is_zero()),
                "inForce": version.number == last,
            });
            Some(Entry { key: key(version), said, line: line(version, last) })
        },
    )?;
    page.show_as(json, &json!({ "contract": contract, "versions": page.said() }), "no version matches")
}

fn line(version: &IContracts::Version, last: u64) -> String {
    let IContracts::Version { number, implementation, codeHash, since, proposalId, migration } = version;
    let mark = if *number == last { '*' } else { ' ' };
    let how = match proposalId {
        0 => "when it was made".to_owned(),
        id => format!("by proposal {id}"),
    };
    let migrated =
        if migration.is_zero() { String::new() } else { format!("; migrated by call {migration}") };
    format!("{mark} {number:>4}  {implementation}  since {since} {how}; code {codeHash}{migrated}")
}
