//! The end of consensus: what causes it, and who hears of it.

use std::{future::Future, path::PathBuf};

use tokio::{sync::watch, task::AbortHandle};

use crate::application::AppError;

/// Why consensus stopped for good. The process should end with this message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineFailure {
    /// The ledger could not say where it stands.
    #[error("the ledger does not start: {source}")]
    Start {
        /// The ledger's error.
        source: AppError,
    },
    /// The ledger could not commit a decided block.
    #[error("decided block {height} cannot be committed: {source}")]
    Commit {
        /// The height.
        height: u64,
        /// The ledger's error.
        source: AppError,
    },
    /// The ledger cannot go on, although everything so far is committed.
    #[error("consensus stops before block {height}: {source}")]
    Blocked {
        /// The height that it cannot take part in.
        height: u64,
        /// Why.
        source: AppError,
    },
    /// The ledger could not keep a block that is not decided yet.
    #[error("block {height} cannot be kept until it is decided: {source}")]
    Keep {
        /// The height.
        height: u64,
        /// The ledger's error.
        source: AppError,
    },
    /// A block was decided that this node does not have: the disk lost what had been made durable.
    #[error(
        "block {height} was decided, as the engine's log in {} says, but the store has lost it. Move that folder away          and start again: the peers have the block, and the double-sign guard makes this safe",
        folder.display()
    )]
    UnknownDecision {
        /// The height.
        height: u64,
        /// Where the log is.
        folder: PathBuf,
    },
    /// The engine's certificate contradicts the validator set.
    #[error("the certificate of block {height} is inconsistent: {reason}")]
    Inconsistent {
        /// The height.
        height: u64,
        /// In which way.
        reason: String,
    },
    /// The node is stopping; nothing is wrong.
    #[error("the node is stopping")]
    Stopping,
    /// The engine stopped rather than risk signing twice.
    #[error(
        "the consensus engine stopped to stay safe: its write-ahead log in {} cannot be read or written. Check \
         that disk, and whether it is full; the double-sign guard makes a restart safe",
        folder.display()
    )]
    Unsafe {
        /// Where the log is.
        folder: PathBuf,
    },
    /// A task ended by a panic, and nobody does its work any more: better no node than half a node.
    #[error("{task} ended unexpectedly; see the log. Start the node again, and report this as a defect")]
    Panicked {
        /// What the task was for.
        task: &'static str,
    },
    /// The engine stopped on an internal error.
    #[error("the consensus engine stopped on an internal error; see the log")]
    Engine,
}

impl EngineFailure {
    /// What ended consensus, in a word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Start { source }
            | Self::Commit { source, .. }
            | Self::Blocked { source, .. }
            | Self::Keep { source, .. } => source.kind().unwrap_or("ledger"),
            Self::Unsafe { .. } | Self::UnknownDecision { .. } => "engine_log",
            Self::Panicked { .. } => "panicked",
            Self::Inconsistent { .. } | Self::Engine | Self::Stopping => "engine",
        }
    }
}

/// The first failure; consensus ends with it.
#[derive(Clone, Debug)]
pub(crate) struct Failure(watch::Sender<Option<EngineFailure>>);

impl Default for Failure {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Failure {
    /// Ends consensus, unless something else has before.
    pub fn report(&self, failure: EngineFailure) {
        tracing::error!(%failure, "Consensus stops");
        self.0.send_if_modified(|slot| {
            let first = slot.is_none();
            slot.get_or_insert(failure);
            first
        });
    }

    /// Waits for it.
    pub async fn wait(&self) -> EngineFailure {
        let mut failure = self.0.subscribe();
        match failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone()) {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Starts a task that nobody else would do the work of: if it panics, consensus ends.
    pub fn spawn_critical(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let task = tokio::spawn(task);
        let (abort, failure) = (task.abort_handle(), self.clone());
        tokio::spawn(async move {
            if task.await.is_err_and(|error| error.is_panic()) {
                failure.report(EngineFailure::Panicked { task: name });
            }
        });
        abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panic_of_a_critical_task_ends_consensus_and_the_first_reason_stays() {
        let failure = Failure::default();
        failure.spawn_critical("a task that is done", async {});
        failure.spawn_critical("a task that is stopped", std::future::pending()).abort();
        failure.spawn_critical("a broken task", async { panic!("as this test wants") });
        assert_eq!(failure.wait().await, EngineFailure::Panicked { task: "a broken task" });
        failure.report(EngineFailure::Engine);
        assert_eq!(failure.wait().await, EngineFailure::Panicked { task: "a broken task" });
    }
}
