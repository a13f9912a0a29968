//! A process whose clock is wrong, by Debian's libfaketime.

use std::{path::PathBuf, process::Command};

/// The library; the reason if it is not there.
pub fn library() -> Result<PathBuf, String> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let candidates = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    candidates
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| "libfaketime is missing; scripts/setup installs it".into())
}

/// Sets the clock that a command's process reads: an offset such as `+5m` or `-10d`. Time spans, which the
/// monotonic clock measures, stay right, as they do on a machine whose clock was set wrong.
pub fn set(command: &mut Command, offset: &str) -> Result<(), String> {
    command.env("LD_PRELOAD", library()?);
    command.env("FAKETIME", offset);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    Ok(())
}
