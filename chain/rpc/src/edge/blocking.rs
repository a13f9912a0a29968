//! Work that may block: on threads of its own, and bounded in number.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::jsonrpc::{RpcError, RpcResult};

/// How many calls of a kind may run at the same time; others wait their turn.
#[derive(Debug)]
pub(crate) struct Places(Arc<Semaphore>);

impl Places {
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count)))
    }

    /// Runs a call where it may block. Its place is given back when the work has ended, not when the client gives
    /// up, so that abandoned calls cannot pile up.
    pub async fn run(&self, work: impl FnOnce() -> RpcResult + Send + 'static) -> RpcResult {
        let place = Arc::clone(&self.0).acquire_owned().await;
        let place = place.map_err(|_| RpcError::server("the node is stopping"))?;
        let task = tokio::task::spawn_blocking(move || {
            let _held = place;
            work()
        });
        task.await.unwrap_or_else(|failure| Err(RpcError::internal(failure)))
    }
}
