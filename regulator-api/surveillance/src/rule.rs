//! A rule: what it looks for, at whom, and what comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use concordat_types::{Address, B256, OrgId, Role, U256};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    event::{Party, Transfer},
    time::Span,
};

/// What a digest of a rule is over, first of all.
const DOMAIN: &[u8] = b"concordat surveillance rule 1\0";

/// The most pieces of evidence that a finding may need: all of them are in it.
pub const MAX_EVIDENCE: usize = 1_000;

/// Amounts beyond count as this much where amounts are added up, so that no sum comes near the end of its range.
pub const MAX_AMOUNT: U256 = U256::from_limbs([0, 0, 0, 1 << 32]);

/// What comes of a finding. None of it acts on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// It is kept.
    Note,
    /// Somebody has to look at it.
    Alert,
    /// Somebody has to decide about a freeze.
    ProposeFreeze,
}

impl Grade {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Note, Self::Alert, Self::ProposeFreeze];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Alert => "alert",
            Self::ProposeFreeze => "propose-freeze",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Grade {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|grade| grade.name() == text);
        named.ok_or_else(|| format!("{text:?} is no grade; grades are note, alert and propose-freeze"))
    }
}

/// Whose side of a transfer is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Who gives.
    Sender,
    /// Who gets.
    Recipient,
}

impl Side {
    /// Who is on this side.
    pub const fn of(self, transfer: &Transfer) -> Address {
        match self {
            Self::Sender => transfer.from,
            Self::Recipient => transfer.to,
        }
    }
}

/// What a rule on frequency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Transactions of an account.
    Transactions,
    /// Transfers of an account, on one side.
    Transfers(Side),
    /// Proposals of a member of the committee.
    Proposals,
    /// Freezes, and their ends.
    Freezes,
    /// Enrolments of an organisation.
    Enrolments,
}

/// How somebody on a list of the sanctioned comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hit {
    /// As a sender of a transfer.
    Sender,
    /// As a recipient.
    Recipient,
    /// By what they have when the list is new.
    Holder,
    /// By enrolling.
    Enrolled,
}

impl Hit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sender, Self::Recipient, Self::Holder, Self::Enrolled];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Holder => "holder",
            Self::Enrolled => "enrolled",
        }
    }
}

/// What a rule looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Something happens at least `count` times within `window`.
    Frequency {
        /// What.
        of: Counted,
        /// How often.
        count: usize,
        /// Within which time.
        window: Span,
    },
    /// At least `count` transfers, each below `below`, come to `total` or more within `window`.
    Structuring {
        /// Whose.
        side: Side,
        /// What each of them is below.
        below: U256,
        /// What each of them is at least.
        from: U256,
        /// What they come to.
        total: U256,
        /// How many.
        count: usize,
        /// Within which time.
        window: Span,
    },
    /// Value returns to whom it came from through others, within `window`.
    RoundTrip {
        /// Through so many transfers at most.
        hops: u64,
        /// So much of it, per mille, on each of them.
        returned: u64,
        /// What the first transfer is at least.
        amount: U256,
        /// Within which time.
        window: Span,
    },
    /// An account that has sent no transaction for `idle` gives `amount` or more.
    DormantAwakened {
        /// For how long.
        idle: Span,
        /// How much.
        amount: U256,
    },
    /// An account gives `times` what it gives on average.
    AbnormalAmount {
        /// How many times.
        times: u64,
        /// The average is over so many of its last transfers of the asset.
        sample: usize,
        /// And over so many at least; before, nothing is judged.
        least: usize,
        /// How much the transfer is at least.
        amount: U256,
    },
    /// Somebody on the list comes up.
    Sanctions {
        /// How.
        hits: BTreeSet<Hit>,
    },
    /// A ballot is cast within the last blocks.
    LateBallot {
        /// So many.
        blocks: u64,
    },
    /// A proposal is executed within the first blocks in which that is possible.
    HastyExecution {
        /// So many.
        blocks: u64,
    },
    /// A member votes on what is about itself or its organisation.
    OwnMatter,
}

impl Condition {
    /// The window over which its state reaches.
    pub const fn window(&self) -> Option<Span> {
        match self {
            Self::Frequency { window, .. }
            | Self::Structuring { window, .. }
            | Self::RoundTrip { window, .. } => Some(*window),
            _ => None,
        }
    }

