//! Proposals on the committee and its rules.

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use concordat_core::governance::abi::IGovernance;
use concordat_governance::{Action, Kind};
use eyre::Result;

use super::args::{Proposable, Proposing};
use crate::{
    gov::{ask, show},
    sender::SenderArgs,
};

/// Subcommands of `concordat gov propose` on the committee and its rules.
#[derive(Subcommand)]
pub enum CommitteeCommand {
    /// A seat on the committee: new, of another weight, or gone (weight 0).
    SetCommitteeMember(Proposing<SeatArgs>),
    /// The rule of a kind. What is not named stays as it is.
    SetRule(Proposing<RuleArgs>),
}

impl CommitteeCommand {
    pub fn run(self, json: bool) -> Result<()> {
        match self {
            Self::SetCommitteeMember(args) => args.propose(json),
            Self::SetRule(args) => args.propose(json),
        }
    }
}

#[derive(Args)]
pub struct SeatArgs {
    /// The account, enrolled with the role committee-member.
    member: Address,
    /// The weight of its ballot; 0 takes the seat.
    #[arg(long)]
    weight: u64,
}

impl Proposable for SeatArgs {
    fn action(&self, _: &SenderArgs) -> Result<Action> {
        let Self { member, weight } = *self;
        Ok(Action::SetCommitteeMember { member, weight })
    }
}

#[derive(Args)]
pub struct RuleArgs {
    /// The kind.
    kind: Kind,
    /// Least share of weight that votes, in basis points.
    #[arg(long, value_name = "POINTS")]
    participation: Option<u64>,
    /// Least share of yes among yes and no, in basis points.
    #[arg(long, value_name = "POINTS")]
    approval: Option<u64>,
    /// How many organisations at least must vote yes.
    #[arg(long)]
    organisations: Option<u64>,
    /// How many blocks ballots are taken.
    #[arg(long, value_name = "BLOCKS")]
    voting: Option<u64>,
    /// How many blocks execution waits after the vote.
    #[arg(long, value_name = "BLOCKS")]
    timelock: Option<u64>,
    /// For how many blocks it may then take place.
    #[arg(long, value_name = "BLOCKS")]
    window: Option<u64>,
    /// Whether a regulator may veto.
    #[arg(long)]
    veto: Option<bool>,
    /// Whether the proposer's own ballot counts towards approval.
    #[arg(long)]
    proposer_counts: Option<bool>,
    /// How many blocks an emergency freeze lasts.
    #[arg(long, value_name = "BLOCKS")]
    lapse: Option<u64>,
}

impl Proposable for RuleArgs {
    fn action(&self, sender: &SenderArgs) -> Result<Action> {
        let rule = ask(&sender.node.connect()?, &IGovernance::ruleCall { kind: self.kind.code() })?;
        let mut rule = show::rule_of(&rule);
        let numbers = [
            (self.participation, &mut rule.participation),
            (self.approval, &mut rule.approval),
            (self.organisations, &mut rule.organisations),
            (self.voting, &mut rule.voting_blocks),
            (self.timelock, &mut rule.timelock_blocks),
            (self.window, &mut rule.window_blocks),
            (self.lapse, &mut rule.lapse_blocks),
        ];
        for (new, field) in numbers {
            *field = new.unwrap_or(*field);
        }
        rule.veto = self.veto.unwrap_or(rule.veto);
        rule.proposer_counts = self.proposer_counts.unwrap_or(rule.proposer_counts);
        Ok(Action::SetRule { kind: self.kind, rule })
    }
}
