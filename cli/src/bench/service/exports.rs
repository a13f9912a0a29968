//! What it costs to take much away: a million transactions as Parquet, by the program and through the service.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use concordat_sql::cluster::Cluster;
use eyre::{Result, bail};
use serde::Serialize;

use super::{
    super::{measure, stats::tenth},
    ledger::MEAN,
    office::Office,
};

/// Transactions that are exported, the newest ones, or as many as there are.
const TRANSACTIONS: u64 = 1_000_000;

/// How often a process' memory is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// An export of transactions to Parquet.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Export {
    /// How many.
    pub transactions: u64,
    /// By `concordat audit export`, into files.
    pub program: Taken,
    /// Through the service, over TLS, within what the mandate covers.
    pub service: Taken,
}

/// What an export took.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Taken {
    /// From the request to the last byte.
    pub seconds: f64,
    /// Of what was written, or came.
    pub mebibytes: f64,
    /// The most that the process which reads the database held, in mebibytes.
    pub most_rss_mb: u64,
}

impl Export {
    /// For a line for people.
    pub fn line(&self) -> String {
        let told = |Taken { seconds, mebibytes, most_rss_mb }: &Taken| {
            format!("{seconds} s ({mebibytes} MiB, {most_rss_mb} MiB of memory)")
        };
        let (program, service) = (told(&self.program), told(&self.service));
        format!(
            "{} transactions to Parquet in {program}, through the service in {service}",
            self.transactions
        )
    }
}

/// Exports the newest transactions of a ledger of so many blocks.
pub(super) fn measure(cluster: &Cluster, office: &Office, blocks: u64) -> Result<Export> {
    let from = (blocks + 1).saturating_sub(TRANSACTIONS / MEAN);
    let count = format!("SELECT count(*) FROM ledger.transactions WHERE height >= {from}");
    let transactions = cluster.query(&count)?.parse()?;
    Ok(Export {
        transactions,
        program: by_program(cluster, from)?,
        service: by_service(office, (from, blocks))?,
    })
}

fn by_program(cluster: &Cluster, from: u64) -> Result<Taken> {
    let folder = tempfile::Builder::new().prefix("concordat-export.").tempdir()?;
    let output = folder.path().join("transactions");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--json", "audit", "export", "--table", "transactions", "--format", "parquet", "--from"]);
    command.arg(from.to_string()).arg("--output").arg(&output).env("DATABASE_URL", cluster.url());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let (status, most_rss_mb) = watched(child.id(), || child.wait());
    let seconds = tenth(begun.elapsed().as_secs_f64());
    let status = status?;
    if !status.success() {
        bail!("the export ended with {status}");
    }
    Ok(Taken { seconds, mebibytes: mebibytes(size(&output)?), most_rss_mb })
}

fn by_service(office: &Office, (from, to): (u64, u64)) -> Result<Taken> {
    let (agent, supervisor) = (office.agent("everything")?, office.authorise("everything")?);
    let path = format!("/v1/export/transactions?from={from}&to={to}");
    let mut file = tempfile::tempfile()?;
    let begun = Instant::now();
    let (bytes, most_rss_mb) =
        watched(office.process()?, || office.download(&agent, &supervisor, &path, &mut file));
    let seconds = tenth(begun.elapsed().as_secs_f64());
    // What was cut has no end (Apache Parquet, file format).
    let (bytes, mut end) = (bytes?, [0; 4]);
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut end)?;
    if &end != b"PAR1" {
        bail!("the service's export was cut after {bytes} bytes");
    }
    Ok(Taken { seconds, mebibytes: mebibytes(bytes), most_rss_mb })
}

/// Does something, and looks meanwhile at how much memory a process holds at most.
fn watched<T>(pid: u32, work: impl FnOnce() -> T) -> (T, u64) {
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // A process that has ended shows none.
                most.fetch_max(measure::rss_mb(pid).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, most.into_inner())
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

fn mebibytes(bytes: u64) -> f64 {
    tenth(bytes as f64 / f64::from(1 << 20))
}
