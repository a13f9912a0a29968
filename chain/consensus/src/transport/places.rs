//! Who gets a place among the connected peers, however many certificates an organisation signs.
//!
//! Validators' nodes and others are two classes. An organisation has so many places in each and no more. When all
//! are taken, a newcomer gets the place of another, if that makes it fairer: the organisation with the most gives
//! one up, and any other node makes room for a validator's. So no organisation's only validator is kept out by
//! the many nodes of another, and none takes a place only to lose it again.

use std::collections::HashMap;

use concordat_types::{OrgId, Role};

use super::PeerIdentity;

/// How many places there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// In all.
    pub in_all: usize,
    /// Of one organisation's validators' nodes, and as many of its others.
    pub of_an_org: usize,
}

/// How a newcomer gets its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One is free.
    Free,
    /// The connection with this number gives its own up.
    Of(u64),
}

/// A connected peer: who it is, and its connection's number; later ones have greater numbers.
pub type Taken<'a> = (&'a PeerIdentity, u64);

fn is_validator(peer: &PeerIdentity) -> bool {
    peer.role == Role::Validator
}

impl Places {
    /// A place for a peer that is not connected.
    ///
    /// # Errors
    /// Why there is none: the kind of refusal.
    pub fn find(&self, newcomer: &PeerIdentity, taken: &[Taken<'_>]) -> Result<Place, &'static str> {
        let class = is_validator(newcomer);
        let counts = count(taken, class);
        let own = counts.get(&newcomer.org).copied().unwrap_or(0);
        if own >= self.of_an_org {
            return Err("too_many_of_organisation");
        }
        if taken.len() < self.in_all {
            return Ok(Place::Free);
        }
        let others = class.then(|| give_up(taken, &count(taken, false), false, 0)).flatten();
        let place = others.or_else(|| give_up(taken, &counts, class, own.saturating_add(1)));
        place.map(Place::Of).ok_or("too_many_peers")
    }
}

/// How many peers of a class each organisation has.
fn count<'a>(taken: &[Taken<'a>], validators: bool) -> HashMap<&'a OrgId, usize> {
    let mut counts = HashMap::new();
    for (peer, _) in taken.iter().filter(|(peer, _)| is_validator(peer) == validators) {
        *counts.entry(&peer.org).or_insert(0) += 1;
    }
    counts
}

/// The youngest connection of the class, of an organisation that has the most in it and more than `enough`.
fn give_up(
    taken: &[Taken<'_>],
    counts: &HashMap<&OrgId, usize>,
    validators: bool,
    enough: usize,
) -> Option<u64> {
    let most = counts.values().copied().max().filter(|most| *most > enough)?;
    let of_the_most = |peer: &PeerIdentity| counts.get(&peer.org) == Some(&most);
    let candidates = taken.iter().filter(|(peer, _)| is_validator(peer) == validators && of_the_most(peer));
    candidates.map(|(_, number)| *number).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::peer_id_of_spki;

    const PLACES: Places = Places { in_all: 6, of_an_org: 3 };

    fn peer(org: &str, role: Role) -> PeerIdentity {
        PeerIdentity {
            peer_id: peer_id_of_spki(org.as_bytes()),
            org: format!("bank-{org}").parse().unwrap(),
            role,
            common_name: "node".into(),
            not_after: u64::MAX,
        }
    }

    /// What a newcomer gets when peers of these organisations and roles are connected, numbered from 0.
    fn find(taken: &[(&str, Role)], (org, role): (&str, Role)) -> Result<Place, &'static str> {
        let taken: Vec<PeerIdentity> = taken.iter().map(|(org, role)| peer(org, *role)).collect();
        let numbered: Vec<Taken<'_>> = taken.iter().zip(0..).collect();
        PLACES.find(&peer(org, role), &numbered)
    }

    const V: Role = Role::Validator;
    const O: Role = Role::Observer;

    #[test]
    fn one_organisation_has_few_places_of_each_class_though_others_are_free() {
        let observers = [("greedy", O); 3];
        assert_eq!(find(&observers, ("greedy", Role::AuditNode)), Err("too_many_of_organisation"));
        assert_eq!(find(&observers, ("greedy", V)), Ok(Place::Free));
        assert_eq!(find(&observers, ("modest", O)), Ok(Place::Free));
        assert_eq!(find(&[("greedy", V); 3], ("greedy", V)), Err("too_many_of_organisation"));
    }

    #[test]
    fn validator_gets_the_place_of_the_youngest_other_node_of_whoever_has_the_most() {
        let full = [("a", V), ("b", O), ("c", O), ("c", O), ("b", O), ("b", O)];
        assert_eq!(find(&full, ("d", V)), Ok(Place::Of(5)));
        assert_eq!(find(&full, ("a", V)), Ok(Place::Of(5)), "its second one too");
        let single = [("a", V), ("a", V), ("a", V), ("b", V), ("b", V), ("c", O)];
        assert_eq!(find(&single, ("d", V)), Ok(Place::Of(5)), "also the only one");
    }

    #[test]
    fn only_validator_of_an_organisation_gets_a_place_of_those_who_have_several() {
        let full = [("a", V), ("a", V), ("a", V), ("b", V), ("b", V), ("c", V)];
        assert_eq!(find(&full, ("d", V)), Ok(Place::Of(2)));
        assert_eq!(find(&full, ("c", V)), Ok(Place::Of(2)), "two each is fairer than three and one");
        assert_eq!(find(&full, ("b", V)), Err("too_many_peers"), "the two would only change places");
        let one_each = [("a", V), ("b", V), ("c", V), ("d", V), ("e", V), ("f", V)];
        assert_eq!(find(&one_each, ("g", V)), Err("too_many_peers"));
    }

    #[test]
    fn other_nodes_never_take_a_validator_s_place() {
        let full = [("a", V), ("a", V), ("a", V), ("b", V), ("b", V), ("c", O)];
        assert_eq!(find(&full, ("d", O)), Err("too_many_peers"));
        let full = [("a", V), ("a", V), ("a", V), ("b", V), ("c", O), ("c", O)];
        assert_eq!(find(&full, ("d", O)), Ok(Place::Of(5)));
    }
}
