//! A small disk under a node's data folder, in a mount namespace of its own: nothing else sees it, and it goes
//! with the process that holds it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::program;

/// The disk. Dropping it unmounts it.
pub struct SmallDisk {
    folder: PathBuf,
    holder: Child,
    // The holder ends when this closes, so even if the test is killed.
    stdin: Option<ChildStdin>,
}

impl SmallDisk {
    /// Mounts a memory disk of some MiB over a folder; the reason if this machine does not permit it.
    pub fn over(folder: &Path, mib: u32) -> Result<Self, String> {
        let script = format!(
            "mount -t tmpfs -o size={mib}m,mode=0700 small {} && echo mounted && exec cat",
            folder.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let stdin = holder.stdin.take();
        let mut said = [0; 8];
        let heard =
            std::io::Read::read_exact(holder.stdout.as_mut().expect("its output is piped"), &mut said);
        let disk = Self { folder: folder.to_owned(), holder, stdin };
        match heard {
            Ok(()) => Ok(disk),
            Err(_) => Err("mounting a memory disk in a user namespace is not permitted here".into()),
        }
    }

    /// A command that runs the program where the disk is mounted.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--mount", "--target"]);
        command.arg(self.holder.id().to_string()).arg("--").arg(program());
        command
    }

    /// A file on the disk, as this process can reach it.
    pub fn path(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(self.folder.strip_prefix("/").expect("an absolute path")).join(name)
    }

    /// Fills the disk to the last byte with a file; gives its size.
    pub fn fill(&self, name: &str) -> u64 {
        let mut file = fs::File::options().create(true).append(true).open(self.path(name)).unwrap();
        // Down to single bytes: what is left after the last block that fits is filled too.
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        file.metadata().unwrap().len()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.holder.wait();
    }
}
