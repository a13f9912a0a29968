//! Proposals and ballots as they are kept.

use std::{fmt, str::FromStr};

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::Serialize;

use crate::{Kind, wire};

/// The longest reason that a record keeps, in bytes.
pub const MAX_REASON_BYTES: usize = 300;

/// What a member says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Choice {
    /// It should happen.
    Yes = 1,
    /// It should not.
    No = 2,
    /// The member takes part, and leaves it to the others.
    Abstain = 3,
}

impl Choice {
    /// Every choice.
    pub const ALL: [Choice; 3] = [Choice::Yes, Choice::No, Choice::Abstain];

    /// The choice's stable code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The choice with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.code() == code)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Yes => "yes",
            Choice::No => "no",
            Choice::Abstain => "abstain",
        })
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|choice| choice.to_string() == text);
        named.ok_or_else(|| format!("{text:?} is no choice; choices are yes, no and abstain"))
    }
}

/// A member's ballot. It was for the proposal's effect, or it would not have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ballot {
    /// Who voted.
    pub member: Address,
    /// What it said.
    pub choice: Choice,
    /// At which height.
    pub height: u64,
}

/// What became of a proposal. Everything but `Open` is for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Nothing yet.
    Open,
    /// Its effect has taken place.
    Executed,
    /// It was accepted, but its action could not happen any more.
    Failed {
        /// Code of the refusal.
        code: u16,
        /// The refusal in words.
        reason: String,
    },
    /// The ballots did not suffice.
    Rejected,
    /// Nobody executed it in time.
    Expired,
    /// Its proposer took it back.
    Revoked,
    /// A regulator forbade it.
    Vetoed {
        /// SHA-256 of the document that says why.
        basis: B256,
    },
    /// It would have had another effect than the one that ballots were cast for.
    Void {
        /// The effect that it would have had.
        digest: B256,
    },
}

impl Status {
    /// A stable number.
    pub const fn code(&self) -> u8 {
        match self {
            Status::Open => 0,
            Status::Executed => 1,
            Status::Failed { .. } => 2,
            Status::Rejected => 3,
            Status::Expired => 4,
            Status::Revoked => 5,
            Status::Vetoed { .. } => 6,
            Status::Void { .. } => 7,
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Executed => "executed",
            Status::Failed { .. } => "failed",
            Status::Rejected => "rejected",
            Status::Expired => "expired",
            Status::Revoked => "revoked",
            Status::Vetoed { .. } => "vetoed",
            Status::Void { .. } => "void",
        }
    }

    /// The code of a failure's refusal; zero otherwise.
    pub const fn refusal_code(&self) -> u16 {
        match self {
            Status::Failed { code, .. } => *code,
            _ => 0,
        }
    }

    /// A failure's reason; empty otherwise.
    pub fn reason(&self) -> &str {
        match self {
            Status::Failed { reason, .. } => reason,
            _ => "",
        }
    }

    /// The hash that goes with a veto or a changed effect; zero otherwise.
    pub const fn hash(&self) -> B256 {
        match self {
            Status::Vetoed { basis } => *basis,
            Status::Void { digest } => *digest,
            _ => B256::ZERO,
        }
    }

    fn of(code: u8, refusal: u16, reason: String, hash: B256) -> Option<Self> {
        Some(match code {
            0 => Status::Open,
            1 => Status::Executed,
            2 => Status::Failed { code: refusal, reason },
            3 => Status::Rejected,
            4 => Status::Expired,
            5 => Status::Revoked,
            6 => Status::Vetoed { basis: hash },
            7 => Status::Void { digest: hash },
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Status::Failed { reason, .. } => write!(f, ": {reason}"),
            Status::Vetoed { basis } => write!(f, " on the basis of {basis}"),
            Status::Void { digest } => write!(f, ": its effect would now be {digest}"),
            _ => Ok(()),
        }
    }
}

/// A proposal without its payload, which is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Its number, from 1.
    pub id: u64,
    /// What it is about.
    pub kind: Kind,
    /// Digest of its effect: what ballots bind.
    pub digest: B256,
    /// Who made it.
    pub proposer: Address,
    /// At which height.
    pub created: u64,
    /// The last height at which ballots are taken.
    pub closes: u64,
    /// The first height at which it can be executed.
    pub earliest: u64,
    /// The last one.
    pub latest: u64,
    /// What became of it.
    #[serde(flatten)]
    pub status: Status,
    /// At which height; zero while it is open.
    pub decided: u64,
    /// The ballots, in the order in which they came.
    pub ballots: Vec<Ballot>,
}

