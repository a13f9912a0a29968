//! The rule of each kind: which shares of weight decide, how long voting lasts, when execution may follow.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{
    Kind,
    committee::{Committee, MAX_MEMBERS, Member, weight},
    wire,
};

/// A whole, in basis points.
pub const WHOLE: u64 = 10_000;

/// The longest period of a rule, in blocks.
pub const MAX_BLOCKS: u64 = 1_000_000;

/// More than two thirds.
const TWO_THIRDS: u64 = 6_667;

/// More than a half.
const HALF: u64 = 5_001;

/// What a proposal of a kind needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The least share of the committee's weight that votes at all, in basis points.
    pub participation: u64,
    /// The least share of yes among the weight that voted yes or no, in basis points.
    pub approval: u64,
    /// How many organisations at least must vote yes.
    pub organisations: u64,
    /// How long ballots are taken.
    pub voting_blocks: u64,
    /// How long execution waits after the vote is decided.
    pub timelock_blocks: u64,
    /// How long after that it may take place.
    pub window_blocks: u64,
    /// Whether a regulator may veto.
    pub veto: bool,
    /// Whether the proposer's own ballot counts towards approval. Of no matter while the committee has a single
    /// organisation, which could not act otherwise.
    pub proposer_counts: bool,
    /// How long what was done lasts unless it is confirmed: of emergency freezes, and of the orders that a vote may
    /// confirm; zero otherwise.
    pub lapse_blocks: u64,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A number out of its range.
    #[error("{field} is {have} but must lie between {least} and {most}")]
    Range {
        /// Of which field.
        field: &'static str,
        /// What it was.
        have: u64,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
    },
    /// The committee could never vote it through.
    #[error("members who can vote have weight {have} of {total}; {need} of {WHOLE} must take part")]
    Weight {
        /// Weight of the members who can vote.
        have: u64,
        /// Weight of all.
        total: u64,
        /// Basis points needed.
        need: u64,
    },
    /// The committee has too few organisations.
    #[error("{need} organisations must vote yes; members of {have} can vote")]
    Organisations {
        /// How many have a member who can vote.
        have: u64,
        /// How many must.
        need: u64,
    },
    /// Nobody is left to approve.
    #[error("the proposer's own ballot does not count, and nobody else can vote")]
    NobodyApproves,
}

impl Rule {
    /// The rule that a kind starts with, for a committee of so many organisations.
    pub fn initial(kind: Kind, organisations: usize) -> Self {
        let rule = Self {
            participation: TWO_THIRDS,
            approval: TWO_THIRDS,
            organisations: if organisations > 1 { 2 } else { 1 },
            voting_blocks: 100_000,
            timelock_blocks: 0,
            window_blocks: 100_000,
            veto: false,
            proposer_counts: false,
            lapse_blocks: 0,
        };
        match kind {
            Kind::AdmitOrganisation | Kind::ReinstateOrganisation => Self { veto: true, ..rule },
            Kind::SuspendOrganisation | Kind::AdmitValidator => rule,
            Kind::SetValidatorPower | Kind::RetireValidator => rule,
            Kind::ExpelOrganisation | Kind::SetAuthorities | Kind::SetCommitteeMember | Kind::SetRule => {
                Self { timelock_blocks: 10, ..rule }
            }
            // An identity changes hands: time for its owner and a regulator to step in.
            Kind::RecoverKey => Self { timelock_blocks: 10, veto: true, ..rule },
            Kind::BarAccount | Kind::BarNode => rule,
            Kind::LiftBar => Self { veto: true, ..rule },
            // No veto: regulators do not decide who else is one.
            Kind::AdmitRegulator | Kind::RetireRegulator => Self { timelock_blocks: 10, ..rule },
            Kind::SetPolicy | Kind::RepealPolicy => Self { timelock_blocks: 10, ..rule },
            Kind::SetDeployList | Kind::RetireContract | Kind::SetContractAdministrator => {
                Self { timelock_blocks: 10, ..rule }
            }
            // A contract may let others do more than before: time to look, and for a regulator to step in.
            Kind::SetAttributes => Self { timelock_blocks: 10, veto: true, ..rule },
            Kind::DeployContract => rule,
            Kind::RequireApproval => Self { timelock_blocks: 10, ..rule },
            // What many rely on behaves otherwise, or what somebody owns changes hands: as for attributes.
            Kind::UpgradeContract | Kind::Correct => Self { timelock_blocks: 10, veto: true, ..rule },
            // What is wrong should go at once.
            Kind::RevokeAttributes => Self { participation: HALF, approval: HALF, ..rule },
            Kind::FreezeContract => Self { participation: HALF, approval: HALF, ..rule },
            Kind::UnfreezeContract => Self { participation: HALF, approval: HALF, veto: true, ..rule },
            Kind::SetLimit | Kind::RepealLimit => Self { timelock_blocks: 10, ..rule },
            // What was final is undone: time to look, and for a regulator to step in.
            Kind::RollBack => Self { timelock_blocks: 10, veto: true, ..rule },
            Kind::FreezeAccount => Self { participation: HALF, approval: HALF, ..rule },
            Kind::UnfreezeAccount => Self { participation: HALF, approval: HALF, veto: true, ..rule },
            Kind::SetParameters | Kind::SetProtocolVersion => Self { timelock_blocks: 10, ..rule },
            Kind::EmergencyFreeze | Kind::EmergencyFreezeContract => Self {
                participation: 2_500,
                approval: 2_500,
                organisations: 1,
                voting_blocks: 1_000,
                window_blocks: 1_000,
                proposer_counts: true,
                lapse_blocks: 20_000,
                ..rule
            },
            // How long a regulator's order binds by itself is said here as well.
            Kind::ConfirmOrder => Self { participation: HALF, approval: HALF, lapse_blocks: 20_000, ..rule },
            // No veto: whoever imposed is no judge of whether it was right. It sees the timelock.
            Kind::LiftOrder => Self { participation: HALF, approval: HALF, timelock_blocks: 10, ..rule },
        }
    }

