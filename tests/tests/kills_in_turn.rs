//! Whatever of a supervisor's machine dies, one after the other under load: PostgreSQL, projector, audit node, service. Who reads
//! goes on where it ended, and gets everything once.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Child,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use concordat_tests::{
    Network, committee,
    load::Load,
    postgres::Postgres,
    supervision::{Door, Holder, Pki, Regulator, Service},
};
use serde_json::{Value, json};

const VALIDATORS: usize = 4;

/// The regulator's own node, which never votes, and next to which the projector runs.
const AUDIT_NODE: usize = VALIDATORS;

/// How often each of the four is killed.
const ROUNDS: usize = 2;

/// The supervisor's machine.
struct Machine {
    network: Network,
    postgres: Postgres,
    projector: Child,
}

impl Machine {
    /// The regulator's node joins once the committee has admitted the regulator.
    fn start(mut network: Network, regulator: impl FnOnce(&Network)) -> Self {
        (0..VALIDATORS).for_each(|node| network.start_node(node));
        (0..VALIDATORS).for_each(|node| network.wait_for_height(node, 1));
        committee::enrol(&network);
        regulator(&network);
        network.start_node(AUDIT_NODE);
        network.wait_for_height(AUDIT_NODE, network.height(0).unwrap());
        let postgres = Postgres::start(&[]);
        let done = postgres.concordat(&["audit", "migrate"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        let projector = project(&network, &postgres);
        Self { network, postgres, projector }
    }

    /// SIGKILL to one of its parts, which is started again; the others go on by themselves.
    fn strike(&mut self, part: Part, service: &mut Service) {
        match part {
            Part::Postgres => {
                self.postgres.kill();
                self.postgres.start_again();
            }
            Part::Projector => {
                self.projector.kill().unwrap();
                self.projector.wait().unwrap();
                self.projector = project(&self.network, &self.postgres);
            }
            Part::AuditNode => {
                self.network.kill(AUDIT_NODE);
                self.network.start_node(AUDIT_NODE);
            }
            Part::Service => service.kill_and_start(&self.postgres),
        }
    }

    /// Holds that all parts run: none has given up because another one was away.
    fn assert_running(&mut self, service: &mut Service) {
        assert_eq!(self.projector.try_wait().unwrap(), None, "the projector:\n{}", self.postgres.log());
        assert_eq!(service.process.try_wait().unwrap(), None, "the service:\n{}", self.postgres.log());
        assert_eq!(self.network.ended(AUDIT_NODE), None, "{}", self.network.log_tail(AUDIT_NODE, 20));
    }

    fn told(&self, args: &[&str]) -> Value {
        let output = self.postgres.concordat(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Postgres,
    Projector,
    AuditNode,
    Service,
}

fn source(network: &Network) -> [String; 4] {
    let data = network.node_folder(AUDIT_NODE).join("data");
    let genesis = network.info["genesis"].as_str().unwrap();
    ["--data".into(), data.to_str().unwrap().into(), "--genesis".into(), genesis.into()]
}

fn project(network: &Network, postgres: &Postgres) -> Child {
    let source = source(network);
    let args: Vec<&str> = ["audit", "project"].into_iter().chain(source.iter().map(String::as_str)).collect();
    postgres.spawn(&args)
}

/// Somebody who reads a stream, and comes again from the last row on whenever it ends.
struct Reader {
    rows: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(list: &'static str, door: Door, holder: Holder, token: String) -> Self {
        let (rows, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (rows.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let last: Option<String> = seen.lock().unwrap().last().cloned();
                let from = last.map_or("from=1".to_owned(), |last| format!("after={last}"));
                let path = format!("/v1/stream/{list}?{from}");
                let _ = read(&door, &holder, &token, &path, &mut |id| {
                    seen.lock().unwrap().extend(id);
                    !stopped.load(Ordering::SeqCst)
                });
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { rows, stop, thread: Some(thread) }
    }

    /// The height of the last row that was read.
    fn height(&self) -> u64 {
        let rows = self.rows.lock().unwrap();
        rows.last().map_or(0, |id| id.split(':').next().unwrap().parse().unwrap())
    }

    /// How many rows were read.
    fn count(&self) -> usize {
        self.rows.lock().unwrap().len()
    }

    fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.rows.lock().unwrap())
    }
}

/// Reads a stream until it ends or is cut, or `row` has enough, which is also asked where the stream only shows that it is
/// alive. A line that was cut is none.
fn read(
    door: &Door,
    holder: &Holder,
    token: &str,
    path: &str,
    row: &mut impl FnMut(Option<String>) -> bool,
) -> Result<(), String> {
    let mut stream = door.connect(Some(holder))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: s\r\nAuthorization: Bearer {token}\r\nAccept: application/x-ndjson\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).map_err(|e| e.to_string())? == 0 || !line.ends_with('\n') {
            return Ok(());
        }
        let document: Value = serde_json::from_str(&line).unwrap_or_default();
        if !row(document["id"].as_str().map(ToOwned::to_owned)) {
            return Ok(());
        }
    }
}

#[test]
fn sigkill_of_each_part_of_a_supervisors_machine_in_turn_loses_nothing_and_tells_nothing_twice() {
    let pki = Pki::new();
    let network = Network::init(VALIDATORS, &["--empty-block-interval-ms", "200", "--observers", "1"]);
    let mut holder = None;
    let mut machine = Machine::start(network, |network| {
        let regulator = Regulator::enrol(network, &pki);
        regulator.is_admitted();
        regulator.runs(AUDIT_NODE);
        holder = Some(regulator.holder.clone());
    });
    let holder = holder.unwrap();
    let mut service = Service::start(&machine.postgres, &pki, "");
    let wish = json!({ "purpose": "supervision", "case": "1" });
    machine.network.wait("the mandate in the database", || service.ask_token(&holder, &wish).status == 200);
    let token = service.token(&holder);
    let reader = |list| Reader::start(list, service.door(), holder.clone(), token.clone());
    let readers = [reader("blocks"), reader("transfers")];
    let mut load = Load::start(&machine.network);

    for _ in 0..ROUNDS {
        for part in [Part::Postgres, Part::Projector, Part::AuditNode, Part::Service] {
            machine.strike(part, &mut service);
            let tip = machine.network.height(0).unwrap();
            let what = format!("readers at block {tip} after {part:?} was killed");
            machine.network.wait(&what, || readers.iter().all(|reader| reader.height() > tip));
            machine.assert_running(&mut service);
        }
    }
    load.stop();
    let tip = machine.network.height(0).unwrap();
    machine.network.wait("all blocks read", || readers[0].height() > tip);
    let [blocks, transfers] = readers;
    let blocks = blocks.finish();
    let all = format!("SELECT count(*) FROM ledger.token_transfers WHERE height <= {}", blocks.len());
    let all: usize = machine.postgres.sql(&all).parse().unwrap();
    machine.network.wait("all transfers of these blocks read", || transfers.count() >= all);
    let transfers = transfers.finish();
    machine.projector.kill().unwrap();
    machine.projector.wait().unwrap();
    everything_was_read_once(&machine, &blocks, &transfers);
    everything_is_right(&machine, &load);
}

fn everything_was_read_once(machine: &Machine, blocks: &[String], transfers: &[String]) {
    let all: Vec<String> = (1..=blocks.len()).map(|height| height.to_string()).collect();
    assert_eq!(blocks, all, "every block once, in its place");
    let last = blocks.len();
    let written = machine.postgres.sql(&format!(
        "SELECT height || ':' || tx_index || ':' || log_index || ':' || item FROM ledger.token_transfers WHERE height <= {last}
         ORDER BY height, tx_index, log_index, item"
    ));
    let written: Vec<&str> = written.lines().collect();
    assert!(transfers.len() >= written.len(), "{} of {} transfers", transfers.len(), written.len());
    assert_eq!(transfers[..written.len()], written, "every transfer once, in its place");
}

fn everything_is_right(machine: &Machine, load: &Load) {
    let source = source(&machine.network);
    let args = ["audit", "verify-projection"].into_iter().chain(source.iter().map(String::as_str));
    let told = machine.told(&args.collect::<Vec<_>>());
    assert_eq!(told["difference"], Value::Null, "{told}");
    let paid: u64 = load.accounts.iter().map(|account| account.promised()).sum();
    let transfers: u64 = machine.postgres.sql("SELECT count(*) FROM ledger.token_transfers").parse().unwrap();
    assert!(paid > 0 && transfers >= paid, "{transfers} transfers, {paid} receipts were given");
    let reads = machine.told(&["audit", "verify-reads"]);
    assert_eq!(reads["flaw"], Value::Null, "what was read is on the log, unbroken: {reads}");
}
