//! What is shared by all peers, in parts: one organisation's nodes fill theirs, never all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use concordat_types::OrgId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Each organisation's part. There are as many as the registry has members, hence few.
#[derive(Debug)]
pub struct Shares {
    of_an_org: usize,
    taken: Mutex<HashMap<OrgId, Arc<Semaphore>>>,
}

/// One of an organisation's places, until it is dropped.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Shares {
    /// So many places for each organisation.
    pub fn new(of_an_org: usize) -> Self {
        Self { of_an_org, taken: Mutex::default() }
    }

    /// A place for the organisation, unless all of its own are taken.
    pub fn take(&self, org: &OrgId) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let part = taken.entry(org.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.of_an_org)));
        Arc::clone(part).try_acquire_owned().ok().map(|permit| Share { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_that_fills_its_own_share_leaves_the_others_theirs() {
        let (shares, [greedy, other]) = (Shares::new(2), ["greedy", "other"].map(|org| org.parse().unwrap()));
        let held: Vec<_> = (0..3).filter_map(|_| shares.take(&greedy)).collect();
        assert_eq!(held.len(), 2);
        assert!(shares.take(&other).is_some());
        drop(held);
        assert!(shares.take(&greedy).is_some(), "what is dropped is free again");
    }
}