    /// Checks everything that needs no committee.
    pub fn validate(&self, kind: Kind) -> Result<(), RuleError> {
        let emergency = matches!(kind, Kind::EmergencyFreeze | Kind::EmergencyFreezeContract);
        let least_approval = if emergency { 1 } else { HALF };
        let lapses = emergency || kind == Kind::ConfirmOrder;
        let lapse = if lapses { (1, MAX_BLOCKS) } else { (0, 0) };
        let most_organisations = u64::try_from(MAX_MEMBERS).unwrap_or(u64::MAX);
        let ranges = [
            ("participation", self.participation, (1, WHOLE)),
            ("approval", self.approval, (least_approval, WHOLE)),
            ("organisations", self.organisations, (1, most_organisations)),
            ("voting_blocks", self.voting_blocks, (1, MAX_BLOCKS)),
            ("timelock_blocks", self.timelock_blocks, (0, MAX_BLOCKS)),
            ("window_blocks", self.window_blocks, (1, MAX_BLOCKS)),
            ("lapse_blocks", self.lapse_blocks, lapse),
        ];
        for (field, have, (least, most)) in ranges {
            if !(least..=most).contains(&have) {
                return Err(RuleError::Range { field, have, least, most });
            }
        }
        Ok(())
    }

    /// Checks that the committee could vote a proposal of this rule through, if all but the members who cannot
    /// vote agreed.
    pub fn check_reachable(
        &self,
        committee: &Committee,
        unable: &BTreeSet<Address>,
    ) -> Result<(), RuleError> {
        let able: Vec<&Member> =
            committee.members().iter().filter(|member| !unable.contains(&member.address)).collect();
        let (have, total) = (weight(able.iter().copied()), committee.total_weight());
        if have == 0 || !is_share(have, total, self.participation) {
            return Err(RuleError::Weight { have, total, need: self.participation });
        }
        let organisations: BTreeSet<_> = able.iter().map(|member| &member.organisation).collect();
        let have = u64::try_from(organisations.len()).unwrap_or(u64::MAX);
        if have < self.organisations {
            return Err(RuleError::Organisations { have, need: self.organisations });
        }
        if !self.counts_proposer(committee) && able.len() < 2 {
            return Err(RuleError::NobodyApproves);
        }
        Ok(())
    }

    /// Whether the proposer's own ballot counts towards approval, as this committee stands.
    pub fn counts_proposer(&self, committee: &Committee) -> bool {
        self.proposer_counts || committee.organisations().len() < 2
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(self)
    }

    /// Reads [`Self::encode`]'s bytes; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes)
    }
}

