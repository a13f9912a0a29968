//! Why the run before ended, for whom looks at metrics only: a small file in the data folder.
//!
//! The file has its whole size from the first start on and is written over in place: a full disk is one of the
//! things that it has to tell of.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

const FILE: &str = "last-end";
/// Size of the file: a reason, filled up with spaces, and the end of the line.
const BYTES: usize = 32;

/// What stands in the file while a node runs. Who finds it knows that the node was killed, or the power failed.
const RUNNING: &str = "running";
/// How a run is called that never said why it ended.
pub const KILLED: &str = "killed";
/// How a run is called that ended because it was told to.
pub const STOPPED: &str = "stopped";

/// The record of this run, and what the one before left.
pub struct LastEnd {
    file: Option<File>,
    before: Option<String>,
    said: AtomicBool,
}

impl LastEnd {
    /// Reads why the run before ended, and notes that this one has begun. The node runs without the record where
    /// it cannot be kept; and where another process keeps it, that process has the folder.
    pub fn begin(data: &Path) -> Self {
        let path = data.join(FILE);
        let (file, before) = match open(&path) {
            Ok((file, before)) => (Some(file), before),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "why this run ends cannot be noted");
                (None, None)
            }
        };
        let this = Self { file, before, said: AtomicBool::new(false) };
        this.write(RUNNING);
        this
    }

    /// Why the run before ended; `None` if there was none, or nothing is known of it.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Notes why this run ends. The first reason stays: what follows is its consequence.
    pub fn note(&self, reason: &str) {
        if !self.said.swap(true, Ordering::SeqCst) {
            self.write(reason);
        }
    }

    fn write(&self, reason: &str) {
        let Some(file) = &self.file else { return };
        let line = format!("{reason:<width$}\n", width = BYTES - 1);
        let written = file.write_all_at(line.as_bytes(), 0).and_then(|()| file.sync_data());
        if let Err(error) = written {
            tracing::warn!(%error, reason, "why this run ends is not noted");
        }
    }
}

/// The file, and the reason in it.
fn open(path: &Path) -> io::Result<(File, Option<String>)> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock()?;
    let mut line = [0; BYTES];
    let length = file.read_at(&mut line, 0)?;
    let said = String::from_utf8_lossy(line.get(..length).unwrap_or_default()).trim().to_owned();
    // What is not a reason of ours, such as a torn write, says nothing.
    let known = !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let reason = if said == RUNNING { KILLED.to_owned() } else { said };
    Ok((file, known.then_some(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_hears_why_the_last_one_ended_and_the_first_reason_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = LastEnd::begin(folder.path());
        assert_eq!(first.before(), None);
        first.note("disk_full");
        first.note(STOPPED);
        drop(first);
        let second = LastEnd::begin(folder.path());
        assert_eq!(second.before(), Some("disk_full"));
        drop(second);
        assert_eq!(LastEnd::begin(folder.path()).before(), Some(KILLED), "the second never said why");
        assert_eq!(std::fs::read(folder.path().join(FILE)).unwrap().len(), BYTES);
    }

    #[test]
    fn a_second_process_on_the_folder_leaves_the_record_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = LastEnd::begin(folder.path());
        LastEnd::begin(folder.path()).note("disk_full");
        first.note(STOPPED);
        drop(first);
        assert_eq!(LastEnd::begin(folder.path()).before(), Some(STOPPED));
    }

    #[test]
    fn what_is_no_reason_says_nothing_and_a_missing_folder_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), b"\xff\x00 torn").unwrap();
        assert_eq!(LastEnd::begin(folder.path()).before(), None);
        let absent = LastEnd::begin(&folder.path().join("absent"));
        absent.note(STOPPED);
        assert_eq!(absent.before(), None);
    }
}
