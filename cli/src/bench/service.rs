//! How long supervisors wait: the service of supervisors over a database of millions of transactions, asked over mutual TLS.
//!
//! The service, PostgreSQL, certificates and tokens are real; the ledger is made by SQL alone (`service/ledger.sql`).

mod exports;
mod ledger;
mod office;
mod requests;

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::Instant,
};

use concordat_sql::cluster::Cluster;
use exports::Export;
use eyre::{Result, bail, eyre};
use office::{Office, Supervisor};
use requests::{Pools, Request};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    BenchArgs, network,
    stats::{Confirmation, Latency, tenth},
};

/// What an operator would give PostgreSQL beyond its defaults; and that no copy of it follows, which spares its log while the
/// ledger is made.
const SETTINGS: [&str; 5] = [
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "wal_level=minimal",
    "max_wal_senders=0",
];

/// Clients at a time.
const CLIENTS: usize = 2;

/// What a supervisor should wait at most, in milliseconds.
const BAR_MS: f64 = 50.0;

/// Who asks: everything; a small bank; a bank that has long ended; five great banks; one token.
const MANDATES: [&str; 5] = ["everything", "small-bank", "ended-bank", "jurisdiction", "token"];

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Service {
    /// Transactions in the database.
    pub transactions: u64,
    /// Its blocks.
    pub blocks: u64,
    /// Its size, in mebibytes.
    pub database_mb: u64,
    /// How long it took to make it, in seconds.
    pub made_s: f64,
    /// Requests that were answered, for each second.
    pub requests_per_second: f64,
    /// What each kind of request took.
    pub kinds: BTreeMap<String, Waits>,
    /// The kinds of which the 99th percentile is above 50 ms, with it.
    pub above_50_ms: BTreeMap<String, f64>,
    /// Of each of these kinds who waited longest, for what, and how many milliseconds.
    pub slowest: BTreeMap<String, (String, f64)>,
    /// What it costs to take much away.
    pub export: Export,
    /// Answers that are none, by the path. There must be no such.
    pub failed: BTreeMap<String, u16>,
}

/// What a kind of request took, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Waits {
    /// Of whoever may see everything.
    pub whole: Latency,
    /// Of mandates over a few organisations, or over a contract.
    pub within: Latency,
}

impl Service {
    /// Lines for people.
    pub fn table(&self) -> String {
        let Self { transactions, database_mb, kinds, requests_per_second, .. } = self;
        let worst = |of: fn(&Waits) -> &Latency| {
            let worst = kinds.iter().max_by(|(_, one), (_, other)| of(one).p99.total_cmp(&of(other).p99));
            worst.map_or(String::new(), |(kind, waits)| format!("{} ms ({kind})", of(waits).p99))
        };
        let (whole, within) = (worst(|waits| &waits.whole), worst(|waits| &waits.within));
        let above = self.above_50_ms.len();
        let p99 = format!("p99 of {} kinds of reads at most {whole}, under a mandate {within}", kinds.len());
        format!(
            "{:<42} {p99}; {above} above 50 ms; {transactions} transactions, {database_mb} MB, {requests_per_second} requests/s\n\
             {:<42} {}\n",
            "supervisors' service",
            "exports",
            self.export.line()
        )
    }

    /// Whether every request was answered.
    pub fn check(&self) -> Result<()> {
        let Some((path, status)) = self.failed.first_key_value() else { return Ok(()) };
        bail!("{} requests were not answered; the first, {path}, with status {status}", self.failed.len())
    }
}

/// Measures it, or nothing where there is no PostgreSQL.
pub fn measure(args: &BenchArgs, say: impl Fn(&str)) -> Result<Option<Service>> {
    if !Cluster::is_installed() {
        say("no PostgreSQL is installed: the service of supervisors is left out");
        return Ok(None);
    }
    say(&format!("supervisors' service: making a database of {} transactions ...", args.transactions()));
    let cluster = Cluster::start(&SETTINGS)?;
    migrate(&cluster)?;
    let ledger = ledger::fill(&cluster, args.transactions(), args.seed)?;
    let pools = Pools::draw(&cluster, &ledger)?;
    let token = cluster.query("SELECT '0x' || encode(imagined.address('token', 3), 'hex')")?;
    cluster.query("DROP SCHEMA imagined CASCADE")?;
    let port = args.base_port.map_or_else(|| network::free_ports(2), Ok)?;
    let mut office = Office::open(port)?;
    for (number, name) in MANDATES.iter().enumerate() {
        office.admit(&cluster, number, name, &mandate(name, &token))?;
    }
    cluster.query("CHECKPOINT")?;
    office.serve(&cluster)?;
    let requests = requests::all(&pools, args.requests(), args.seed)?;
    say(&format!("  made in {} s; {} requests ...", ledger.seconds, requests.len()));
    let from = Instant::now();
    let asked = ask_all(&office, &requests)?;
    let mut service = told(&requests, &asked);
    service.requests_per_second = (requests.len() as f64 / from.elapsed().as_secs_f64()).round();
    (service.transactions, service.blocks, service.made_s) =
        (ledger.transactions, ledger.blocks, ledger.seconds);
    say("  exports ...");
    service.export = exports::measure(&cluster, &office, ledger.blocks)?;
    service.database_mb = cluster.query("SELECT pg_database_size(current_database()) / 1048576")?.parse()?;
    Ok(Some(service))
}

