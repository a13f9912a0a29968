//! A PostgreSQL cluster of its own: real programs, a folder that goes when it does, a Unix socket alone.

use std::process::{Child, Command, Output, Stdio};

use concordat_sql::cluster::{Cluster, ClusterError};

use crate::program;

/// A cluster. Dropping it kills it and removes its folder.
pub struct Postgres(Cluster);

impl Postgres {
    /// Makes and starts one with further settings, such as `fsync=off`.
    pub fn start(settings: &[&str]) -> Self {
        Self(Cluster::start(settings).unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts it where it is down, and waits until it answers.
    pub fn start_again(&mut self) {
        self.0.start_again().unwrap_or_else(|error| panic!("{error}"));
    }

    /// SIGKILL to the server, which takes its children with it.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// What a statement says, its columns parted by `|`.
    pub fn sql(&self, statement: &str) -> String {
        self.0.query(statement).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The error with which a statement ends.
    pub fn refused(&self, statement: &str) -> String {
        match self.0.query(statement) {
            Err(ClusterError::Failed { said, .. }) => said,
            other => panic!("{statement} was not refused: {other:?}"),
        }
    }

    /// A command of the program with this database.
    pub fn concordat(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts a command of the program with this database.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let log = self.0.log_file().unwrap();
        self.command(args).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// What the server and the commands said.
    pub fn log(&self) -> String {
        self.0.log()
    }

    /// The same from a byte on, and how many bytes there are.
    pub fn log_from(&self, byte: u64) -> (String, u64) {
        self.0.log_from(byte).unwrap_or_else(|error| panic!("{error}"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--json").args(args).env("DATABASE_URL", self.url()).stdin(Stdio::null());
        command
    }
}
