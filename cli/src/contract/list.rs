//! `concordat contract list`: which contracts there are, who stands behind them, and whether they answer.

use alloy_primitives::Address;
use clap::{Args, ValueEnum};
use concordat_core::{CONTRACTS, ListedTable, contracts::abi::IContracts};
use concordat_governance::action::ListKind;
use concordat_types::OrgId;
use eyre::Result;
use serde_json::json;

use crate::{
    client::NodeArgs,
    list::{Entry, Page, PageArgs},
    table::AsOf,
};

/// Arguments of `concordat contract list`.
#[derive(Args)]
pub struct ListArgs {
    /// Only those that this organisation stands behind.
    #[arg(long, value_name = "ORGANISATION")]
    organisation: Option<OrgId>,
    /// Only those in this state.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those that this account has made.
    #[arg(long, value_name = "ADDRESS")]
    creator: Option<Address>,
    /// Only those whose lists this account keeps.
    #[arg(long, value_name = "ADDRESS")]
    administrator: Option<Address>,
    /// As the state stood after this block; the newest if absent.
    #[arg(long)]
    height: Option<u64>,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// Whether a contract answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Status {
    /// It does.
    Active,
    /// Its calls are refused until it is unfrozen.
    Frozen,
    /// They are refused for good.
    Retired,
}

impl Status {
    /// The status of this number.
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Active),
            1 => Some(Self::Frozen),
            2 => Some(Self::Retired),
            _ => None,
        }
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Retired => "retired",
        }
    }
}

/// Runs `concordat contract list`.
pub(super) fn list(args: &ListArgs, json: bool) -> Result<()> {
    let client = args.node.connect()?;
    let chain = AsOf::new(&client, args.height)?;
    let mut page = Page::default();
    let info = |contract| IContracts::contractInfoCall { contractAddress: contract };
    chain.each((ListedTable::Contracts, CONTRACTS), args.page.after()?, info, |contract, info| {
        !args.takes(&info) || page.push(entry(contract, &info), &args.page)
    })?;
    page.show(json, "no contract matches")
}

impl ListArgs {
    fn takes(&self, info: &IContracts::ContractInfo) -> bool {
        self.organisation.as_ref().is_none_or(|id| id.as_str() == info.organisation)
            && self.status.is_none_or(|status| Some(status) == Status::from_code(info.status))
            && self.creator.is_none_or(|creator| creator == info.creator)
            && self.administrator.is_none_or(|administrator| administrator == info.administrator)
    }
}

fn entry(address: Address, info: &IContracts::ContractInfo) -> Entry {
    let status = Status::from_code(info.status).map(Status::name);
    let said = json!({
        "contract": address,
        "creator": info.creator,
        "organisation": info.organisation,
        "administrator": info.administrator,
        "created": info.created,
        "status": status,
        "list": ListKind::from_code(info.list).map(|kind| kind.to_string()),
        "methodLists": info.methodLists,
    });
    let line = format!(
        "{address}  {:<20} {:<8} made at {} by {}, kept by {}",
        info.organisation,
        status.unwrap_or("unknown"),
        info.created,
        info.creator,
        info.administrator
    );
    Entry { key: address.to_string(), said, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_states_are_those_that_the_filter_takes() {
        for (code, status) in (0..).zip(Status::value_variants()) {
            assert_eq!(Status::from_code(code), Some(*status));
            assert_eq!(status.to_possible_value().unwrap().get_name(), status.name());
        }
        assert_eq!(Status::from_code(3), None);
    }
}
