//! Fewer arenas of the C library's allocator, for processes that live long.
//!
//! glibc gives up to eight arenas to each core, and threads keep what they free in theirs: a node of two dozen threads
//! holds tens of megabytes that nobody uses. One arena a core is as fast (ADR 0060). It reads how many it may have from the
//! environment alone, before the program begins; so the program begins once more, as the same process.

use std::{
    convert::Infallible,
    env,
    io::{Error, Result},
    os::unix::process::CommandExt as _,
    process::Command,
    thread,
};

/// Where glibc reads it. Other C libraries do not, and lose nothing.
const VARIABLE: &str = "MALLOC_ARENA_MAX";

/// Starts the program anew with an arena a core, unless the environment says how many there may be.
///
/// To be called before there are threads, and before anything is read from standard input.
pub fn limit() {
    if env::var_os(VARIABLE).is_none()
        && let Err(error) = start_again()
    {
        // Such as a program that an upgrade has replaced meanwhile: it takes more memory, and runs.
        eprintln!(
            "warning: cannot limit the allocator's arenas: {error}; set {VARIABLE} to the number of cores"
        );
    }
}

fn start_again() -> Result<Infallible> {
    let arenas = thread::available_parallelism()?;
    let mut arguments = env::args_os();
    let name = arguments.next().ok_or_else(|| Error::other("no name was given"))?;
    let mut program = Command::new(env::current_exe()?);
    Err(program.arg0(name).args(arguments).env(VARIABLE, arenas.to_string()).exec())
}
