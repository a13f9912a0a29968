//! One connection: its handshake, then a reader and a writer until either ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use prost::Message;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{
    MessageHandler, Misbehaviour, PeerAuthorizer, PeerIdentity,
    frame::{Channel, HEADER_BYTES, Header, PerChannel, Reassembly},
    hello::{Hello, MAX_HELLO_BYTES},
    outbox::Outbox,
    rate::RateLimit,
    tls,
};
use crate::{config::TransportLimits, metrics::ConsensusMetrics};

/// A stream after TLS and greeting.
pub struct Established {
    pub stream: TlsStream<TcpStream>,
    pub chain: Vec<CertificateDer<'static>>,
    pub identity: PeerIdentity,
    pub dialled: bool,
}

/// What a handshake needs.
pub struct Handshake {
    pub connector: TlsConnector,
    pub acceptor: TlsAcceptor,
    pub authorizer: Arc<dyn PeerAuthorizer>,
    pub hello: Hello,
    pub timeout: Duration,
}

impl Handshake {
    /// Connects to `address` (`host:port`).
    pub async fn dial(&self, address: &str) -> Result<Established, Misbehaviour> {
        let tcp = self.within(TcpStream::connect(address), "dial").await?;
        let _ = tcp.set_nodelay(true);
        let name = ServerName::try_from("concordat").expect("a valid DNS name");
        let stream = self.within(self.connector.connect(name, tcp), "tls").await?;
        self.greet(TlsStream::Client(stream), true).await
    }

    /// Answers a connection.
    pub async fn accept(&self, tcp: TcpStream) -> Result<Established, Misbehaviour> {
        let _ = tcp.set_nodelay(true);
        let stream = self.within(self.acceptor.accept(tcp), "tls").await?;
        self.greet(TlsStream::Server(stream), false).await
    }

    async fn within<T>(
        &self,
        step: impl Future<Output = io::Result<T>>,
        kind: &'static str,
    ) -> Result<T, Misbehaviour> {
        match timeout(self.timeout, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Misbehaviour::new(classify(&error, kind), error)),
            Err(_) => Err(Misbehaviour::new("timeout", format!("no {kind} within {:?}", self.timeout))),
        }
    }

    async fn greet(
        &self,
        mut stream: TlsStream<TcpStream>,
        dialled: bool,
    ) -> Result<Established, Misbehaviour> {
        let theirs = self.within(exchange(&mut stream, &self.hello), "hello").await?;
        let (_, session) = stream.get_ref();
        let chain: Vec<_> =
            session.peer_certificates().unwrap_or_default().iter().map(|c| c.clone().into_owned()).collect();
        let identity = tls::identify(self.authorizer.as_ref(), &chain)
            .map_err(|reason| Misbehaviour::new("certificate", reason))?;
        self.hello
            .check_peer(&theirs, identity.role)
            .map_err(|error| Misbehaviour::new(error.kind(), format!("{identity}: {error}")))?;
        Ok(Established { stream, chain, identity, dialled })
    }
}

/// Sends our greeting and reads theirs.
async fn exchange(stream: &mut TlsStream<TcpStream>, hello: &Hello) -> io::Result<Vec<u8>> {
    let payload = hello.encode_to_vec();
    let header = Header { length: payload.len(), channel: Channel::Control, more: false };
    stream.write_all(&[header.encode().as_slice(), &payload].concat()).await?;
    stream.flush().await?;
    let mut bytes = [0; HEADER_BYTES];
    stream.read_exact(&mut bytes).await?;
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = Header::decode(bytes).map_err(|error| invalid(error.to_string()))?;
    if header.channel != Channel::Control || header.more || header.length > MAX_HELLO_BYTES {
        return Err(invalid("the first frame is no greeting".into()));
    }
    let mut payload = vec![0; header.length];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

/// Finds out which side found what wrong in a failed handshake.
fn classify(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => "certificate",
        Some(rustls::Error::AlertReceived(_)) => "refused_by_peer",
        _ => otherwise,
    }
}

/// A live connection, as the mesh holds it.
pub struct Connection {
    pub number: u64,
    pub dialled: bool,
    pub identity: Arc<PeerIdentity>,
    pub chain: Vec<CertificateDer<'static>>,
    pub outbox: Outbox,
    began: Instant,
    /// When the last frame came, in milliseconds after `began`.
    heard_ms: AtomicU64,
    close: watch::Sender<Option<Misbehaviour>>,
}

impl Connection {
    pub fn new(number: u64, established: &Established, limits: &MessageLimits) -> Self {
        Self {
            number,
            dialled: established.dialled,
            identity: Arc::new(established.identity.clone()),
            chain: established.chain.clone(),
            outbox: Outbox::new(limits.queue_bytes.clone()),
            began: Instant::now(),
            heard_ms: AtomicU64::new(0),
            close: watch::Sender::new(None),
        }
    }

