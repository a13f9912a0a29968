//! A PostgreSQL cluster of its own, made with the programs that are installed: for tests, and for the bench.
//!
//! It listens on a Unix socket in its folder and nowhere else, and its folder goes when it does.

use std::{
    fs::{File, Permissions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The database that is made in it.
const DATABASE: &str = "ledger";

/// The port where its settings name none.
const PORT: &str = "5432";

/// How long it may take to start, also after a crash.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A program is missing.
    #[error("no {0} is installed; install PostgreSQL 15 or newer")]
    NotInstalled(String),
    /// A program failed.
    #[error("{doing} failed: {said}")]
    Failed {
        /// What it was to do.
        doing: String,
        /// What it said.
        said: String,
    },
    /// The system failed.
    #[error("a cluster of PostgreSQL: {0}")]
    Io(#[from] io::Error),
}

/// A cluster. Dropping it kills it and removes its folder.
pub struct Cluster {
    server: Option<Child>,
    /// Who it runs as, where this program runs as root, which it refuses.
    user: Option<(u32, u32)>,
    settings: Vec<String>,
    /// Removed last.
    folder: TempDir,
}

impl Cluster {
    /// Whether the programs are there that it takes.
    pub fn is_installed() -> bool {
        ["initdb", "postgres", "psql"].iter().all(|name| tool(name).is_ok())
    }

    /// Makes and starts one with further settings, such as `fsync=off`.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start(settings: &[&str]) -> Result<Self, ClusterError> {
        let folder = tempfile::Builder::new().prefix("concordat-postgres.").tempdir()?;
        // The server's user goes through it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let user = if folder.path().metadata()?.uid() == 0 { Some(unprivileged()?) } else { None };
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut cluster = Self { server: None, user, settings, folder };
        for name in ["data", "socket"] {
            std::fs::create_dir(cluster.path(name))?;
            if let Some((uid, gid)) = user {
                chown(cluster.path(name), Some(uid), Some(gid))?;
            }
        }
        let arguments =
            ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"];
        let data = cluster.path("data");
        succeeded("initdb", &cluster.command("initdb")?.args(arguments).arg(&data).output()?)?;
        cluster.start_again()?;
        cluster.query_in("postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        Ok(cluster)
    }

    /// Starts it where it is down, and waits until it answers.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start_again(&mut self) -> Result<(), ClusterError> {
        let until = Instant::now().checked_add(PATIENCE);
        let patient = || until.is_none_or(|until| Instant::now() < until);
        while patient() {
            let mut server = self.spawn()?;
            // A server that was killed leaves others behind for a moment; a new one ends while they are there.
            while server.try_wait()?.is_none() && patient() {
                if self.query_in("postgres", "SELECT 1").is_ok() {
                    self.server = Some(server);
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = server.kill();
            server.wait()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(ClusterError::Failed { doing: "starting PostgreSQL".into(), said: self.log() })
    }

    fn spawn(&self) -> Result<Child, ClusterError> {
        let log = self.log_file()?;
        let mut command = self.command("postgres")?;
        command.arg("-D").arg(self.path("data")).arg("-k").arg(self.path("socket"));
        command.args(["-c", "listen_addresses="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        Ok(command.stderr(log.try_clone()?).stdout(log).spawn()?)
    }

    /// SIGKILL to the server, which takes its children with it.
    ///
    /// # Errors
    /// [`ClusterError::Io`].
    pub fn kill(&mut self) -> Result<(), ClusterError> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    /// The id of the server's process, whose children do the work.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        let (socket, port) = (self.path("socket"), self.port());
        format!("postgres:///{DATABASE}?host={}&port={port}&user=postgres", socket.display())
    }

    /// The port, which is a part of the socket's name, too.
    fn port(&self) -> &str {
        self.settings.iter().find_map(|setting| setting.strip_prefix("port=")).unwrap_or(PORT)
    }

    /// What a statement says, its columns parted by `|`.
    ///
    /// # Errors
    /// [`ClusterError::Failed`], with what the database said.
    pub fn query(&self, statement: &str) -> Result<String, ClusterError> {
        self.query_in(DATABASE, statement)
    }

    /// A file that what is said goes to, at its end.
    ///
    /// # Errors
    /// [`ClusterError::Io`].
    pub fn log_file(&self) -> Result<File, ClusterError> {
        Ok(File::options().create(true).append(true).open(self.path("log"))?)
    }

    /// What the server said, and whoever else has the file.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The same from a byte on, and how many bytes there are.
    ///
    /// # Errors
    /// [`ClusterError::Io`].
    pub fn log_from(&self, byte: u64) -> Result<(String, u64), ClusterError> {
        let mut file = File::open(self.path("log"))?;
        file.seek(SeekFrom::Start(byte))?;
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes)?;
        let all = byte.saturating_add(u64::try_from(read).unwrap_or_default());
        Ok((String::from_utf8_lossy(&bytes).into_owned(), all))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn query_in(&self, database: &str, statement: &str) -> Result<String, ClusterError> {
        let mut command = Command::new(tool("psql")?);
        command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"]);
        command.arg(self.path("socket")).args(["-p", self.port(), "-c", statement]);
        let output = command.output()?;
        succeeded(statement, &output)
    }

    fn command(&self, name: &str) -> Result<Command, ClusterError> {
        let program = tool(name)?;
        let Some((uid, gid)) = self.user else { return Ok(Command::new(program)) };
        let mut command = Command::new("setpriv");
        let user = [format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()];
        command.args(user).arg("--").arg(program).current_dir("/");
        Ok(command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn succeeded(doing: &str, output: &Output) -> Result<String, ClusterError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(ClusterError::Failed { doing: doing.to_owned(), said: text(&output.stderr) })
}

/// One of PostgreSQL's programs, which Debian keeps out of the PATH.
fn tool(name: &str) -> Result<PathBuf, ClusterError> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| ClusterError::NotInstalled(name.to_owned()))
}

/// Somebody who may nothing: the user of PostgreSQL's package, or nobody.
fn unprivileged() -> Result<(u32, u32), ClusterError> {
    let users = std::fs::read_to_string(Path::new("/etc/passwd"))?;
    let of = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let nobody =
        || ClusterError::Failed { doing: "looking for a user".into(), said: "there is only root".into() };
    of("postgres").or_else(|| of("nobody")).ok_or_else(nobody)
}
