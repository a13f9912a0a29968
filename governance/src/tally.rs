//! Counting ballots: whose count, what they weigh now, and whether the outcome can still change.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use serde::Serialize;

use crate::{Ballot, Choice, Committee, Rule, committee::Member, rule::is_share};

/// The weights of a vote, by the committee as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The committee's whole weight.
    pub total: u64,
    /// Weight that has voted, abstentions included.
    pub voted: u64,
    /// Weight that approves. The proposer's own is left out where the rule says so.
    pub yes: u64,
    /// Weight that does not approve, likewise.
    pub no: u64,
    /// Weight whose ballots are not counted and could still become so.
    pub outstanding: u64,
    /// How many organisations have voted yes.
    pub organisations: u64,
}

impl Tally {
    /// Counts the ballots of those who have a seat and are in `good` standing now.
    pub fn count(
        committee: &Committee,
        rule: &Rule,
        proposer: Address,
        ballots: &[Ballot],
        good: &BTreeSet<Address>,
    ) -> Self {
        let mut tally = Self { total: committee.total_weight(), ..Self::default() };
        let mut organisations = BTreeSet::new();
        for member in committee.members() {
            let ballot = ballots.iter().find(|ballot| ballot.member == member.address);
            let counted = ballot.filter(|_| good.contains(&member.address)).map(|ballot| ballot.choice);
            if counted == Some(Choice::Yes) {
                organisations.insert(&member.organisation);
            }
            let approves = member.address != proposer || rule.counts_proposer(committee);
            tally.add(member, counted, approves);
        }
        tally.organisations = u64::try_from(organisations.len()).unwrap_or(u64::MAX);
        tally
    }

    fn add(&mut self, member: &Member, choice: Option<Choice>, approves: bool) {
        let sum = |to: &mut u64| *to = to.saturating_add(member.weight);
        if choice.is_some() {
            sum(&mut self.voted);
        }
        match choice {
            Some(Choice::Yes) if approves => sum(&mut self.yes),
            Some(Choice::No) if approves => sum(&mut self.no),
            None if approves => sum(&mut self.outstanding),
            _ => {}
        }
    }

    /// Whether the ballots suffice. Nothing is decided by nobody: without a yes there is no approval.
    pub fn meets(&self, rule: &Rule) -> bool {
        self.takes_part(rule) && self.yes > 0 && is_share(self.yes, self.cast(0), rule.approval)
    }

    /// Whether they suffice, and would if everybody else voted no.
    pub fn is_certain(&self, rule: &Rule) -> bool {
        self.meets(rule) && is_share(self.yes, self.cast(self.outstanding), rule.approval)
    }

    fn takes_part(&self, rule: &Rule) -> bool {
        is_share(self.voted, self.total, rule.participation) && self.organisations >= rule.organisations
    }

    fn cast(&self, more: u64) -> u64 {
        self.yes.saturating_add(self.no).saturating_add(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, committee::MAX_WEIGHT};

    fn seat(seed: u8, weight: u64) -> Member {
        let organisation = format!("bank-{}", char::from(b'a'.wrapping_add(seed % 26))).parse().unwrap();
        Member { address: Address::repeat_byte(seed), organisation, weight }
    }

    fn committee(weights: &[u64]) -> Committee {
        Committee::new((0..).zip(weights).map(|(seed, weight)| seat(seed, *weight)).collect()).unwrap()
    }

    fn count(committee: &Committee, rule: &Rule, proposer: u8, votes: &[(u8, Choice)]) -> Tally {
        let ballots: Vec<Ballot> = votes
            .iter()
            .map(|(seed, choice)| Ballot { member: Address::repeat_byte(*seed), choice: *choice, height: 1 })
            .collect();
        let good = committee.members().iter().map(|member| member.address).collect();
        Tally::count(committee, rule, Address::repeat_byte(proposer), &ballots, &good)
    }

    #[test]
    fn the_proposer_does_not_approve_its_own_proposal() {
        let (committee, rule) = (committee(&[1, 1, 1, 1]), Rule::initial(Kind::AdmitOrganisation, 4));
        let two = [(0, Choice::Yes), (1, Choice::Yes)];
        assert!(!count(&committee, &rule, 0, &two).meets(&rule));
        let three = [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::No)];
        assert!(!count(&committee, &rule, 0, &three).meets(&rule), "one of two who count says yes");
        let three = [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::Yes)];
        assert!(count(&committee, &rule, 0, &three).meets(&rule));
    }

    #[test]
    fn a_committee_of_one_organisation_can_act() {
        let committee = committee(&[1]);
        let rule = Rule::initial(Kind::AdmitOrganisation, 1);
        let tally = count(&committee, &rule, 0, &[(0, Choice::Yes)]);
        assert!(tally.meets(&rule) && tally.is_certain(&rule));
    }

    #[test]
    fn an_outcome_is_certain_only_if_the_others_could_not_change_it() {
        let (committee, rule) = (committee(&[1, 1, 1, 1]), Rule::initial(Kind::AdmitOrganisation, 4));
        let three = count(&committee, &rule, 0, &[(0, Choice::Yes), (1, Choice::Yes), (2, Choice::Yes)]);
        assert_eq!((three.yes, three.outstanding), (2, 1));
        assert!(three.meets(&rule) && !three.is_certain(&rule), "two of three is less than 66.67 %");
        let emergency = Rule::initial(Kind::EmergencyFreeze, 4);
        assert!(count(&committee, &emergency, 0, &[(0, Choice::Yes)]).is_certain(&emergency));
    }

    #[test]
    fn abstaining_takes_part_and_approves_nothing() {
        let (committee, rule) = (committee(&[1, 1, 1, 1]), Rule::initial(Kind::FreezeAccount, 4));
        let all = [(0, Choice::Abstain), (1, Choice::Abstain), (2, Choice::Abstain), (3, Choice::Abstain)];
        let tally = count(&committee, &rule, 0, &all);
        assert_eq!((tally.voted, tally.yes), (4, 0));
        assert!(!tally.meets(&rule));
    }

    #[test]
    fn the_heaviest_committee_overflows_nothing() {
        let (committee, rule) = (committee(&[MAX_WEIGHT; 64]), Rule::initial(Kind::SetRule, 4));
        let all: Vec<(u8, Choice)> = (0..64).map(|seed| (seed, Choice::Yes)).collect();
        let tally = count(&committee, &rule, 0, &all);
        assert_eq!((tally.total, tally.voted, tally.yes), (64_000_000, 64_000_000, 63_000_000));
        assert!(tally.is_certain(&rule));
    }

    #[test]
    fn a_ballot_of_somebody_who_lost_the_seat_or_its_standing_counts_no_more() {
        let (four, rule) = (committee(&[1, 1, 1, 1]), Rule::initial(Kind::AdmitOrganisation, 4));
        let votes = [(0, Choice::Yes), (1, Choice::Yes), (2, Choice::Yes), (3, Choice::Yes)];
        assert!(count(&four, &rule, 0, &votes).meets(&rule));
        let smaller = four.without(&Address::repeat_byte(3)).without(&Address::repeat_byte(2));
        assert_eq!(count(&smaller, &rule, 0, &votes).voted, 2);
        let ballots =
            votes.map(|(seed, choice)| Ballot { member: Address::repeat_byte(seed), choice, height: 1 });
        let good = BTreeSet::from([Address::repeat_byte(0), Address::repeat_byte(1)]);
        let tally = Tally::count(&four, &rule, Address::repeat_byte(0), &ballots, &good);
        assert_eq!((tally.total, tally.voted, tally.outstanding), (4, 2, 2));
        assert!(!tally.meets(&rule));
    }
}