fn migrate(cluster: &Cluster) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--json", "audit", "migrate"]).env("DATABASE_URL", cluster.url()).stdin(Stdio::null());
    let output = command.output()?;
    if !output.status.success() {
        bail!("the schema cannot be made: {}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// A mandate, as the projection has it.
fn mandate(name: &str, token: &str) -> Value {
    let banks =
        |numbers: &[u8]| json!(numbers.iter().map(|number| format!("bank-{number:03}")).collect::<Vec<_>>());
    let (organisations, contracts) = match name {
        "small-bank" => (banks(&[30]), json!([])),
        "ended-bank" => (banks(&[7]), json!([])),
        "jurisdiction" => (banks(&[1, 2, 3, 4, 5]), json!([])),
        "token" => (json!([]), json!([token])),
        _ => (Value::Null, Value::Null),
    };
    json!({ "jurisdiction": "EU", "organisations": organisations, "contracts": contracts, "powers": ["observe"], "until": 0 })
}

/// Lets clients ask, each on connections of its own; what each request took. All are asked once before that is looked at: who
/// looks it up for the first time waits for the disk, and for connections.
fn ask_all(office: &Office, requests: &[Request]) -> Result<Vec<Asked>> {
    let supervisors = MANDATES.into_iter().map(|name| office.authorise(name)).collect::<Result<Vec<_>>>()?;
    let warm = requests.len() / 20;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let supervisors = &supervisors;
                scope.spawn(move || -> Result<Vec<(usize, Asked)>> {
                    let agents =
                        MANDATES.iter().map(|name| office.agent(name)).collect::<Result<Vec<_>>>()?;
                    let own = || requests.iter().enumerate().skip(client).step_by(CLIENTS);
                    for (_, request) in own().take(warm) {
                        ask(office, &agents, supervisors, request)?;
                    }
                    let asked =
                        own().map(|(at, request)| Ok((at, ask(office, &agents, supervisors, request)?)));
                    asked.collect()
                })
            })
            .collect();
        let mut waited = Vec::new();
        for client in clients {
            waited.extend(client.join().map_err(|_| eyre!("a client panicked"))??);
        }
        waited.sort_by_key(|(at, _)| *at);
        Ok(waited.into_iter().map(|(_, one)| one).collect())
    })
}

/// What became of a request.
#[derive(Clone, Copy)]
struct Asked {
    wait: Confirmation,
    status: u16,
}

fn ask(
    office: &Office,
    agents: &[ureq::Agent],
    supervisors: &[Supervisor],
    request: &Request,
) -> Result<Asked> {
    let (agent, supervisor) = (&agents[request.mandate], &supervisors[request.mandate]);
    let from = Instant::now();
    let (status, _) = office.ask(agent, supervisor, &request.path)?;
    Ok(Asked { wait: Confirmation { at: Instant::now(), latency: from.elapsed() }, status })
}

/// The distributions of each kind.
fn told(requests: &[Request], asked: &[Asked]) -> Service {
    let mut sorted: BTreeMap<&str, [Vec<Confirmation>; 2]> = BTreeMap::new();
    let mut service = Service::default();
    for (request, Asked { wait, status }) in requests.iter().zip(asked) {
        sorted.entry(&request.kind).or_default()[usize::from(request.mandate > 0)].push(*wait);
        // What a mandate does not cover is not there.
        if *status != 200 && (request.mandate == 0 || *status != 404) {
            service.failed.insert(request.told(), *status);
        }
    }
    for (kind, [whole, within]) in sorted {
        let waits = Waits { whole: Latency::of(&whole), within: Latency::of(&within) };
        let p99 = waits.whole.p99.max(waits.within.p99);
        if p99 > BAR_MS {
            service.above_50_ms.insert(kind.to_owned(), p99);
            service.slowest.extend(slowest(kind, requests, asked));
        }
        service.kinds.insert(kind.to_owned(), waits);
    }
    service
}

impl Request {
    /// Who asks for what.
    fn told(&self) -> String {
        format!("{}: {}", MANDATES[self.mandate], self.path)
    }
}

/// Of a kind the request that took longest.
fn slowest(kind: &str, requests: &[Request], asked: &[Asked]) -> Option<(String, (String, f64))> {
    let of_kind = requests.iter().zip(asked).filter(|(request, _)| request.kind == kind);
    let (request, asked) = of_kind.max_by_key(|(_, asked)| asked.wait.latency)?;
    Some((kind.to_owned(), (request.told(), tenth(asked.wait.latency.as_secs_f64() * 1_000.0))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn kinds_are_told_apart_and_those_above_the_bar_named() {
        let request = |kind: &str, mandate| Request { kind: kind.into(), mandate, path: format!("/{kind}") };
        let wait = |ms, status| Asked {
            wait: Confirmation { at: Instant::now(), latency: Duration::from_millis(ms) },
            status,
        };
        let requests = [request("blocks", 0), request("blocks", 2), request("flows", 0)];
        let service = told(&requests, &[wait(3, 200), wait(7, 404), wait(51, 422)]);
        assert_eq!((service.kinds["blocks"].whole.p99, service.kinds["blocks"].within.p99), (3.0, 7.0));
        assert_eq!(service.above_50_ms, [("flows".to_owned(), 51.0)].into());
        assert_eq!(service.slowest, [("flows".to_owned(), ("everything: /flows".to_owned(), 51.0))].into());
        assert_eq!(service.failed, [("everything: /flows".to_owned(), 422)].into());
        let table = service.table();
        assert!(table.contains("51 ms (flows)") && table.contains("7 ms (blocks)"), "{table}");
        assert!(table.contains("1 above 50 ms") && table.lines().count() == 2, "{table}");
    }

    #[test]
    fn a_mandate_names_what_it_is_over() {
        let told = mandate("token", "0x07");
        assert_eq!((&told["organisations"], &told["contracts"]), (&json!([]), &json!(["0x07"])));
        assert_eq!(mandate("everything", "0x07")["organisations"], Value::Null);
        assert_eq!(mandate("ended-bank", "0x07")["organisations"], json!(["bank-007"]));
    }
}
