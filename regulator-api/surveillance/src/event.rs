//! What happened on the ledger, as far as rules look at it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use concordat_types::{Address, OrgId, Role, U256};
use serde::{Deserialize, Serialize};

use crate::time::Stamp;

/// Where something stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// The block.
    pub height: u64,
    /// The transaction's place in it; none for what no single transaction did.
    pub tx_index: Option<u32>,
    /// The log's place in the transaction; none for the transaction itself.
    pub log_index: Option<u32>,
    /// Which of the transfers that one log tells of.
    pub item: u32,
}

/// What is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asset {
    /// The token's contract.
    pub token: Address,
    /// Which of its tokens; zero for ERC-20.
    pub id: U256,
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.is_zero() {
            true => write!(f, "{:#x}", self.token),
            false => write!(f, "{:#x}/{}", self.token, self.id),
        }
    }
}

impl FromStr for Asset {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (token, id) = text.split_once('/').unwrap_or((text, "0"));
        let token = token.parse().map_err(|_| "its token is no address")?;
        let id = U256::from_str_radix(id, 10).map_err(|_| "its id is no number")?;
        Ok(Self { token, id })
    }
}

/// A transfer of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What.
    pub asset: Asset,
    /// From whom; zero where it is made.
    pub from: Address,
    /// To whom; zero where it ends.
    pub to: Address,
    /// How much.
    pub amount: U256,
}

/// Whom a proposal is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// An account.
    Account(Address),
    /// An organisation.
    Organisation(OrgId),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody has a balance. Told once, before all else, when a list of the sanctioned is new.
    Holding {
        /// Who.
        holder: Address,
        /// Of what.
        asset: Asset,
        /// How much.
        balance: U256,
    },
    /// A transaction, whatever came of it.
    Transaction {
        /// Who sent it.
        sender: Address,
    },
    /// A transfer.
    Transfer(Transfer),
    /// An account has enrolled.
    Enrolled {
        /// Which.
        account: Address,
        /// Whose.
        organisation: OrgId,
    },
    /// A proposal was made.
    Proposed {
        /// Its number.
        proposal: u64,
        /// By whom.
        member: Address,
    },
    /// A ballot was cast.
    Ballot {
        /// On which proposal.
        proposal: u64,
        /// By whom.
        member: Address,
        /// The last height for ballots, as it was when the proposal was made.
        closes: u64,
        /// Whom the proposal is about.
        about: Vec<About>,
    },
    /// A proposal's effect has taken place.
    Executed {
        /// Its number.
        proposal: u64,
        /// Who proposed it.
        proposer: Address,
        /// The first height at which that was possible.
        earliest: u64,
    },
    /// An account or a contract was frozen, or a freeze was lifted.
    Freeze {
        /// Whose.
        target: Address,
        /// Whether it was lifted.
        lifted: bool,
    },
}

/// Something that happened, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where.
    pub at: Position,
    /// What.
    pub what: What,
}

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its organisation.
    pub organisation: OrgId,
    /// Its role.
    pub role: Role,
    /// The name in its certificate.
    pub common_name: String,
}

/// A block: what happened in it, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockEvents {
    /// The height.
    pub height: u64,
    /// The block's time, in milliseconds.
    pub time_ms: u64,
    /// What happened, in the order of positions.
    pub events: Vec<Event>,
    /// Of the accounts that the events name, those that are enrolled.
    pub parties: BTreeMap<Address, Party>,
}

impl BlockEvents {
    /// When it was.
    pub const fn stamp(&self) -> Stamp {
        Stamp { height: self.height, time_ms: self.time_ms }
    }
}

impl What {
    /// The accounts that it names.
    pub fn accounts(&self) -> [Option<Address>; 2] {
        match self {
            Self::Holding { holder: one, .. }
            | Self::Transaction { sender: one }
            | Self::Enrolled { account: one, .. }
            | Self::Proposed { member: one, .. }
            | Self::Ballot { member: one, .. }
            | Self::Executed { proposer: one, .. }
            | Self::Freeze { target: one, .. } => [Some(*one), None],
            Self::Transfer(transfer) => [Some(transfer.from), Some(transfer.to)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_come_back_from_their_text() {
        for id in [0_u64, 7] {
            let asset = Asset { token: Address::repeat_byte(0xab), id: U256::from(id) };
            assert_eq!(asset.to_string().parse(), Ok(asset));
        }
        assert!("0xab/1".parse::<Asset>().is_err());
    }
}