    /// How long the peer has been silent.
    pub fn silence(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(heard)
    }

    fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(self.began).as_millis();
        self.heard_ms.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends the connection; the first reason counts.
    pub fn close(&self, reason: Misbehaviour) {
        self.close.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(reason);
            }
            first
        });
    }

    async fn closed(&self) -> Misbehaviour {
        let mut close = self.close.subscribe();
        let reason = close.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| Misbehaviour::new("shutdown", "the mesh is gone"))
    }
}

/// Sizes and rates per channel.
#[derive(Clone)]
pub struct MessageLimits {
    pub message_bytes: PerChannel<usize>,
    pub queue_bytes: PerChannel<usize>,
    pub transport: TransportLimits,
}

impl MessageLimits {
    fn rates(&self, now: Instant) -> PerChannel<RateLimit> {
        let limits = &self.transport;
        PerChannel::from_fn(|channel| {
            let rate = match channel {
                Channel::Control | Channel::Consensus => limits.consensus_rate,
                Channel::Parts => limits.parts_rate,
                Channel::Sync => limits.sync_rate,
                Channel::Gossip => limits.gossip_rate,
            };
            RateLimit::new(rate, now)
        })
    }
}

/// Runs a connection until it ends; returns why.
pub async fn run(
    connection: Arc<Connection>,
    stream: TlsStream<TcpStream>,
    handler: Arc<dyn MessageHandler>,
    limits: MessageLimits,
    metrics: Arc<ConsensusMetrics>,
) -> Misbehaviour {
    let (reader, writer) = tokio::io::split(stream);
    let reading = read(&connection, BufReader::with_capacity(128 * 1024, reader), handler, &limits, &metrics);
    let writing = write(&connection, writer, &limits.transport, &metrics);
    tokio::select! {
        Err(reason) = reading => reason,
        Err(reason) = writing => reason,
        reason = connection.closed() => reason,
    }
}

type Never = std::convert::Infallible;

async fn read(
    connection: &Connection,
    mut reader: impl AsyncRead + Unpin,
    handler: Arc<dyn MessageHandler>,
    limits: &MessageLimits,
    metrics: &ConsensusMetrics,
) -> Result<Never, Misbehaviour> {
    let mut reassembly = Reassembly::new(limits.message_bytes.clone());
    let mut rates = limits.rates(Instant::now());
    loop {
        let frame = timeout(limits.transport.idle_timeout, read_frame(&mut reader)).await;
        let (header, payload) = match frame {
            Ok(frame) => frame?,
            Err(_) => return Err(Misbehaviour::new("silent", "nothing received, not even a ping")),
        };
        let channel = header.channel;
        metrics.received(channel, payload.len());
        let now = Instant::now();
        connection.heard(now);
        if !rates.get_mut(channel).take(payload.len() + HEADER_BYTES, !header.more, now) {
            return Err(Misbehaviour::offence("flood", format!("too much on channel {}", channel.name())));
        }
        let message =
            reassembly.push(header, payload).map_err(|error| Misbehaviour::offence("frame", error))?;
        match message {
            Some(ping) if channel == Channel::Control && ping.is_empty() => {}
            Some(_) if channel == Channel::Control => {
                return Err(Misbehaviour::offence("frame", "a second greeting"));
            }
            Some(message) => handler.message(&connection.identity, channel, message).await?,
            None => {}
        }
    }
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> Result<(Header, Bytes), Misbehaviour> {
    let lost = |error: io::Error| Misbehaviour::new("lost", error);
    let mut header = [0; HEADER_BYTES];
    reader.read_exact(&mut header).await.map_err(lost)?;
    let header = Header::decode(header).map_err(|error| Misbehaviour::offence("frame", error))?;
    let mut payload = BytesMut::zeroed(header.length);
    reader.read_exact(&mut payload).await.map_err(lost)?;
    Ok((header, payload.freeze()))
}

async fn write(
    connection: &Connection,
    mut writer: impl AsyncWrite + Unpin,
    limits: &TransportLimits,
    metrics: &ConsensusMetrics,
) -> Result<Never, Misbehaviour> {
    let ping = Header { length: 0, channel: Channel::Control, more: false }.encode();
    let stalled = limits.idle_timeout.saturating_mul(2);
    let mut buffer = BytesMut::with_capacity(2 * super::MAX_FRAME_BYTES);
    loop {
        buffer.clear();
        if timeout(limits.ping_interval, connection.outbox.next_batch(&mut buffer)).await.is_err() {
            buffer.extend_from_slice(&ping);
        }
        metrics.bytes_sent.inc_by(buffer.len() as u64);
        let sending = async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        };
        match timeout(stalled, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Misbehaviour::new("lost", error)),
            Err(_) => return Err(Misbehaviour::new("stalled", "the peer does not read")),
        }
    }
}
