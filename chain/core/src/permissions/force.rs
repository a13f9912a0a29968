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

/// Sets that are kept. More than one because blocks in the making, the tip and heights of the past differ.
const MAX_SETS: usize = 8;

/// Decisions that are kept of each set.
const MEMO_SLOTS: usize = 1 << 14;

/// The sets that were used last, the latest first.
static KEPT: Mutex<Vec<Arc<Policies>>> = Mutex::new(Vec::new());

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
        if let Some(policies) = kept(digest) {
            return Ok(policies);
        }
        let enacted = tables::enacted(rows)?;
        if tables::digest_of(&enacted) != digest {
            return Err(corrupt("the enacted policies, which do not have their digest"));
        }
        let policies = Arc::new(Self::make(enacted).map_err(|error| unusable(&error))?);
        keep(policies.clone());
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

    /// What the set decides.
    pub(crate) fn decide(&self, request: &Request<'_>) -> Arc<Decision> {
        lock(&self.memo).decide(&self.set, request)
    }

    fn make(enacted: Vec<EnactedPolicy>) -> Result<Self, PolicyError> {
        // Most of a new set stands in the one before.
        let latest = lock(&KEPT).first().cloned();
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

fn kept(digest: Option<B256>) -> Option<Arc<Policies>> {
    let mut kept = lock(&KEPT);
    let place = kept.iter().position(|policies| policies.digest == digest)?;
    kept.get_mut(..=place)?.rotate_right(1);
    kept.first().cloned()
}

fn keep(policies: Arc<Policies>) {
    let mut kept = lock(&KEPT);
    kept.retain(|other| other.digest != policies.digest);
    kept.insert(0, policies);
    kept.truncate(MAX_SETS);
}

fn unusable(error: &PolicyError) -> ReadError {
    ReadError::Store { what: "the enacted policies".into(), reason: error.to_string() }
}