    /// What explains a finding where the rule has no words of its own.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Frequency { of: Counted::Transactions, .. } => {
                "{subject} sent {count} transactions within {window}"
            }
            Self::Frequency { of: Counted::Transfers(_), .. } => {
                "{subject} had a part in {count} transfers within {window}"
            }
            Self::Frequency { of: Counted::Proposals, .. } => {
                "{subject} made {count} proposals within {window}"
            }
            Self::Frequency { of: Counted::Freezes, .. } => "{count} freezes and releases within {window}",
            Self::Frequency { of: Counted::Enrolments, .. } => {
                "{subject} enrolled {count} accounts within {window}"
            }
            Self::Structuring { .. } => {
                "{subject}: {count} transfers of {asset}, each below {below}, come to {sum} within {window}"
            }
            Self::RoundTrip { .. } => {
                "{sent} of {asset} left {subject} and {returned} came back through {hops} transfers within {window}"
            }
            Self::DormantAwakened { .. } => {
                "{subject} gave {amount} of {asset}; its last transaction before was at height {last}"
            }
            Self::AbnormalAmount { .. } => {
                "{subject} gave {amount} of {asset}; on average of the {sample} transfers before it gave {mean}"
            }
            Self::Sanctions { .. } => "{subject} is on the list as {entry} ({reason}) and came up as {hit}",
            Self::LateBallot { .. } => "{subject} voted on proposal {proposal} with {left} blocks left",
            Self::HastyExecution { .. } => {
                "proposal {proposal} was executed {after} blocks after it became possible"
            }
            Self::OwnMatter => "{subject} voted on proposal {proposal}, which is about {matter}",
        }
    }

    /// What its explanation may name, besides `subject`.
    pub const fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Frequency { .. } => &["count", "window"],
            Self::Structuring { .. } => &["count", "sum", "below", "asset", "window"],
            Self::RoundTrip { .. } => &["sent", "returned", "hops", "asset", "window"],
            Self::DormantAwakened { .. } => &["amount", "asset", "last", "idle"],
            Self::AbnormalAmount { .. } => &["amount", "asset", "mean", "sample", "times"],
            Self::Sanctions { .. } => &["entry", "reason", "hit", "source"],
            Self::LateBallot { .. } => &["proposal", "left"],
            Self::HastyExecution { .. } => &["proposal", "after", "earliest"],
            Self::OwnMatter => &["proposal", "matter"],
        }
    }
}

/// Whom and what a rule looks at; what is empty does not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// These tokens.
    pub tokens: BTreeSet<Address>,
    /// These accounts.
    pub accounts: BTreeSet<Address>,
    /// Accounts of these organisations.
    pub organisations: BTreeSet<OrgId>,
    /// Accounts of these roles.
    pub roles: BTreeSet<Role>,
    /// Not these accounts.
    pub except: BTreeSet<Address>,
}

impl Filter {
    /// Whether a rule looks at an account. Who is not enrolled has no organisation and no role.
    pub fn takes(&self, account: Address, parties: &BTreeMap<Address, Party>) -> bool {
        self.takes_as(account, || parties.get(&account))
    }

    /// The same, where who the account is has to be asked for.
    pub(crate) fn takes_as<'a>(&self, account: Address, party: impl FnOnce() -> Option<&'a Party>) -> bool {
        if account == Address::ZERO || self.except.contains(&account) {
            return false;
        }
        if !self.accounts.is_empty() && !self.accounts.contains(&account) {
            return false;
        }
        if self.organisations.is_empty() && self.roles.is_empty() {
            return true;
        }
        party().is_some_and(|party| {
            (self.organisations.is_empty() || self.organisations.contains(&party.organisation))
                && (self.roles.is_empty() || self.roles.contains(&party.role))
        })
    }

    /// Whether a rule looks at an organisation.
    pub fn takes_organisation(&self, organisation: &OrgId) -> bool {
        self.organisations.is_empty() || self.organisations.contains(organisation)
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which.
    pub id: String,
    /// For people.
    pub title: String,
    /// What comes of a finding.
    pub grade: Grade,
    /// The law or the guideline behind it.
    pub reference: String,
    /// How a finding is explained.
    pub explain: String,
    /// For so long after a finding, the same subject is not found again.
    pub quiet: Option<Span>,
    /// Whom and what it looks at.
    pub filter: Filter,
    /// What it looks for.
    pub condition: Condition,
}

impl Rule {
    /// What tells it from every other rule, and from itself in other words: SHA-256 of its canonical form.
    pub fn digest(&self) -> B256 {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        // Structures of text, numbers and sorted sets: nothing in it cannot be written.
        hasher.update(serde_json::to_vec(self).unwrap_or_default());
        B256::from(<[u8; 32]>::from(hasher.finalize()))
    }
}
