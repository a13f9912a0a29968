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
    let all = match &case.event.what {
        What::Transfer(_) => match case.transfer() {
            Some(transfer) => {
                let asset = Some(transfer.asset);
                vec![(Hit::Sender, transfer.from, asset), (Hit::Recipient, transfer.to, asset)]
            }
            None => Vec::new(),
        },
        What::Holding { holder, asset, .. } if case.takes_token(asset.token) => {
            vec![(Hit::Holder, *holder, Some(*asset))]
        }
        What::Enrolled { account, .. } => vec![(Hit::Enrolled, *account, None)],
        _ => Vec::new(),
    };
    let mut wanted: Vec<_> = all.into_iter().filter(|(hit, ..)| hits.contains(hit)).collect();
    // Who pays itself comes up once.
    wanted.dedup_by_key(|(_, account, _)| *account);
    wanted.into_iter().filter_map(|(hit, account, asset)| listed(hit, account, asset, case)).collect()
}

fn listed(hit: Hit, account: Address, asset: Option<Asset>, case: &Case) -> Option<Verdict> {
    let entry = case.list.find(account, case.party(account))?;
    let subject = Subject::Account(account);
    if !case.takes(account) || !case.is_heard(&subject, asset, true) {
        return None;
    }
    let decided = numbers([
        ("entry", entry.name.clone()),
        ("reason", entry.reason.clone()),
        ("hit", hit.name().to_owned()),
        ("source", case.list.source.clone()),
    ]);
    Some(Verdict { subject, asset, evidence: vec![case.event.at], decided: Ok(decided) })
}
