//! The set of policies in force.
//!
//! A set takes milliseconds to make and a decision microseconds, while a block makes thousands of decisions, most of
//! them again. So this process keeps the sets that it used last, each with the decisions that it made. Both are
//! functions of their key's content alone, a set of the digest in the state and a decision of the request: what is
//! kept makes answers come sooner and can change none.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concordat_permissions::{Decision, EnactedPolicy, Memo, PolicyError, PolicyId, PolicySet, Request};
use concordat_types::{B256, ReadError};

use super::tables;
use crate::{account::corrupt, system::Rows};

/// Sets of blocks that are kept: that of the tip, and those of blocks in the making.
const MAX_SETS: usize = 4;

/// Sets besides that are kept for questions, which are about any height. They never drive out a block's.
const MAX_ASKED_SETS: usize = 8;

/// Decisions that are kept of each set.
const MEMO_SLOTS: usize = 1 << 14;

/// The sets that were used last, the latest first.
static KEPT: Mutex<Kept> = Mutex::new(Kept { blocks: Vec::new(), asked: Vec::new() });

/// What this process remembers.
struct Kept {
    /// For blocks.
    blocks: Vec<Arc<Policies>>,
    /// For questions alone.
    asked: Vec<Arc<Policies>>,
}

/// A set of policies, with the decisions that it made.
pub(crate) struct Policies {
    digest: Option<B256>,
    enacted: Vec<EnactedPolicy>,
    set: PolicySet,
    memo: Mutex<Memo>,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("digest", &self.digest).field("set", &self.set).finish()
    }
}

impl Policies {
    /// The set in force. It reads one row if this process knows the set. What makes no set is a state that cannot be
    /// read: no verdict, and never a permit.
    pub(crate) fn in_force(rows: &mut impl Rows) -> Result<Arc<Self>, ReadError> {
        let digest = tables::enacted_digest(rows)?;
        if let Some(policies) = lock(&KEPT).find(digest, rows.decides()) {
            return Ok(policies);
        }
        let enacted = tables::enacted(rows)?;
        if tables::digest_of(&enacted) != digest {
            return Err(corrupt("the enacted policies, which do not have their digest"));
        }
        let policies = Arc::new(Self::make(enacted).map_err(|error| unusable(&error))?);
        lock(&KEPT).keep(policies.clone(), rows.decides());
        Ok(policies)
    }

    /// The set with these enacted policies instead, in the order of their ids.
    pub(crate) fn with(&self, enacted: &[EnactedPolicy]) -> Result<PolicySet, PolicyError> {
        self.set.with(enacted)
    }

    /// The enacted policies, in the order of their ids.
    pub(crate) fn enacted(&self) -> &[EnactedPolicy] {
        &self.enacted
    }

    /// All policies in force.
    pub(crate) const fn set(&self) -> &PolicySet {
        &self.set
    }

    /// What the set decides. Nobody waits while it does.
    pub(crate) fn decide(&self, request: &Request<'_>) -> Arc<Decision> {
        let known = lock(&self.memo).look(&self.set, request);
        known.unwrap_or_else(|| {
            let (decision, timed) = self.set.decide_and_tell_if_timed(request);
            let decision = Arc::new(decision);
            if !timed {
                lock(&self.memo).keep(&self.set, request, &decision);
            }
            decision
        })
    }

    fn make(enacted: Vec<EnactedPolicy>) -> Result<Self, PolicyError> {
        // Most of a new set stands in the one before.
        let latest = lock(&KEPT).latest();
        let set = match latest {
            Some(latest) => latest.set.with(&enacted)?,
            None => PolicySet::new(&enacted)?,
        };
        let digest = tables::digest_of(&enacted);
        Ok(Self { digest, enacted, set, memo: Mutex::new(Memo::new(MEMO_SLOTS)) })
    }
}

/// The enacted policies where one has this text, or is repealed; in the order of ids.
pub(crate) fn changed(
    enacted: &[EnactedPolicy],
    id: &PolicyId,
    text: Option<&str>,
    proposal: u64,
) -> Vec<EnactedPolicy> {
    let mut after: Vec<EnactedPolicy> = enacted.iter().filter(|policy| policy.id != *id).cloned().collect();
    after.extend(text.map(|text| EnactedPolicy { id: id.clone(), text: text.to_owned(), proposal }));
    after.sort_by(|one, other| one.id.cmp(&other.id));
    after
}

/// Locks what is right at any time: a thread that panicked has left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// The set of a digest. One that decides about a block is a block's from then on; questions leave those as they are.
    fn find(&mut self, digest: Option<B256>, decides: bool) -> Option<Arc<Policies>> {
        let of_block = self.blocks.iter().find(|policies| policies.digest == digest).cloned();
        if !decides && of_block.is_some() {
            return of_block;
        }
        let asked = take(&mut self.asked, digest);
        let known = of_block.or(asked)?;
        self.keep(known.clone(), decides);
        Some(known)
    }

    fn keep(&mut self, policies: Arc<Policies>, decides: bool) {
        let (list, most) = match decides {
            true => (&mut self.blocks, MAX_SETS),
            false => (&mut self.asked, MAX_ASKED_SETS),
        };
        // Another thread may have made it as well.
        drop(take(list, policies.digest));
        list.insert(0, policies);
        list.truncate(most);
    }

    fn latest(&self) -> Option<Arc<Policies>> {
        self.blocks.first().or_else(|| self.asked.first()).cloned()
    }
}

/// Takes the set of a digest out of a list.
fn take(list: &mut Vec<Arc<Policies>>, digest: Option<B256>) -> Option<Arc<Policies>> {
    let place = list.iter().position(|policies| policies.digest == digest)?;
    Some(list.remove(place))
}

fn unusable(error: &PolicyError) -> ReadError {
    ReadError::Store { what: "the enacted policies".into(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(number: u8) -> Arc<Policies> {
        let set = PolicySet::new(&[]).expect("the catalogue is one");
        let digest = Some(B256::repeat_byte(number));
        Arc::new(Policies { digest, enacted: Vec::new(), set, memo: Mutex::new(Memo::new(1)) })
    }

    #[test]
    fn questions_about_any_height_never_drive_out_the_set_that_blocks_are_decided_by() {
        let mut kept = Kept { blocks: Vec::new(), asked: Vec::new() };
        kept.keep(policies(0), true);
        for number in 1..=20 {
            kept.keep(policies(number), false);
        }
        assert_eq!((kept.blocks.len(), kept.asked.len()), (1, MAX_ASKED_SETS));
        let digest = |number| Some(B256::repeat_byte(number));
        assert!(kept.find(digest(0), false).is_some() && kept.find(digest(0), true).is_some());
        assert!(kept.find(digest(12), false).is_none(), "the oldest questions are forgotten");
        // What a question has brought becomes a block's, once one is decided by it.
        assert!(kept.find(digest(13), true).is_some());
        assert_eq!(kept.latest().map(|latest| latest.digest), Some(digest(13)));
        for number in 21..=24 {
            kept.keep(policies(number), true);
            kept.keep(policies(number), true);
        }
        assert_eq!(kept.blocks.len(), MAX_SETS);
        assert!(kept.find(digest(0), true).is_none(), "only other blocks drive out a block's");
    }
}
