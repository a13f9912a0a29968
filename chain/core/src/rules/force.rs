//! The rules in force, by what they watch.
//!
//! As with policies, this process keeps the sets that it used last by their digest: what is kept is a function of the
//! digest in the state alone, and can change no answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concordat_types::{Address, B256, ReadError};

use super::{
    limit::{Limit, LimitId, Watched},
    tables::{self, EnactedLimit},
};
use crate::{account::corrupt, system::Rows};

/// Sets that are kept. More than one because blocks in the making, the tip and heights of the past differ.
const MAX_SETS: usize = 8;

/// The sets that were used last, the latest first.
static KEPT: Mutex<Vec<Arc<LimitSet>>> = Mutex::new(Vec::new());

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct LimitSet {
    digest: Option<B256>,
    enacted: Vec<EnactedLimit>,
    /// Places in `enacted` by what is watched, and of which contract.
    watching: BTreeMap<(Watched, Option<Address>), Vec<usize>>,
}

impl LimitSet {
    /// The rules in force. It reads one row if this process knows them. What cannot be read is no verdict.
    pub(crate) fn in_force(rows: &mut impl Rows) -> Result<Arc<Self>, ReadError> {
        let digest = tables::digest(rows)?;
        if let Some(limits) = kept(digest) {
            return Ok(limits);
        }
        let enacted = tables::enacted(rows)?;
        if tables::digest_of(&enacted) != digest {
            return Err(corrupt("the rules in force, which do not have their digest"));
        }
        let limits = Arc::new(Self::new(digest, enacted));
        keep(limits.clone());
        Ok(limits)
    }

    fn new(digest: Option<B256>, enacted: Vec<EnactedLimit>) -> Self {
        let mut watching: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, EnactedLimit { limit, .. }) in enacted.iter().enumerate() {
            let subject = &limit.subject;
            watching.entry((subject.watched, subject.contract)).or_default().push(place);
        }
        Self { digest, enacted, watching }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.enacted.is_empty()
    }

    /// All of them, in the order of their ids.
    pub(crate) fn enacted(&self) -> &[EnactedLimit] {
        &self.enacted
    }

    /// A rule.
    pub(crate) fn get(&self, id: &LimitId) -> Option<&EnactedLimit> {
        let place = self.enacted.binary_search_by(|enacted| enacted.limit.id.cmp(id)).ok()?;
        self.enacted.get(place)
    }

    /// Those that watch this of a contract: first those of this contract, then those of any, in the order of ids.
    pub(crate) fn watching(
        &self,
        watched: Watched,
        contract: Address,
    ) -> impl Iterator<Item = &EnactedLimit> {
        let places = |contract| self.watching.get(&(watched, contract)).into_iter().flatten();
        places(Some(contract)).chain(places(None)).filter_map(|place| self.enacted.get(*place))
    }
}

/// The rules in force where one is this, or is repealed; in the order of ids.
pub(crate) fn changed(
    enacted: &[EnactedLimit],
    id: &LimitId,
    limit: Option<Limit>,
    proposal: u64,
) -> Vec<EnactedLimit> {
    let mut after: Vec<EnactedLimit> =
        enacted.iter().filter(|enacted| enacted.limit.id != *id).cloned().collect();
    after.extend(limit.map(|limit| EnactedLimit { limit, proposal }));
    after.sort_by(|one, other| one.limit.id.cmp(&other.limit.id));
    after
}

/// Locks what is right at any time: a thread that panicked has left nothing half done.
fn lock() -> MutexGuard<'static, Vec<Arc<LimitSet>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kept(digest: Option<B256>) -> Option<Arc<LimitSet>> {
    let mut kept = lock();
    let place = kept.iter().position(|limits| limits.digest == digest)?;
    kept.get_mut(..=place)?.rotate_right(1);
    kept.first().cloned()
}

fn keep(limits: Arc<LimitSet>) {
    let mut kept = lock();
    kept.retain(|other| other.digest != limits.digest);
    kept.insert(0, limits);
    kept.truncate(MAX_SETS);
}
