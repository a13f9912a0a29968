//! The traitor: runs a correct node and falsifies what that sends, differently for each peer; and makes up
//! messages of its own. It has one key and no guard.

use std::collections::BTreeMap;

use arc_malachitebft_core_consensus::{LivenessMsg, SignedConsensusMsg};
use arc_malachitebft_core_types::{NilOrVal, PolkaCertificate, Round, SignedMessage, VoteType};
use arc_malachitebft_signing_ed25519::Signature;
use arc_malachitebft_sync::Response;
use bytes::Bytes;
use concordat_consensus::{
    Address, BlockId, BlockTime, SyncedBlock,
    codec::{
        BlockPart, ConsensusMessage, MAX_HEIGHT, MAX_ROUND, SyncMessage, decode_consensus, decode_part,
        decode_sync, encode_consensus, encode_liveness, encode_part, encode_sync,
    },
    context::{Height, Proposal, SignedProposal, SignedVote, Vote},
    signing::SignBytes,
};
use ed25519_zebra::SigningKey;

use crate::{
    ledger::{CHAIN, FORBIDDEN, SETUP, VALIDATORS, set_at, twin},
    node::Channel,
    plan::Habit,
    rng::Rng,
};

/// How many messages are kept to be sent again.
const MEMORY: usize = 400;

/// A message to one peer.
pub type Lie = (usize, Channel, Bytes);

/// One Byzantine validator.
pub struct Byzantine {
    pub index: usize,
    address: Address,
    key: SigningKey,
    sign_bytes: SignBytes,
    habits: Vec<Habit>,
    rng: Rng,
    seen: Vec<(Channel, Bytes)>,
    /// Blocks of each height that it knows of.
    known: BTreeMap<u64, Vec<BlockId>>,
    /// What it sends instead of its own blocks.
    twins: BTreeMap<BlockId, (BlockId, Bytes)>,
    /// Blocks that it brought into the world, and whether they keep the ledger's rule.
    pub introduced: Vec<(BlockId, bool)>,
}

impl Byzantine {
    pub fn new(index: usize, habits: Vec<Habit>, rng: Rng) -> Self {
        Self {
            index,
            address: SETUP.addresses[index],
            key: SigningKey::from(SETUP.seeds[index]),
            sign_bytes: SignBytes::new(CHAIN),
            habits,
            rng,
            seen: Vec::new(),
            known: BTreeMap::new(),
            twins: BTreeMap::new(),
            introduced: Vec::new(),
        }
    }

    /// Whether a habit of its is acted on now.
    fn feels(&mut self, habit: Habit, percent: u64) -> bool {
        self.habits.contains(&habit) && self.rng.chance(percent)
    }

    /// Remembers what it is sent.
    pub fn observe(&mut self, channel: Channel, bytes: &Bytes) {
        if channel == Channel::Consensus
            && let Ok(ConsensusMessage::Proposal(proposal)) = decode_consensus(bytes.clone())
        {
            let known = self.known.entry(proposal.message.height.0).or_default();
            if !known.contains(&proposal.message.block_id) {
                known.push(proposal.message.block_id);
            }
        }
        if self.seen.len() < MEMORY {
            self.seen.push((channel, bytes.clone()));
        } else {
            let at = self.rng.below(MEMORY as u64) as usize;
            self.seen[at] = (channel, bytes.clone());
        }
    }

    /// What one peer gets instead of a message.
    pub fn falsify(&mut self, to: usize, channel: Channel, bytes: &Bytes) -> Vec<Bytes> {
        if self.feels(Habit::Silence, 40) {
            return Vec::new();
        }
        let falsified = match channel {
            Channel::Consensus => self.falsify_consensus(to, bytes),
            Channel::Parts => self.falsify_part(to, bytes),
            Channel::Sync => self.falsify_sync(bytes),
        };
        falsified.unwrap_or_else(|| vec![bytes.clone()])
    }

    fn falsify_consensus(&mut self, to: usize, bytes: &Bytes) -> Option<Vec<Bytes>> {
        match decode_consensus(bytes.clone()).ok()? {
            ConsensusMessage::Vote(vote) if vote.message.validator == self.address => {
                if !self.feels(Habit::SplitVotes, 60) {
                    return None;
                }
                let value = self.other_value(vote.message.height.0);
                let other = self.signed_vote(Vote { value, ..vote.message });
                Some(match self.rng.below(3) {
                    0 => vec![other],
                    1 => vec![bytes.clone(), other],
                    _ => vec![other, bytes.clone()],
                })
            }
            ConsensusMessage::Proposal(proposal) if proposal.message.proposer == self.address => {
                let block_id = self.twins.get(&proposal.message.block_id)?.0;
                let other = self.signed_proposal(Proposal { block_id, ..proposal.message.clone() });
                Some(self.sides(to, &proposal.message.block_id, bytes.clone(), other))
            }
            _ => None,
        }
    }

