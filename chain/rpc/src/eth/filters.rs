//! Installed filters. They hold positions, not results: what is new is read from the store when the client
//! asks, so a filter costs the same however much happens.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use concordat_types::VerifiedTx;
use rand::Rng as _;
use tokio::sync::broadcast;

use super::query::LogQuery;
use crate::jsonrpc::RpcError;

/// What a filter watches.
pub(crate) enum Watch {
    /// Blocks from this height on.
    Blocks { next: u64 },
    /// Logs from this height on.
    Logs { query: LogQuery, next: u64 },
    /// Transactions that enter the pool. The channel keeps a bounded number of them.
    Pending(broadcast::Receiver<Arc<VerifiedTx>>),
}

struct Installed {
    watch: Watch,
    asked: Instant,
}

/// The filters of a node.
pub(crate) struct Filters {
    installed: HashMap<String, Installed>,
    limit: usize,
    idle: Duration,
}

impl Filters {
    pub fn new(limit: usize, idle: Duration) -> Self {
        Self { installed: HashMap::new(), limit, idle }
    }

    /// Installs a filter and gives its id, which nobody can guess.
    pub fn install(&mut self, watch: Watch, now: Instant) -> Result<String, RpcError> {
        self.drop_idle(now);
        if self.installed.len() >= self.limit {
            return Err(RpcError::limit_exceeded(format!(
                "too many filters: this node keeps {}; uninstall some or use eth_getLogs",
                self.limit
            )));
        }
        let id = new_id();
        self.installed.insert(id.clone(), Installed { watch, asked: now });
        Ok(id)
    }

    /// The filter with this id, which thereby lives on.
    pub fn get(&mut self, id: &str, now: Instant) -> Result<&mut Watch, RpcError> {
        self.drop_idle(now);
        let found = self.installed.get_mut(id).ok_or_else(not_found)?;
        found.asked = now;
        Ok(&mut found.watch)
    }

    /// Drops a filter; whether there was one.
    pub fn uninstall(&mut self, id: &str) -> bool {
        self.installed.remove(id).is_some()
    }

    fn drop_idle(&mut self, now: Instant) {
        let idle = self.idle;
        self.installed.retain(|_, filter| now.saturating_duration_since(filter.asked) < idle);
    }
}

/// go-ethereum's text for a filter that is not there (any more).
pub(crate) fn not_found() -> RpcError {
    RpcError::server("filter not found")
}

/// An unguessable id in the form of a quantity, which is what clients expect of ids.
pub(crate) fn new_id() -> String {
    format!("{:#x}", rand::rng().random::<u128>().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_filter_expires_unless_it_is_asked() {
        let start = Instant::now();
        let mut filters = Filters::new(2, IDLE);
        let id = filters.install(Watch::Blocks { next: 1 }, start).unwrap();
        assert!(filters.get(&id, start + IDLE / 2).is_ok());
        assert!(filters.get(&id, start + IDLE).is_ok());
        assert_eq!(filters.get(&id, start + IDLE * 2).err(), Some(not_found()));
    }

    #[test]
    fn filters_are_bounded_and_expired_ones_make_room() {
        let start = Instant::now();
        let mut filters = Filters::new(1, IDLE);
        filters.install(Watch::Blocks { next: 1 }, start).unwrap();
        let refused = filters.install(Watch::Blocks { next: 1 }, start).unwrap_err();
        assert_eq!(refused.code, RpcError::LIMIT_EXCEEDED);
        assert!(filters.install(Watch::Blocks { next: 1 }, start + IDLE).is_ok());
    }

    #[test]
    fn a_filter_is_uninstalled_once() {
        let mut filters = Filters::new(1, IDLE);
        let id = filters.install(Watch::Blocks { next: 1 }, Instant::now()).unwrap();
        assert!(filters.uninstall(&id));
        assert!(!filters.uninstall(&id));
    }
}
