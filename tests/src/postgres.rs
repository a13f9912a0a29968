//! A PostgreSQL cluster of its own: real programs, a folder that goes when it does, a Unix socket alone.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{PATIENCE, program};

/// The database that is made in it.
const DATABASE: &str = "ledger";

/// A cluster. Dropping it kills it and removes its folder.
pub struct Postgres {
    folder: TempDir,
    server: Option<Child>,
    /// Who it runs as, where the tests run as root, which it refuses.
    user: Option<(u32, u32)>,
    settings: Vec<&'static str>,
}

impl Postgres {
    /// Makes and starts one with further settings, such as `fsync=off`.
    pub fn start(settings: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server's user goes through it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = folder.path().metadata().unwrap().uid() == 0;
        let user = root.then(unprivileged);
        let mut cluster = Self { folder, server: None, user, settings: settings.to_vec() };
        for name in ["data", "socket"] {
            let path = cluster.path(name);
            std::fs::create_dir(&path).unwrap();
            if let Some((uid, gid)) = user {
                chown(&path, Some(uid), Some(gid)).unwrap();
            }
        }
        let data = cluster.path("data");
        let arguments =
            ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"];
        let output = cluster.command("initdb").args(arguments).arg(&data).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        cluster.start_again();
        cluster.sql_in("postgres", &format!("CREATE DATABASE {DATABASE}")).unwrap();
        cluster
    }

    /// Starts it where it is down, and waits until it answers.
    pub fn start_again(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
            let log = log.unwrap();
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.path("data")).arg("-k").arg(self.path("socket"));
            command.args(["-c", "listen_addresses="]);
            for setting in &self.settings {
                command.args(["-c", setting]);
            }
            let mut server = command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
            // A server that was killed leaves others behind for a moment; a new one ends while they are there.
            while server.try_wait().unwrap().is_none() {
                if self.sql_in("postgres", "SELECT 1").is_ok() {
                    self.server = Some(server);
                    return;
                }
                assert!(Instant::now() < until, "PostgreSQL does not answer:\n{}", self.log());
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(Instant::now() < until, "PostgreSQL does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// SIGKILL to the server, which takes its children with it.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("the server runs");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        format!("postgres:///{DATABASE}?host={}&user=postgres", self.path("socket").display())
    }

    /// What a statement says, its columns parted by `|`.
    pub fn sql(&self, statement: &str) -> String {
        self.sql_in(DATABASE, statement).unwrap_or_else(|said| panic!("{statement}: {said}"))
    }

    /// The error with which a statement ends.
    pub fn refused(&self, statement: &str) -> String {
        self.sql_in(DATABASE, statement).expect_err("it was not refused")
    }

    /// A command of the program with this database.
    pub fn concordat(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.arg("--json").args(args).env("DATABASE_URL", self.url()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Starts a command of the program with this database.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program());
        command.arg("--json").args(args).env("DATABASE_URL", self.url()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// What the server and the commands said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sql_in(&self, database: &str, statement: &str) -> Result<String, String> {
        let mut command = Command::new(tool("psql"));
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"]);
        let output = command.arg(self.path("socket")).args(["-c", statement]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn command(&self, name: &str) -> Command {
        let Some((uid, gid)) = self.user else { return Command::new(tool(name)) };
        let mut command = Command::new("setpriv");
        command.args([
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".into(),
            "--".into(),
        ]);
        command.arg(tool(name)).current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.kill();
        }
    }
}

/// One of PostgreSQL's programs, which Debian keeps out of the PATH.
fn tool(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {name}: install PostgreSQL, as scripts/setup does"))
}

/// Somebody who may nothing: the user of PostgreSQL's package, or nobody.
fn unprivileged() -> (u32, u32) {
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody")).expect("a user that is not root")
}
