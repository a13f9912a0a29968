//! Those on the list: as parties of a transfer, by what they have, by enrolling.

use std::collections::BTreeSet;

use concordat_types::Address;

use super::case::{Case, numbers};
use crate::{
    event::{Asset, What},
    finding::{Subject, Verdict},
    rule::Hit,
};

/// Whoever of an event is on the list.
pub(super) fn sanctions(hits: &BTreeSet<Hit>, case: &Case) -> Vec<Verdict> {
    let (mut found, mut before) = (Vec::new(), None);
    for (hit, account, asset) in named(case).into_iter().flatten() {
        // Who pays itself comes up once.
        if hits.contains(&hit) && before != Some(account) {
            before = Some(account);
            found.extend(listed(hit, account, asset, case));
        }
    }
    found
}

/// Whom an event names, and how.
fn named(case: &Case) -> [Option<(Hit, Address, Option<Asset>)>; 2] {
    match &case.event.what {
        What::Transfer(_) => {
            let Some(transfer) = case.transfer() else { return [None, None] };
            let asset = Some(transfer.asset);
            [Some((Hit::Sender, transfer.from, asset)), Some((Hit::Recipient, transfer.to, asset))]
        }
        What::Holding { holder, asset, .. } if case.takes_token(asset.token) => {
            [Some((Hit::Holder, *holder, Some(*asset))), None]
        }
        What::Enrolled { account, .. } => [Some((Hit::Enrolled, *account, None)), None],
        _ => [None, None],
    }
}

fn listed(hit: Hit, account: Address, asset: Option<Asset>, case: &Case) -> Option<Verdict> {
    let entry = case.facts.listed(account)?;
    let subject = Subject::Account(account);
    if !case.takes(account) || !case.is_heard(&subject, asset, true) {
        return None;
    }
    let decided = numbers([
        ("entry", entry.name.clone()),
        ("reason", entry.reason.clone()),
        ("hit", hit.name().to_owned()),
        ("source", case.facts.source().to_owned()),
    ]);
    Some(Verdict { subject, asset, evidence: vec![case.event.at], decided: Ok(decided) })
}
