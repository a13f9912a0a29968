//! Puts proposed blocks together from their parts.
//!
//! Parts come from validators' nodes only, in order, each block over one connection. A node can have one
//! block under way, so that memory is bounded by the number of validators.

use std::{collections::HashMap, sync::Arc};

use arc_malachitebft_core_types::Round;
use arc_malachitebft_peer::PeerId;
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::Host;
use crate::{
    codec::BlockPart,
    context::{Address, BlockId, Height},
    transport::PeerIdentity,
};

/// How much of a block goes into one part, in bytes: a part fits into one frame.
pub const PART_BYTES: usize = 60 * 1024;

/// What a stream of parts claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The height the block is proposed for.
    pub height: Height,
    /// The round it is proposed in.
    pub round: Round,
    /// The round of its polka if it is proposed again, else nil.
    pub valid_round: Round,
    /// Who proposes it in that round.
    pub proposer: Address,
    /// Its identity.
    pub block_id: BlockId,
    /// The size of the encoded block, in bytes.
    pub total_bytes: u64,
}

impl Claim {
    fn of(part: &BlockPart) -> Self {
        let BlockPart { height, round, valid_round, proposer, block_id, total_bytes, .. } = *part;
        Self { height, round, valid_round, proposer, block_id, total_bytes }
    }
}

/// The block that one peer is sending.
#[derive(Debug)]
struct Partial {
    claim: Claim,
    bytes: BytesMut,
}

/// The blocks under way, by peer.
#[derive(Debug)]
pub struct Assembly {
    max_block_bytes: usize,
    partial: HashMap<PeerId, Partial>,
}

/// What a part led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More is to come.
    Partial,
    /// The first part of a block: it may be known already.
    Started(Claim),
    /// The block is complete.
    Complete(Claim, Bytes),
    /// The part does not fit; it and what preceded it are dropped.
    Refused(&'static str),
}

impl Assembly {
    /// Assembles blocks up to this size, in bytes.
    pub fn new(max_block_bytes: usize) -> Self {
        Self { max_block_bytes, partial: HashMap::new() }
    }

    /// Takes a part.
    pub fn push(&mut self, from: PeerId, part: &BlockPart) -> Step {
        let claim = Claim::of(part);
        if claim.total_bytes > self.max_block_bytes as u64 {
            self.partial.remove(&from);
            return Step::Refused("block_too_large");
        }
        let started = part.offset == 0;
        if started {
            self.partial.insert(from, Partial { claim, bytes: BytesMut::new() });
        }
        let Some(partial) = self.partial.get_mut(&from) else { return Step::Refused("part_without_start") };
        if partial.claim != claim || partial.bytes.len() as u64 != part.offset {
            self.partial.remove(&from);
            return Step::Refused("part_out_of_order");
        }
        partial.bytes.extend_from_slice(&part.data);
        if partial.bytes.len() as u64 == claim.total_bytes {
            let done = self.partial.remove(&from).map(|partial| partial.bytes.freeze());
            return Step::Complete(claim, done.unwrap_or_default());
        }
        if started { Step::Started(claim) } else { Step::Partial }
    }

    /// Drops what a peer has sent so far: the block is known.
    pub fn abandon(&mut self, from: &PeerId) {
        self.partial.remove(from);
    }
}

/// Cuts a block into parts.
pub fn parts(claim: Claim, bytes: Bytes) -> impl Iterator<Item = BlockPart> {
    let Claim { height, round, valid_round, proposer, block_id, total_bytes } = claim;
    (0..bytes.len()).step_by(PART_BYTES).map(move |start| {
        let end = bytes.len().min(start + PART_BYTES);
        let data = bytes.slice(start..end);
        let offset = start as u64;
        BlockPart { height, round, valid_round, proposer, block_id, total_bytes, offset, data }
    })
}

/// Assembles blocks as long as parts arrive.
pub(crate) async fn assemble(host: Arc<Host>, mut parts: mpsc::Receiver<(Arc<PeerIdentity>, BlockPart)>) {
    let mut assembly = Assembly::new(host.settings.max_block_bytes);
    let mut stopping = host.stopping.subscribe();
    loop {
        let (peer, part) = tokio::select! {
            Some(received) = parts.recv() => received,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match assembly.push(peer.peer_id, &part) {
            Step::Partial => {}
            Step::Refused(reason) => host.network.metrics.dropped(reason),
            Step::Started(claim) => {
                if host.propose_known(claim) {
                    assembly.abandon(&peer.peer_id);
                }
            }
            Step::Complete(claim, bytes) => {
                if !host.propose_known(claim) {
                    host.spawn(Arc::clone(&host).received(peer, claim, bytes));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{context::BlockTime, transport::peer_id_of_spki};

    fn claim(total_bytes: u64) -> Claim {
        let block_id =
            BlockId { hash: [1; 32], parts_total: 1, parts_hash: [2; 32], time: BlockTime::default() };
        Claim {
            height: Height(1),
            round: Round::new(0),
            valid_round: Round::Nil,
            proposer: Address([3; 20]),
            block_id,
            total_bytes,
        }
    }

    proptest! {
        #[test]
        fn block_survives_cutting(len in 1..300_000usize) {
            let block = Bytes::from(vec![7; len]);
            let mut assembly = Assembly::new(300_000);
            let peer = peer_id_of_spki(b"a");
            let steps: Vec<_> = parts(claim(len as u64), block.clone()).map(|part| assembly.push(peer, &part)).collect();
            prop_assert_eq!(steps.last(), Some(&Step::Complete(claim(len as u64), block)));
            prop_assert!(assembly.partial.is_empty());
        }
    }

    #[test]
    fn oversized_out_of_order_and_foreign_parts_are_refused() {
        let (a, b) = (peer_id_of_spki(b"a"), peer_id_of_spki(b"b"));
        let mut assembly = Assembly::new(200_000);
        let all: Vec<_> = parts(claim(200_000), Bytes::from(vec![0; 200_000])).collect();
        assert!(matches!(assembly.push(a, &all[0]), Step::Started(_)));
        assert_eq!(assembly.push(b, &all[1]), Step::Refused("part_without_start"));
        assert_eq!(assembly.push(a, &all[2]), Step::Refused("part_out_of_order"));
        assert_eq!(assembly.push(a, &all[1]), Step::Refused("part_without_start"));
        let huge = BlockPart { total_bytes: 200_001, ..all[0].clone() };
        assert_eq!(assembly.push(a, &huge), Step::Refused("block_too_large"));
    }

    #[test]
    fn new_block_of_a_peer_replaces_its_unfinished_one() {
        let a = peer_id_of_spki(b"a");
        let mut assembly = Assembly::new(200_000);
        let all: Vec<_> = parts(claim(100_000), Bytes::from(vec![0; 100_000])).collect();
        for _ in 0..10 {
            assert!(matches!(assembly.push(a, &all[0]), Step::Started(_)));
        }
        assert_eq!(assembly.partial.len(), 1);
        assert!(matches!(assembly.push(a, &all[1]), Step::Complete(..)));
    }
}