    /// One version, the other or both: alike for all messages about one block.
    fn sides(&self, to: usize, id: &BlockId, original: Bytes, other: Bytes) -> Vec<Bytes> {
        let mut rng = Rng::new(u64::from(id.hash[0]) << 8 | to as u64);
        match rng.below(4) {
            0 => vec![original],
            1 => vec![original, other],
            2 => vec![other, original],
            _ => vec![other],
        }
    }

    fn other_value(&mut self, height: u64) -> NilOrVal<BlockId> {
        if self.feels(Habit::UnknownValues, 50) {
            return NilOrVal::Val(self.unknown_value());
        }
        let known = self.known.get(&height).cloned().unwrap_or_default();
        match self.rng.pick(&known) {
            Some(id) if self.rng.chance(70) => NilOrVal::Val(*id),
            _ => NilOrVal::Nil,
        }
    }

    fn unknown_value(&mut self) -> BlockId {
        let (hash, parts_hash) = (self.rng.bytes(), self.rng.bytes());
        BlockId { hash, parts_total: 1, parts_hash, time: BlockTime { seconds: 1_700_000_000, nanos: 0 } }
    }

    fn falsify_part(&mut self, to: usize, bytes: &Bytes) -> Option<Vec<Bytes>> {
        let part = decode_part(bytes.clone()).ok()?;
        let known = self.known.entry(part.height.0).or_default();
        if !known.contains(&part.block_id) {
            known.push(part.block_id);
        }
        if part.proposer == self.address && !part.valid_round.is_defined() {
            self.make_twin(&part);
        }
        let (id, block) = self.twins.get(&part.block_id).cloned()?;
        let total_bytes = block.len() as u64;
        let other =
            encode_part(&BlockPart { block_id: id, total_bytes, data: block, ..part.clone() }).ok()?;
        Some(self.sides(to, &part.block_id, bytes.clone(), other))
    }

    fn make_twin(&mut self, part: &BlockPart) {
        if self.twins.contains_key(&part.block_id) {
            return;
        }
        let bad = self.feels(Habit::BadBlocks, 60);
        let split = self.feels(Habit::SplitProposals, 80);
        if !bad && !split {
            return;
        }
        let says = if bad { FORBIDDEN } else { "the other side of the coin" };
        if let Some((id, bytes)) = twin(&part.data, says) {
            self.introduced.push((id, !bad));
            self.known.entry(part.height.0).or_default().push(id);
            self.twins.insert(part.block_id, (id, bytes));
        }
    }

    fn falsify_sync(&mut self, bytes: &Bytes) -> Option<Vec<Bytes>> {
        if !self.feels(Habit::LieInSync, 70) {
            return None;
        }
        let lie = match decode_sync(bytes.clone()).ok()? {
            SyncMessage::Status { earliest, tip } => {
                let tip = *self.rng.pick(&[
                    Height(0),
                    Height(tip.0 + 1),
                    Height(tip.0 + 50),
                    Height(MAX_HEIGHT),
                ])?;
                SyncMessage::Status { tip, earliest }
            }
            SyncMessage::Response { id, response: Response::ValueResponse(mut response) } => {
                for value in &mut response.values {
                    match self.rng.below(4) {
                        0 => value.certificate.commit_signatures.truncate(2),
                        1 => value.value_bytes = synced_twin(&value.value_bytes)?.1,
                        2 => {
                            (value.certificate.value_id, value.value_bytes) = synced_twin(&value.value_bytes)?
                        }
                        _ => value.certificate.round = Round::new(7),
                    }
                }
                SyncMessage::Response { id, response: Response::ValueResponse(response) }
            }
            SyncMessage::Request { .. } => return None,
        };
        Some(vec![encode_sync(&lie).ok()?])
    }

    /// What it makes up, knowing the present height and round.
    pub fn invent(&mut self, height: u64, round: u32) -> Vec<Lie> {
        let mut lies = Vec::new();
        let to = self.rng.below(VALIDATORS as u64) as usize;
        if self.feels(Habit::UnknownValues, 50) {
            let vote = self.own_vote(height, round);
            lies.push((to, Channel::Consensus, vote));
        }
        if self.feels(Habit::FarFuture, 50) {
            let heights = [height, height + 1, height + 2, height + 3, height + 1_000, MAX_HEIGHT];
            let rounds = [0, round + 1, round + 9, round + 11, round + 5_000, MAX_ROUND];
            let (height, round) = (*self.rng.pick(&heights).unwrap(), *self.rng.pick(&rounds).unwrap());
            let vote = self.own_vote(height, round);
            lies.push((to, Channel::Consensus, vote));
        }
        if self.feels(Habit::Replay, 80)
            && let Some((channel, bytes)) = self.rng.pick(&self.seen).cloned()
        {
            lies.push((to, channel, bytes));
        }
        if self.feels(Habit::Forge, 50) {
            lies.extend(self.forgery(height, round).map(|(channel, bytes)| (to, channel, bytes)));
        }
        if self.feels(Habit::Flood, 30) {
            let flood = self.flood(height, round);
            lies.extend(flood.into_iter().map(|bytes| (to, Channel::Parts, bytes)));
        }
        lies.retain(|(to, ..)| *to != self.index);
        lies
    }

