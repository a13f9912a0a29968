//! Rules on what the committee does: late ballots, hasty executions, votes on one's own matters.

use concordat_types::Address;

use super::case::{Case, numbers};
use crate::{
    event::{About, What},
    finding::{Subject, Verdict},
};

/// Whether a ballot comes within the last blocks.
pub(super) fn late_ballot(blocks: u64, case: &Case) -> Option<Verdict> {
    let What::Ballot { proposal, member, closes, .. } = &case.event.what else { return None };
    let left = closes.saturating_sub(case.block.height);
    if left >= blocks {
        return None;
    }
    of_account(*member, case, [("proposal", proposal.to_string()), ("left", left.to_string())])
}

/// Whether a proposal is executed within the first blocks.
pub(super) fn hasty_execution(blocks: u64, case: &Case) -> Option<Verdict> {
    let What::Executed { proposal, proposer, earliest } = &case.event.what else { return None };
    let after = case.block.height.saturating_sub(*earliest);
    if after >= blocks {
        return None;
    }
    let named = [
        ("proposal", proposal.to_string()),
        ("after", after.to_string()),
        ("earliest", earliest.to_string()),
    ];
    of_account(*proposer, case, named)
}

/// Whether a member votes on what is about itself or its organisation.
pub(super) fn own_matter(case: &Case) -> Option<Verdict> {
    let What::Ballot { proposal, member, about, .. } = &case.event.what else { return None };
    let party = case.party(*member);
    let own = about.iter().find(|about| match about {
        About::Account(account) => account == member,
        About::Organisation(organisation) => party.is_some_and(|party| party.organisation == *organisation),
    });
    let Some(own) = own else {
        let undecided = party.is_none() && about.iter().any(|about| matches!(about, About::Organisation(_)));
        let why = "the organisation of the member is not known";
        return undecided.then(|| case.unjudged(Subject::Account(*member), None, why)).flatten();
    };
    let matter = match own {
        About::Account(_) => "its own account".to_owned(),
        About::Organisation(organisation) => format!("its organisation {organisation}"),
    };
    of_account(*member, case, [("proposal", proposal.to_string()), ("matter", matter)])
}

fn of_account<const N: usize>(account: Address, case: &Case, named: [(&str, String); N]) -> Option<Verdict> {
    let subject = Subject::Account(account);
    if !case.takes(account) || !case.is_heard(&subject, None, true) {
        return None;
    }
    let evidence = vec![case.event.at];
    Some(Verdict { subject, asset: None, evidence, decided: Ok(numbers(named)) })
}
