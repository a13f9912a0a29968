//! Threads for work that can wait.
//!
//! Most of a node's time goes into signatures of transactions that peers tell of, long before they stand in
//! a block. Done at the same priority as consensus, that work delays every block of a busy machine.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// By how much these threads are nicer than the rest: the kernel gives them a third of the share that it
/// gives the others when there is not enough for all.
const NICENESS: i32 = 5;

/// One such thread per core.
pub fn background(name: &'static str) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(|_| {
            // On Linux this is the calling thread's alone. Without it, all is merely slower under load.
            if let Err(error) = rustix::process::nice(NICENESS) {
                tracing::debug!(%error, "priority unchanged");
            }
        })
        // The default is to abort the process. Whoever waits for the result hears that there is none.
        .panic_handler(|_| tracing::error!("background work ended early: a bug; see the message before"))
        .build()
}
