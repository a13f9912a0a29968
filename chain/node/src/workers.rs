//! Threads for work beside consensus and execution.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// By how much threads for what can wait are nicer than the rest: the kernel gives them a third of the share that
/// it gives the others when there is not enough for all.
const NICENESS: i32 = 5;

/// A pool, one thread per core, for what a block may ask for at any moment.
pub fn prompt(name: &'static str) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .thread_name(move |index| format!("{name}-{index}"))
        // The default is to abort the process. Whoever waits for the result hears that there is none.
        .panic_handler(|_| tracing::error!("background work ended early: a bug; see the message before"))
        .build()
}

/// A thread for what can wait while there is anything else to do.
pub fn background(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let nicely = || {
        // On Linux this is the calling thread's alone. Without it, all is merely slower under load.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "priority unchanged");
        }
        work();
    };
    std::thread::Builder::new().name(name).spawn(nicely).map(drop)
}
