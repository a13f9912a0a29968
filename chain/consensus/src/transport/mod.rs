//! The mesh between nodes: mutual TLS 1.3, identities by certificate, bounded and prioritised queues.
//!
//! Every pair of configured nodes keeps one connection. Who may connect is decided by a [`PeerAuthorizer`],
//! at the handshake and again whenever the registry may have changed. Votes never wait behind bulk: each
//! peer has one queue per [`Channel`], and messages are cut into frames that interleave.
//!
//! Invariant: nothing here knows what messages mean; that is [`crate::network`]'s business.

mod bans;
mod connection;
pub(crate) mod frame;
mod half_open;
pub(crate) mod hello;
mod mesh;
mod outbox;
mod places;
mod quiet;
mod rate;
mod tls;

use std::{fmt, sync::Arc};

use arc_malachitebft_peer::PeerId;
use async_trait::async_trait;
use bytes::Bytes;
use concordat_types::{OrgId, Role};
use sha2::{Digest, Sha256};

pub use self::{
    frame::{Channel, MAX_FRAME_BYTES},
    hello::PROTOCOL_VERSION,
    mesh::{Mesh, MeshError},
    tls::NodeIdentity,
};

/// A peer whose certificate was accepted, as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedNode {
    /// The organisation that runs it.
    pub org: OrgId,
    /// Its role: validator, observer or audit node.
    pub role: Role,
    /// The name in its certificate.
    pub common_name: String,
    /// When its certificate expires, in seconds since the Unix epoch.
    pub not_after: u64,
}

/// Decides which certificates may connect.
pub trait PeerAuthorizer: Send + Sync + 'static {
    /// Judges a certificate chain, leaf first, each certificate in DER. That the peer holds the leaf's key
    /// is checked by TLS.
    ///
    /// # Errors
    /// Why the peer is refused: for this node's log, and never sent to the peer.
    fn authorize(&self, chain_der: &[&[u8]]) -> Result<AuthorizedNode, String>;

    /// Changes when verdicts may have changed: then every open connection is judged again.
    fn generation(&self) -> u64;
}

/// Who is at the other end of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The hash of the certificate's public key.
    pub peer_id: PeerId,
    /// The organisation that runs it.
    pub org: OrgId,
    /// Its role.
    pub role: Role,
    /// The name in its certificate.
    pub common_name: String,
    /// When its certificate expires, in seconds since the Unix epoch.
    pub not_after: u64,
}

impl PeerIdentity {
    fn new(peer_id: PeerId, node: AuthorizedNode) -> Self {
        let AuthorizedNode { org, role, common_name, not_after } = node;
        Self { peer_id, org, role, common_name, not_after }
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of {})", self.common_name, self.role, self.org)
    }
}

/// The peer id of a public key: the multihash `0x12 0x20 ‖ SHA-256(SubjectPublicKeyInfo)`.
pub fn peer_id_of_spki(spki_der: &[u8]) -> PeerId {
    let mut multihash = vec![0x12, 0x20];
    multihash.extend_from_slice(&Sha256::digest(spki_der));
    PeerId::from_bytes(&multihash).expect("a SHA-256 multihash is a peer id")
}

/// Why a connection with a peer ends; logged and counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Misbehaviour {
    /// The kind, for the counter.
    pub kind: &'static str,
    /// What exactly.
    pub detail: String,
    /// Whether only the peer itself can be to blame. Too many of these and it is banned for a while.
    pub offence: bool,
}

impl Misbehaviour {
    /// Misbehaviour of a kind, with the details for the log.
    pub fn new(kind: &'static str, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string(), offence: false }
    }

    /// Misbehaviour that an honest node never shows, whatever others do to it.
    pub fn offence(kind: &'static str, detail: impl fmt::Display) -> Self {
        Self { offence: true, ..Self::new(kind, detail) }
    }
}

/// Receives what the mesh delivers.
///
/// `connected` and `disconnected` are called in order for each peer and must not block or call the mesh.
#[async_trait]
pub trait MessageHandler: Send + Sync + 'static {
    /// A peer can now be sent to.
    fn connected(&self, peer: &Arc<PeerIdentity>);

    /// A peer is gone.
    fn disconnected(&self, peer: &Arc<PeerIdentity>);

    /// A whole message. The next message of this peer waits until this returns.
    ///
    /// # Errors
    /// If the peer must be disconnected.
    async fn message(
        &self,
        peer: &Arc<PeerIdentity>,
        channel: Channel,
        message: Bytes,
    ) -> Result<(), Misbehaviour>;
}
