//! Consensus: Tendermint by the Malachite engine, over our own mutual-TLS mesh.
//!
//! The engine's consensus, write-ahead log and sync actors are stock; its network and host are ours:
//!
//! ```text
//!  node ── Application ── host ─┐                      ┌─ network ── transport ── peers
//!                               ├─ engine (Malachite) ─┤
//!        ConsensusSigner ───────┘                      └─ write-ahead log, sync
//! ```
//!
//! Headers, votes and commits are CometBFT's ([`signing`]), so independent light clients verify them.
//! Invariant: a block is opaque bytes here; only its [`context::BlockId`] means anything.

pub mod application;
pub mod codec;
pub mod config;
pub mod context;
mod delegate;
mod engine;
mod failure;
mod host;
pub mod metrics;
pub mod network;
pub mod signing;
pub mod transport;

/// What the simulation in `tests/` and the fuzz targets in `fuzz/` drive without sockets and threads. No part of
/// the interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        host::{Assembly, Blocks, Claim, Known, Step, parts},
        network::{Claims, Gate, Place, check_proposer},
        signing::{EngineSigner, is_abstention},
        transport::{
            frame::{Channel, HEADER_BYTES, Header, PerChannel, Reassembly},
            hello::Hello,
        },
    };
}

pub use arc_malachitebft_core_types::LinearTimeouts;
pub use arc_malachitebft_peer::PeerId;

pub use self::{
    application::{
        AppError, Application, ConsensusBlock, DecidedBlock, NextHeight, Origin, ProposalRequest,
        ProposedBlock, StoredBlock, SyncedBlock, Verdict,
    },
    config::{BanLimits, Clock, ConsensusConfig, Rate, TransportLimits, default_timeouts},
    context::{Address, BlockId, BlockTime, ProposerOrder, Validator, ValidatorSet},
    engine::{ConsensusHandle, ConsensusStatus, StartError, start},
    failure::EngineFailure,
    metrics::ConsensusMetrics,
    network::{Evidence, Gossip},
    signing::{
        ConsensusSigner, LocalSigner, SignError, SignRequest, certificate_from_commit,
        commit_from_certificate,
    },
    transport::{AuthorizedNode, Misbehaviour, NodeIdentity, PeerAuthorizer, PeerIdentity, peer_id_of_spki},
};
