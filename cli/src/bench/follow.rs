//! Sees receipts as a client does: follows `newHeads` on a WebSocket and asks for every block's receipts.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde::Deserialize;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::load::Flight;
use crate::client::quantity;

/// How long a read may block before the follower looks whether it should end.
const PATIENCE: Duration = Duration::from_millis(100);

/// A thread that follows one node.
pub struct Follower {
    stop: Arc<AtomicBool>,
    blocks: Arc<Mutex<BTreeMap<u64, usize>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Follower {
    /// Follows the node at `url` from its newest block on, and confirms what is in flight.
    pub fn start(url: &str, flight: Arc<Flight>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let blocks = Arc::default();
        let mut connection = Connection::open(url, flight, Arc::clone(&blocks))?;
        let stopped = Arc::clone(&stop);
        let follow = move || {
            while !stopped.load(Ordering::Relaxed) {
                connection.step()?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("follower".into()).spawn(follow)?;
        Ok(Self { stop, blocks, thread: Some(thread) })
    }

    /// Height and number of transactions of the newest block that was seen.
    pub fn blocks(&self) -> BTreeMap<u64, usize> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An error if the follower has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()).map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(Err(error))) => Err(error.wrap_err("receipts cannot be followed")),
            Some(_) => bail!("the follower of receipts ended early"),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Connection {
    socket: WebSocket<TcpStream>,
    flight: Arc<Flight>,
    blocks: Arc<Mutex<BTreeMap<u64, usize>>>,
    /// The newest height that was announced.
    head: u64,
    /// The next height whose receipts we need.
    next: Option<u64>,
    /// Whether they were asked for.
    asked: bool,
}

/// What the node sends: an announcement of a head, or the receipts of a block.
#[derive(Deserialize)]
struct Frame {
    params: Option<Announcement>,
    result: Option<Vec<ReceiptView>>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Announcement {
    result: Head,
}

#[derive(Deserialize)]
struct Head {
    number: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptView {
    transaction_hash: B256,
    status: String,
}

impl Connection {
    fn open(url: &str, flight: Arc<Flight>, blocks: Arc<Mutex<BTreeMap<u64, usize>>>) -> Result<Self> {
        let host = url.strip_prefix("http://").ok_or_else(|| eyre!("{url} is no plaintext address"))?;
        let stream = TcpStream::connect(host).wrap_err_with(|| format!("cannot reach {url}"))?;
        stream.set_nodelay(true)?;
        let (mut socket, _) = tungstenite::client(format!("ws://{host}/ws"), stream)
            .map_err(|error| eyre!("{url} takes no WebSocket: {error}"))?;
        let subscribe =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "eth_subscribe", "params": ["newHeads"] });
        socket.send(Message::text(subscribe.to_string()))?;
        let answer: Value = serde_json::from_str(&first_text(&mut socket)?)?;
        if answer["result"].is_null() {
            bail!("{url} refused the subscription: {answer}");
        }
        socket.get_ref().set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, flight, blocks, head: 0, next: None, asked: false })
    }

    /// Takes one message, if one comes, and asks for the next block if there is one.
    fn step(&mut self) -> Result<()> {
        let message = match self.socket.read() {
            Ok(message) => message,
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let seen = Instant::now();
        if let Message::Text(text) = message {
            let frame = serde_json::from_str(&text)
                .wrap_err_with(|| format!("unexpected: {}", text.chars().take(200).collect::<String>()))?;
            self.take(frame, seen)?;
        }
        self.ask()
    }

    fn take(&mut self, frame: Frame, seen: Instant) -> Result<()> {
        if let Some(error) = frame.error {
            bail!("the node did not give a block's receipts: {error}");
        }
        if let Some(Announcement { result }) = frame.params {
            self.head = self.head.max(quantity(&result.number)?);
            self.next.get_or_insert(self.head);
        }
        if let Some(receipts) = frame.result {
            let height = self.next.unwrap_or(self.head);
            for receipt in &receipts {
                self.flight.confirm(&receipt.transaction_hash, receipt.status == "0x1", seen);
            }
            self.blocks.lock().unwrap_or_else(PoisonError::into_inner).insert(height, receipts.len());
            self.next = Some(height + 1);
            self.asked = false;
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<()> {
        let Some(height) = self.next.filter(|next| !self.asked && *next <= self.head) else { return Ok(()) };
        let method = "eth_getBlockReceipts";
        let request =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [format!("{height:#x}")] });
        self.socket.send(Message::text(request.to_string()))?;
        self.asked = true;
        Ok(())
    }
}

/// The next message that is not a ping.
fn first_text(socket: &mut WebSocket<TcpStream>) -> Result<String> {
    loop {
        if let Message::Text(text) = socket.read()? {
            return Ok(text.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_and_receipts_are_told_apart() {
        let head = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{"number":"0x2a","hash":"0x00"}}}"#;
        let frame: Frame = serde_json::from_str(head).unwrap();
        assert_eq!(quantity(&frame.params.unwrap().result.number).unwrap(), 42);
        let hash = B256::repeat_byte(7);
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": [{ "transactionHash": hash, "status": "0x1", "logs": [] }] });
        let frame: Frame = serde_json::from_value(answer).unwrap();
        assert_eq!(frame.result.unwrap()[0].transaction_hash, hash);
    }
}