    /// Blocks that others are said to propose again: new ones, or one known block in many rounds.
    fn flood(&mut self, present: u64, now: u32) -> Vec<Bytes> {
        let parts = self.seen.iter().filter(|(channel, _)| *channel == Channel::Parts);
        let parts: Vec<BlockPart> = parts.filter_map(|(_, bytes)| decode_part(bytes.clone()).ok()).collect();
        let Some(part) = self.rng.pick(&parts).cloned() else { return Vec::new() };
        let same = self.rng.chance(30);
        let height = if same { part.height } else { Height(present + self.rng.below(3)) };
        let mut flood = Vec::new();
        for round in now..now + 12 {
            let says = format!("flood {}", self.rng.next());
            let fresh = if same { None } else { twin(&part.data, &says) };
            let (block_id, data) = fresh.unwrap_or((part.block_id, part.data.clone()));
            let proposer = set_at(height.0).proposer(height, round).address();
            let (round, valid_round) = (Round::new(round), Round::new(0));
            let total_bytes = data.len() as u64;
            let claim =
                BlockPart { height, round, valid_round, proposer, block_id, total_bytes, offset: 0, data };
            flood.extend(encode_part(&claim));
        }
        flood
    }

    fn own_vote(&mut self, height: u64, round: u32) -> Bytes {
        let value = if self.rng.chance(50) { NilOrVal::Val(self.unknown_value()) } else { NilOrVal::Nil };
        let vote_type = if self.rng.chance(50) { VoteType::Prevote } else { VoteType::Precommit };
        let (height, round) = (Height(height), Round::new(round));
        self.signed_vote(Vote { vote_type, height, round, value, validator: self.address })
    }

    fn forgery(&mut self, height: u64, round: u32) -> Option<(Channel, Bytes)> {
        let victim = *self.rng.pick(&SETUP.addresses)?;
        let id = self.unknown_value();
        let (height, round) = (Height(height), Round::new(round));
        let vote = Vote {
            vote_type: VoteType::Precommit,
            height,
            round,
            value: NilOrVal::Val(id),
            validator: victim,
        };
        let signature = Signature::from_bytes(self.key.sign(&self.sign_bytes.vote(&vote)).to_bytes());
        match self.rng.below(4) {
            0 => {
                let vote = SignedConsensusMsg::Vote(SignedMessage::new(vote, signature));
                Some((Channel::Consensus, encode_consensus(&vote).ok()?))
            }
            1 => {
                let vote = |address: &Address| -> SignedVote {
                    let vote_type = VoteType::Prevote;
                    SignedMessage::new(Vote { vote_type, validator: *address, ..vote.clone() }, signature)
                };
                let votes = SETUP.addresses.iter().map(vote).collect();
                let polka = LivenessMsg::PolkaCertificate(PolkaCertificate::new(height, round, id, votes));
                Some((Channel::Consensus, encode_liveness(&polka).ok()?))
            }
            2 => {
                let channel = *self.rng.pick(&[Channel::Consensus, Channel::Parts, Channel::Sync])?;
                Some((channel, Bytes::copy_from_slice(&self.rng.bytes::<48>())))
            }
            _ => {
                let (channel, bytes) = self.rng.pick(&self.seen).cloned()?;
                let mut damaged = bytes.to_vec();
                let at = self.rng.below(damaged.len() as u64) as usize;
                *damaged.get_mut(at)? ^= 1 << self.rng.below(8);
                Some((channel, damaged.into()))
            }
        }
    }

    fn signed_vote(&self, vote: Vote) -> Bytes {
        let signature = Signature::from_bytes(self.key.sign(&self.sign_bytes.vote(&vote)).to_bytes());
        encode_consensus(&SignedConsensusMsg::Vote(SignedMessage::new(vote, signature))).unwrap()
    }

    fn signed_proposal(&self, proposal: Proposal) -> Bytes {
        let signature = Signature::from_bytes(self.key.sign(&self.sign_bytes.proposal(&proposal)).to_bytes());
        let signed: SignedProposal = SignedMessage::new(proposal, signature);
        encode_consensus(&SignedConsensusMsg::Proposal(signed)).unwrap()
    }
}

/// Another block than the one that was asked for.
fn synced_twin(joined: &Bytes) -> Option<(BlockId, Bytes)> {
    let (id, bytes) = twin(&SyncedBlock::split(joined).bytes, "never decided")?;
    Some((id, SyncedBlock { bytes, ..SyncedBlock::default() }.join()))
}