impl Proposal {
    /// What has become of it by a height: nobody needs to act for it to expire.
    pub fn status_at(&self, height: u64) -> &Status {
        match self.status {
            Status::Open if height > self.latest => &Status::Expired,
            ref status => status,
        }
    }

    /// The ballot of a member.
    pub fn ballot(&self, member: &Address) -> Option<&Ballot> {
        self.ballots.iter().find(|ballot| ballot.member == *member)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(&Row {
            id: self.id,
            kind: self.kind.code(),
            digest: self.digest,
            proposer: self.proposer,
            heights: vec![self.created, self.closes, self.earliest, self.latest, self.decided],
            status: self.status.code(),
            refusal: self.status.refusal_code(),
            reason: self.status.reason().to_owned(),
            hash: self.status.hash(),
            ballots: self.ballots.iter().map(BallotRow::from).collect(),
        })
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let row: Row = wire::decode(bytes)?;
        let [created, closes, earliest, latest, decided] = *row.heights.as_slice() else { return None };
        let proposal = Self {
            id: row.id,
            kind: Kind::from_code(row.kind)?,
            digest: row.digest,
            proposer: row.proposer,
            created,
            closes,
            earliest,
            latest,
            status: Status::of(row.status, row.refusal, row.reason, row.hash)?,
            decided,
            ballots: row.ballots.iter().map(BallotRow::ballot).collect::<Option<_>>()?,
        };
        (proposal.encode() == bytes).then_some(proposal)
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct Row {
    id: u64,
    kind: u8,
    digest: B256,
    proposer: Address,
    heights: Vec<u64>,
    status: u8,
    refusal: u16,
    reason: String,
    hash: B256,
    ballots: Vec<BallotRow>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct BallotRow {
    member: Address,
    choice: u8,
    height: u64,
}

impl From<&Ballot> for BallotRow {
    fn from(ballot: &Ballot) -> Self {
        Self { member: ballot.member, choice: ballot.choice.code(), height: ballot.height }
    }
}

impl BallotRow {
    fn ballot(&self) -> Option<Ballot> {
        let Self { member, choice, height } = *self;
        Some(Ballot { member, choice: Choice::from_code(choice)?, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(status: Status) -> Proposal {
        let member = Address::repeat_byte(2);
        Proposal {
            id: 7,
            kind: Kind::SetRule,
            digest: B256::repeat_byte(1),
            proposer: member,
            created: 10,
            closes: 20,
            earliest: 25,
            latest: 30,
            status,
            decided: 0,
            ballots: vec![Ballot { member, choice: Choice::Abstain, height: 11 }],
        }
    }

    #[test]
    fn proposals_survive_their_bytes_in_every_status() {
        let hash = B256::repeat_byte(8);
        for code in 0..8 {
            let status = Status::of(code, 44, "why".into(), hash).unwrap();
            assert_eq!(status.code(), code);
            let proposal = proposal(status);
            assert_eq!(Proposal::decode(&proposal.encode()), Some(proposal));
        }
        assert_eq!(Status::of(8, 0, String::new(), hash), None);
        assert_eq!(Proposal::decode(b"none"), None);
    }

    #[test]
    fn an_open_proposal_expires_by_itself_and_no_other_does() {
        assert_eq!(proposal(Status::Open).status_at(30), &Status::Open);
        assert_eq!(proposal(Status::Open).status_at(31), &Status::Expired);
        assert_eq!(proposal(Status::Executed).status_at(31), &Status::Executed);
    }

    #[test]
    fn choices_survive_their_codes_and_names() {
        for choice in Choice::ALL {
            assert_eq!(Choice::from_code(choice.code()), Some(choice));
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!(Choice::from_code(0), None);
        assert!("maybe".parse::<Choice>().is_err());
    }
}
