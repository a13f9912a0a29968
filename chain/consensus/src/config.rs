//! Configuration of consensus and of the mesh.

use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_malachitebft_core_types::LinearTimeouts;
use concordat_types::Role;

/// What consensus is configured with.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// The chain's name: part of everything that is signed.
    pub chain_id: String,
    /// The hash of the genesis document; peers with another one are refused.
    pub genesis_hash: [u8; 32],
    /// Where to listen for peers. Port 0 picks a free one (see [`crate::ConsensusHandle::listen_addr`]).
    pub listen: SocketAddr,
    /// Where the other nodes listen: `host:port`.
    pub peers: Vec<String>,
    /// This node's role, as in its certificate: validator, observer or audit node.
    pub role: Role,
    /// The directory of the engine's write-ahead log.
    pub wal_dir: PathBuf,
    /// How long to wait at start for enough validators to be connected before going on without them.
    pub connect_wait: Duration,
    /// The largest encoded block that is accepted, in bytes.
    pub max_block_bytes: usize,
    /// The most blocks in one sync response.
    pub sync_batch: usize,
    /// How far two correct validators' clocks may be apart, until the ledger says otherwise.
    pub clock_precision: Duration,
    /// This node's clock.
    pub clock: Clock,
    /// Limits of the mesh.
    pub transport: TransportLimits,
}

/// Where a node's time comes from: the system, except in tests of wrong clocks.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that says what `read` says.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// What it says now.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

impl ConsensusConfig {
    /// A configuration with the default limits.
    pub fn new(
        chain_id: impl Into<String>,
        genesis_hash: [u8; 32],
        listen: SocketAddr,
        role: Role,
        wal_dir: PathBuf,
    ) -> Self {
        Self {
            chain_id: chain_id.into(),
            genesis_hash,
            listen,
            peers: Vec::new(),
            role,
            wal_dir,
            connect_wait: Duration::from_secs(3),
            max_block_bytes: 4 * 1024 * 1024,
            sync_batch: 32,
            clock_precision: Duration::from_millis(500),
            clock: Clock::default(),
            transport: TransportLimits::default(),
        }
    }

    /// The largest encoded sync response, in bytes: at least two full blocks with their certificates.
    pub(crate) fn max_response_bytes(&self) -> usize {
        self.max_block_bytes.saturating_mul(2).saturating_add(1024 * 1024)
    }
}

/// Timeouts tuned for a consortium's network: a proposer that is down costs well below a second.
///
/// A round with an absent proposer takes `propose`, then `precommit` (Tendermint waits for stragglers even
/// after a quorum of precommits for nil): half a second together. Where proposals have come fast of late, it
/// takes half of that (docs/adr/0022).
pub fn default_timeouts() -> LinearTimeouts {
    LinearTimeouts {
        propose: Duration::from_millis(400),
        propose_delta: Duration::from_millis(200),
        prevote: Duration::from_millis(100),
        prevote_delta: Duration::from_millis(100),
        precommit: Duration::from_millis(50),
        precommit_delta: Duration::from_millis(50),
        rebroadcast: Duration::from_millis(1000),
        max_timeout: Duration::from_secs(5),
    }
}

/// A rate that a peer may send at: a token bucket per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages per second, sustained.
    pub messages_per_second: u32,
    /// Bytes per second, sustained.
    pub bytes_per_second: u32,
}

/// Limits of the mesh, per peer unless said otherwise.
#[derive(Clone, Debug)]
pub struct TransportLimits {
    /// How long dialling, TLS and the greeting may take, each.
    pub handshake_timeout: Duration,
    /// How many inbound connections may be in their handshake, in total; half of them from one address.
    pub max_half_open: usize,
    /// How many peers may be connected, in total.
    pub max_peers: usize,
    /// How many nodes of one organisation's validators may be connected, and how many others of it.
    pub max_peers_of_an_org: usize,
    /// After this time without sending, a ping is sent.
    pub ping_interval: Duration,
    /// After this time without receiving, the peer counts as gone.
    pub idle_timeout: Duration,
    /// The longest wait between two attempts to reach a peer.
    pub max_backoff: Duration,
    /// What a peer may send of votes, proposals and certificates.
    pub consensus_rate: Rate,
    /// What a peer may send of blocks' parts.
    pub parts_rate: Rate,
    /// What a peer may send of sync requests and responses.
    pub sync_rate: Rate,
    /// What a peer may send of mempool gossip.
    pub gossip_rate: Rate,
    /// The largest gossip message, in bytes.
    pub max_gossip_bytes: usize,
    /// The bytes of gossip that may wait to be sent; more is dropped and counted.
    pub gossip_queue_bytes: usize,
    /// When a peer that breaks the protocol is kept away.
    pub bans: BanLimits,
}

/// When a peer that breaks the protocol is kept away, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanLimits {
    /// So many offences within [`window`](Self::window) lead to a ban.
    pub offences: usize,
    /// In which time offences add up.
    pub window: Duration,
    /// The length of the first ban; each further one is twice as long.
    pub first: Duration,
    /// The longest ban.
    pub longest: Duration,
    /// After this time without an offence everything is forgotten.
    pub forgiven_after: Duration,
}

impl Default for BanLimits {
    fn default() -> Self {
        Self {
            offences: 10,
            window: Duration::from_secs(60),
            first: Duration::from_secs(10),
            longest: Duration::from_secs(600),
            forgiven_after: Duration::from_secs(3_600),
        }
    }
}

impl Default for TransportLimits {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            handshake_timeout: Duration::from_secs(5),
            max_half_open: 32,
            max_peers: 128,
            max_peers_of_an_org: 8,
            ping_interval: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            max_backoff: Duration::from_secs(5),
            consensus_rate: Rate { messages_per_second: 1_000, bytes_per_second: 8 * MIB },
            parts_rate: Rate { messages_per_second: 8_000, bytes_per_second: 256 * MIB },
            sync_rate: Rate { messages_per_second: 1_000, bytes_per_second: 256 * MIB },
            gossip_rate: Rate { messages_per_second: 20_000, bytes_per_second: 64 * MIB },
            max_gossip_bytes: 1024 * 1024,
            gossip_queue_bytes: 8 * 1024 * 1024,
            bans: BanLimits::default(),
        }
    }
}