/// Whether a part is at least so many basis points of a whole.
pub(crate) fn is_share(part: u64, whole: u64, basis_points: u64) -> bool {
    let product = |a: u64, b: u64| u128::from(a).saturating_mul(u128::from(b));
    product(part, WHOLE) >= product(whole, basis_points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committee(organisations: &[(&str, u64)]) -> Committee {
        let seat = |(seed, (org, weight)): (u8, &(&str, u64))| Member {
            address: Address::repeat_byte(seed),
            organisation: org.parse().unwrap(),
            weight: *weight,
        };
        Committee::new((1..).zip(organisations).map(seat).collect()).unwrap()
    }

    #[test]
    fn initial_rules_are_rules_that_any_committee_can_follow() {
        let committees = [
            committee(&[("bank-a", 1)]),
            committee(&[("bank-a", 7), ("bank-a", 1)]),
            committee(&[("bank-a", 1), ("bank-b", 1)]),
            committee(&[("bank-a", 1), ("bank-b", 1), ("bank-c", 1_000_000)]),
        ];
        for (kind, committee) in Kind::ALL.iter().flat_map(|kind| committees.iter().map(move |c| (kind, c))) {
            let rule = Rule::initial(*kind, committee.organisations().len());
            assert_eq!(rule.validate(*kind), Ok(()), "{kind}");
            assert_eq!(rule.check_reachable(committee, &BTreeSet::new()), Ok(()), "{kind}");
        }
    }

    #[test]
    fn rates_of_zero_and_above_the_whole_are_refused() {
        let good = Rule::initial(Kind::SetRule, 4);
        let bad = [
            Rule { participation: 0, ..good },
            Rule { participation: 10_001, ..good },
            Rule { approval: 0, ..good },
            Rule { approval: 5_000, ..good },
            Rule { approval: 10_001, ..good },
            Rule { organisations: 0, ..good },
            Rule { voting_blocks: 0, ..good },
            Rule { voting_blocks: 1_000_001, ..good },
            Rule { window_blocks: 0, ..good },
            Rule { timelock_blocks: u64::MAX, ..good },
            Rule { lapse_blocks: 1, ..good },
        ];
        for rule in bad {
            assert!(rule.validate(Kind::SetRule).is_err(), "{rule:?}");
        }
        let emergency = Rule::initial(Kind::EmergencyFreeze, 4);
        assert!(Rule { approval: 1, ..emergency }.validate(Kind::EmergencyFreeze).is_ok());
        assert!(Rule { lapse_blocks: 0, ..emergency }.validate(Kind::EmergencyFreeze).is_err());
    }

    #[test]
    fn a_rule_that_the_committee_cannot_reach_says_what_is_missing() {
        let committee = committee(&[("bank-a", 2), ("bank-b", 1)]);
        let rule = Rule::initial(Kind::SetRule, 2);
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let without = |member| rule.check_reachable(&committee, &BTreeSet::from([member]));
        assert_eq!(without(a), Err(RuleError::Weight { have: 1, total: 3, need: 6_667 }));
        assert_eq!(without(b), Err(RuleError::Weight { have: 2, total: 3, need: 6_667 }));
        let three = Rule { organisations: 3, ..rule };
        let error = three.check_reachable(&committee, &BTreeSet::new());
        assert_eq!(error, Err(RuleError::Organisations { have: 2, need: 3 }));
        let alone = Rule { participation: 5_000, organisations: 1, ..rule };
        assert_eq!(alone.check_reachable(&committee, &BTreeSet::from([b])), Err(RuleError::NobodyApproves));
        assert!(rule.check_reachable(&Committee::default(), &BTreeSet::new()).is_err());
    }

    #[test]
    fn shares_are_exact_at_their_limits() {
        assert!(is_share(2, 3, 6_666) && !is_share(2, 3, 6_667));
        assert!(is_share(u64::MAX, u64::MAX, WHOLE) && !is_share(u64::MAX - 1, u64::MAX, WHOLE));
        assert!(!is_share(0, 1, 1));
    }

    #[test]
    fn rules_are_golden() {
        let rule = Rule::initial(Kind::EmergencyFreeze, 4);
        assert_eq!(hex::encode(rule.encode()), "d38209c48209c4018203e8808203e88001824e20");
        assert_eq!(Rule::decode(&rule.encode()), Some(rule));
        assert_eq!(Rule::decode(&[0xc0]), None);
    }
}
