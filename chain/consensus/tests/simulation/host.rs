//! What the network and the host do around the engine, without their tasks: gate, assembly, judging blocks,
//! committing, sync. Follows `src/network/inbound.rs` and `src/host/`, whose pure parts it uses.

use std::sync::Arc;

use arc_malachitebft_core_consensus::LocallyProposedValue;
use arc_malachitebft_core_types::{
    Round, Validity, ValueOrigin, ValueResponse as CoreValueResponse, VoteType,
};
use arc_malachitebft_sync::{RawDecidedValue, Request, Response, ValueRequest, ValueResponse};
use bytes::Bytes;
use concordat_consensus::{
    Address, BlockId, ConsensusBlock, SyncedBlock, Verdict, certificate_from_commit,
    codec::{
        ConsensusMessage, SyncMessage, decode_consensus, decode_part, decode_sync, encode_part, encode_sync,
    },
    commit_from_certificate,
    context::{CommitCertificate, ConcordatContext, Height, SignedVote},
    internals::{Claim, Known, Place, Step, check_proposer, parts},
};

use crate::{
    ledger::{Committed, SETUP, identify, org, set_at},
    node::{Channel, Fact, Input, MAX_BLOCK_BYTES, Node, Out, ProposedValue, Stop, Task, To},
    plan::{MS, Mutation},
};

/// How long a height that a peer has decided may take us, before we fetch it.
const STATUS_PATIENCE: u64 = 500 * MS;
/// How often a node says where it stands; stands for the status that follows each new connection.
const STATUS_INTERVAL: u64 = 400 * MS;
/// In so many rounds around the present one a conflict must be noticed.
const WATCHED_AHEAD: u32 = 10;
const WATCHED_BEHIND: u32 = 21;
const REQUEST_TIMEOUT: u64 = 1_000 * MS;
/// How many blocks one request asks for.
const SYNC_BATCH: u64 = 4;

/// Why a message goes no further.
type Dropped = &'static str;

impl Node {
    /// Takes a message from a peer.
    pub fn receive(
        &mut self,
        from: usize,
        channel: Channel,
        bytes: Bytes,
        out: &mut Out,
    ) -> Result<(), Stop> {
        let outcome = match channel {
            Channel::Consensus => self.consensus(bytes, out),
            Channel::Parts => self.part(from, bytes, out).map(|()| None),
            Channel::Sync => self.sync(from, bytes, out),
        };
        match outcome {
            Ok(Some(input)) => self.input(input, out),
            Ok(None) => Ok(()),
            Err(reason) => {
                match reason {
                    "not_the_proposer" => out.facts.push(Fact::NotItsTurn(from)),
                    "malformed" | "bad_signature" | "no_block" | "not_as_claimed" => {
                        out.facts.push(Fact::Offence(from));
                    }
                    _ => {}
                }
                out.facts.push(Fact::Dropped(reason));
                Ok(())
            }
        }
    }

    fn consensus(&mut self, bytes: Bytes, out: &mut Out) -> Result<Option<Input>, Dropped> {
        let message = decode_consensus(bytes).map_err(|_| "malformed")?;
        let (height, live) = match &message {
            ConsensusMessage::Vote(vote) => {
                let (live, delivers) = self.vote(vote, out)?;
                if live {
                    delivers?;
                }
                (vote.message.height, live)
            }
            ConsensusMessage::Proposal(proposal) => {
                let live = self.is_live(proposal.message.height)?;
                let validator = SETUP.set.get(&proposal.message.proposer).ok_or("unknown_validator")?;
                let key = validator.public_key().as_bytes();
                if !self.verifier.proposal(&proposal.message, &proposal.signature, key) {
                    return Err("bad_signature");
                }
                let (height, round) = (proposal.message.height, proposal.message.round);
                self.admitted(height, round, &message, out);
                let noted = self.ram.gate.note_proposal(proposal);
                let delivers = self.ram.gate.delivers(height, round, &noted);
                self.prove(noted.evidence(), out);
                if live {
                    delivers?;
                }
                (height, live)
            }
            ConsensusMessage::Polka(polka) => {
                self.certificate(polka.height, polka.votes(&ConcordatContext).collect(), out)?
            }
            ConsensusMessage::Round(round) => {
                self.certificate(round.height, round.votes(&ConcordatContext).collect(), out)?
            }
        };
        if !live {
            return Ok(None);
        }
        self.claimed(&message, height.0);
        self.wake(out);
        Ok(Some(match message {
            ConsensusMessage::Vote(vote) => Input::Vote(vote),
            ConsensusMessage::Proposal(proposal) => Input::Proposal(proposal),
            ConsensusMessage::Polka(polka) => Input::PolkaCertificate(polka),
            ConsensusMessage::Round(round) => Input::RoundCertificate(round),
        }))
    }

    fn is_live(&self, height: Height) -> Result<bool, Dropped> {
        match self.ram.gate.place(height) {
            Place::Live(_) | Place::Early(_) => Ok(true),
            Place::Late(_) => Ok(false),
            Place::Outside(reason) => Err(reason),
        }
    }

    /// Checks a vote: whether its height is live, and whether the engine should get it.
    fn vote(&mut self, vote: &SignedVote, out: &mut Out) -> Result<(bool, Result<(), Dropped>), Dropped> {
        let live = self.is_live(vote.message.height)?;
        let validator = SETUP.set.get(&vote.message.validator).ok_or("unknown_validator")?;
        if !self.verifier.vote(&vote.message, &vote.signature, validator.public_key().as_bytes()) {
            return Err("bad_signature");
        }
        let (height, round) = (vote.message.height, vote.message.round);
        self.admitted(height, round, &ConsensusMessage::Vote(vote.clone()), out);
        let noted = self.ram.gate.note_vote(vote);
        let delivers = self.ram.gate.delivers(height, round, &noted);
        self.prove(noted.evidence(), out);
        Ok((live, delivers))
    }

    /// Tells the checker of a message of the rounds in which conflicts must be noticed.
    fn admitted(&self, height: Height, round: Round, message: &ConsensusMessage, out: &mut Out) {
        let now = self.ram.rounds.get(&height.0).copied().unwrap_or(0);
        let round = round.as_u32().unwrap_or(u32::MAX);
        if round <= now + WATCHED_AHEAD && round.saturating_add(WATCHED_BEHIND) >= now {
            out.facts.push(Fact::Admitted(message.clone()));
        }
    }

    fn certificate(
        &mut self,
        height: Height,
        votes: Vec<SignedVote>,
        out: &mut Out,
    ) -> Result<(Height, bool), Dropped> {
        if !self.is_live(height)? {
            return Err("height_behind");
        }
        if votes.len() > SETUP.set.validators().len() {
            return Err("oversized_certificate");
        }
        for vote in &votes {
            self.vote(vote, out).map(drop)?;
        }
        Ok((height, true))
    }

    /// Whoever signed something for a height says that it has started it.
    fn claimed(&mut self, message: &ConsensusMessage, height: u64) {
        let signers: Vec<Address> = match message {
            ConsensusMessage::Vote(vote) => vec![vote.message.validator],
            ConsensusMessage::Proposal(proposal) => vec![proposal.message.proposer],
            ConsensusMessage::Polka(polka) => polka.polka_signatures.iter().map(|s| s.address).collect(),
            ConsensusMessage::Round(round) => round.round_signatures.iter().map(|s| s.address).collect(),
        };
        for signer in signers {
            self.ram.claims.signed(signer, height);
        }
    }

    /// Starts the height that we wait to start if an honest validator surely has.
    fn wake(&mut self, out: &mut Out) {
        let started = self.ram.claims.started();
        if let Some(waiting) = self.ram.waiting.filter(|waiting| *waiting <= started) {
            out.facts.push(Fact::Woken(waiting));
            out.later.push((1, Task::StartHeight(waiting)));
        }
    }

    // Blocks.

    fn part(&mut self, from: usize, bytes: Bytes, out: &mut Out) -> Result<(), Dropped> {
        let part = decode_part(bytes).map_err(|_| "malformed")?;
        let (set, early) = match self.ram.gate.place(part.height) {
            Place::Live(set) => (set, false),
            Place::Early(set) => (set, true),
            Place::Late(_) => return Err("height_behind"),
            Place::Outside(reason) => return Err(reason),
        };
        check_proposer(&set, early, Some(self.address), &org(from), &part)?;
        if part.proposer != SETUP.addresses[from]
            && !self.ram.gate.proposed(part.height, part.proposer, part.round, &part.block_id)
        {
            return Err("not_proposed");
        }
        match self.ram.assembly.push(SETUP.peers[from], &part) {
            Step::Partial => Ok(()),
            Step::Refused(reason) => Err(reason),
            Step::Started(claim) => {
                if self.propose_known(claim, out) {
                    self.ram.assembly.abandon(&SETUP.peers[from]);
                }
                Ok(())
            }
            Step::Complete(claim, bytes) => {
                if self.propose_known(claim, out) {
                    Ok(())
                } else {
                    self.received(from, claim, bytes, out)
                }
            }
        }
    }

    fn propose_known(&mut self, claim: Claim, out: &mut Out) -> bool {
        let known = self.ram.blocks.get(&claim.block_id).cloned();
        let Some(known) = known.filter(|known| known.block.height == claim.height.0) else { return false };
        self.consider(claim, &known.block, out);
        true
    }

    fn received(&mut self, from: usize, claim: Claim, bytes: Bytes, out: &mut Out) -> Result<(), Dropped> {
        let id = identify(&bytes).map_err(|_| "no_block")?.2;
        let round = claim.round.as_u32().ok_or("no_round")?;
        if id != claim.block_id {
            return Err("not_as_claimed");
        }
        let Claim { height: Height(height), proposer, .. } = claim;
        let block = Arc::new(ConsensusBlock { height, round, proposer, id, bytes });
        self.ram.blocks.insert(Arc::clone(&block), None, org(from).parse().ok());
        self.consider(claim, &block, out);
        Ok(())
    }

    fn consider(&mut self, claim: Claim, block: &Arc<ConsensusBlock>, out: &mut Out) {
        let Some(round) = claim.round.as_u32() else { return };
        let (height, now) = self.ram.position;
        if height == claim.height.0 && !self.ram.gate.is_turn_of(claim.height, round, &claim.proposer) {
            return out.facts.push(Fact::Dropped("not_the_proposer"));
        }
        if height == claim.height.0 && self.ram.blocks.first_delivery(&claim.block_id, round, now) {
            let proposed = ConsensusBlock { round, proposer: claim.proposer, ..(**block).clone() };
            let delay = self.work();
            out.later.push((delay, Task::Judged(Arc::new(proposed), claim.valid_round)));
        }
    }

    pub fn consider_early(&mut self, height: Height, out: &mut Out) {
        let mut known = self.ram.blocks.at(height.0);
        known.sort_by_key(|known| known.block.id);
        for Known { block, .. } in known {
            let claim = claim(&block, Round::new(block.round), Round::Nil, block.proposer);
            self.consider(claim, &block, out);
        }
    }

    pub fn judged(
        &mut self,
        block: &Arc<ConsensusBlock>,
        valid_round: Round,
        out: &mut Out,
    ) -> Result<(), Stop> {
        if block.height != self.ledger.tip() + 1 {
            return Ok(());
        }
        self.store(block);
        let validity = self.verdict(block);
        let value = proposed_value(block, valid_round, validity);
        self.input(Input::ProposedValue(value, ValueOrigin::Consensus), out)
    }

    /// Builds, sends and stores the block of a round that is ours, or that of before a crash.
    pub fn propose(&mut self, height: Height, round: Round, out: &mut Out) -> Result<(), Stop> {
        let Some(number) = round.as_u32() else { return Ok(()) };
        if height.0 != self.ledger.tip() + 1 || self.ram.abstention.is_some() {
            return Ok(());
        }
        let mut own = self.ram.blocks.at(height.0);
        own.retain(|known| known.block.round == number && known.block.proposer == self.address);
        let block = match own.into_iter().map(|known| known.block).min_by_key(|block| block.id) {
            Some(block) => block,
            None => self.build(height.0, number, out),
        };
        self.send_parts(&block, round, Round::Nil, self.address, out);
        self.store(&block);
        self.input(Input::Propose(LocallyProposedValue::new(height, round, block.id)), out)
    }

    fn build(&mut self, height: u64, round: u32, out: &mut Out) -> Arc<ConsensusBlock> {
        let last_commit = self.ram.last_decision.clone().and_then(|(certificate, validators)| {
            let complete = self.ram.gate.complete(certificate, &validators);
            commit_from_certificate(&complete, &validators).ok()
        });
        let (id, bytes) = self.ledger.build(self.address, last_commit, out.now);
        out.facts.push(Fact::Built(id));
        let block = Arc::new(ConsensusBlock { height, round, proposer: self.address, id, bytes });
        self.ram.blocks.insert(Arc::clone(&block), Some(Verdict::Valid), None);
        block
    }

    fn send_parts(
        &self,
        block: &ConsensusBlock,
        round: Round,
        valid_round: Round,
        proposer: Address,
        out: &mut Out,
    ) {
        for part in parts(claim(block, round, valid_round, proposer), block.bytes.clone()) {
            if let Ok(bytes) = encode_part(&part) {
                out.sends.push((To::All, Channel::Parts, bytes));
            }
        }
    }

    pub fn restream(
        &mut self,
        round: Round,
        valid_round: Round,
        proposer: Address,
        id: &BlockId,
        out: &mut Out,
    ) {
        if let Some(known) = self.ram.blocks.get(id).cloned() {
            self.send_parts(&known.block, round, valid_round, proposer, out);
        }
    }

    fn store(&mut self, block: &Arc<ConsensusBlock>) {
        if !self.ram.blocks.get(&block.id).is_some_and(|known| known.stored) {
            self.undecided.push((**block).clone());
            self.ram.blocks.mark_stored(&block.id);
        }
    }

    fn verdict(&mut self, block: &ConsensusBlock) -> Validity {
        if self.mutation == Some(Mutation::NoValidation) {
            return Validity::Valid;
        }
        let before = self.ram.blocks.get(&block.id).and_then(|known| known.verdict.clone());
        if before == Some(Verdict::Valid) {
            return Validity::Valid;
        }
        let (verdict, validity) = match self.ledger.check(block) {
            Ok(()) => (Verdict::Valid, Validity::Valid),
            Err(reason) => (Verdict::Invalid { reason }, Validity::Invalid),
        };
        self.ram.blocks.judge(&block.id, verdict);
        validity
    }

    // Decisions.

    pub fn decided(&mut self, certificate: CommitCertificate, out: &mut Out) {
        self.flush();
        self.ram.finalized = false;
        out.facts.push(Fact::Decided(certificate.round));
        let delay = self.work();
        out.later.push((delay, Task::Commit(certificate)));
    }

    pub fn commit(&mut self, certificate: &CommitCertificate, out: &mut Out) -> Result<(), Stop> {
        let fail = |what: &str| Stop::Failed(format!("height {} {what}", certificate.height));
        let id = certificate.value_id;
        let known = self.ram.blocks.get(&id).map(|known| known.block.bytes.clone());
        let stored = || self.undecided.iter().find(|block| block.id == id).map(|block| block.bytes.clone());
        let bytes = known.or_else(stored).ok_or_else(|| fail("is decided for an unknown block"))?;
        let comet_id = identify(&bytes).map_err(|_| fail("is decided for no block"))?.1;
        let mut complete = self.ram.gate.complete(certificate.clone(), &SETUP.set);
        // The gate does not order them; the same seed must give the same bytes.
        complete.commit_signatures.sort_by_key(|signature| signature.address);
        let commit = commit_from_certificate(&complete, &SETUP.set)
            .map_err(|error| fail(&format!("has no commit: {error}")))?;
        let mut back = certificate_from_commit(&commit)
            .map_err(|error| fail(&format!("has a commit without a certificate: {error}")))?;
        back.commit_signatures.sort_by_key(|signature| signature.address);
        let signatures = back.commit_signatures.iter().map(|entry| (entry.address, entry.signature));
        let original = complete.commit_signatures.iter().map(|entry| (entry.address, entry.signature));
        let same = (back.height, back.round, back.value_id)
            == (complete.height, complete.round, complete.value_id)
            && signatures.eq(original);
        if !same {
            return Err(fail("has a certificate that its commit changes"));
        }
        let committed = Committed { id, comet_id, bytes, commit };
        self.ledger.push(committed.clone());
        let height = certificate.height.0;
        self.undecided.retain(|block| block.height > height);
        self.ram.last_decision = Some((certificate.clone(), SETUP.set.clone()));
        self.ram.blocks.prune(height + 1);
        self.advance(Height(height + 1));
        out.facts.push(Fact::Committed(Box::new((height, committed))));
        self.reconsider_abstention(height, id.time, out);
        self.status(To::All, out);
        self.maybe_wait(out);
        Ok(())
    }

    pub fn advance(&mut self, height: Height) {
        let weighs = self.mutation != Some(Mutation::Credulous);
        let (set, upcoming) = (set_at(height.0), set_at(height.0 + 1));
        self.ram.claims.advance(set.clone(), weighs);
        self.ram.gate.advance(height, set, upcoming);
    }

    /// Waits for a reason to start the next height, once this one is committed and finalized.
    pub fn maybe_wait(&mut self, out: &mut Out) {
        let next = self.ledger.tip() + 1;
        if self.ram.finalized && next > self.ram.position.0 && self.ram.waiting.is_none() {
            self.ram.waiting = Some(next);
            let delay = self.rng.between(1, self.pace_us);
            out.later.push((delay, Task::StartHeight(next)));
        }
    }

    // Sync.

    pub fn announce(&mut self, out: &mut Out) {
        self.status(To::All, out);
        out.later.push((STATUS_INTERVAL, Task::Announce));
    }

    fn status(&self, to: To, out: &mut Out) {
        let status = SyncMessage::Status { tip: Height(self.ledger.tip()), earliest: Height(1) };
        send_sync(to, &status, out);
    }

    fn sync(&mut self, from: usize, bytes: Bytes, out: &mut Out) -> Result<Option<Input>, Dropped> {
        match decode_sync(bytes).map_err(|_| "malformed")? {
            SyncMessage::Status { tip, .. } => {
                if let Ok(org) = org(from).parse() {
                    self.ram.claims.tip(SETUP.peers[from], org, tip.0);
                    self.wake(out);
                }
                let Some(Height(current)) = self.ram.gate.current() else { return Ok(None) };
                if tip.0 >= current && tip.0 - current <= 1 {
                    let stuck = Task::FetchIfStuck { from, tip: tip.0, at: current };
                    out.later.push((STATUS_PATIENCE, stuck));
                } else if tip.0 >= current {
                    self.fetch(from, tip.0, out);
                }
                Ok(None)
            }
            SyncMessage::Request { id, request: Request::ValueRequest(wanted) } => {
                if wanted.range.is_empty() {
                    return Err("empty_request");
                }
                self.serve(from, id, &wanted, out);
                Ok(None)
            }
            SyncMessage::Response { id, response: Response::ValueResponse(response) } => {
                if self.ram.request.take_if(|open| *open == (id, from)).is_none() {
                    return Err("unsolicited_response");
                }
                let first = response.start_height.0;
                let numbered = (first..first.saturating_add(SYNC_BATCH)).zip(response.values);
                self.ram.fetched = numbered.map(|(height, value)| (height, (from, value))).collect();
                Ok(self.next_fetched())
            }
        }
    }

    fn serve(&self, to: usize, id: u64, wanted: &ValueRequest<ConcordatContext>, out: &mut Out) {
        let first = wanted.range.start().0;
        let last = wanted.range.end().0.min(first.saturating_add(SYNC_BATCH - 1));
        let stored = |height| {
            let committed = self.ledger.at(height)?;
            let certificate = certificate_from_commit(&committed.commit).ok()?;
            let block = SyncedBlock { bytes: committed.bytes.clone(), ..SyncedBlock::default() };
            Some(RawDecidedValue::new(block.join(), certificate))
        };
        let values = (first..=last).map_while(stored).collect();
        let response = Response::ValueResponse(ValueResponse::new(Height(first), values));
        send_sync(To::One(to), &SyncMessage::Response { id, response }, out);
    }

    pub fn fetch(&mut self, from: usize, tip: u64, out: &mut Out) {
        let Some(Height(current)) = self.ram.gate.current() else { return };
        if self.ram.request.is_some() || tip < current {
            return;
        }
        let id = self.fresh();
        self.ram.request = Some((id, from));
        let last = tip.min(current.saturating_add(SYNC_BATCH - 1));
        let request = Request::ValueRequest(ValueRequest::new(Height(current)..=Height(last)));
        send_sync(To::One(from), &SyncMessage::Request { id, request }, out);
        out.later.push((REQUEST_TIMEOUT, Task::RequestExpired(id)));
    }

    /// The fetched block of the present height, if the engine can take it.
    fn next_fetched(&mut self) -> Option<Input> {
        let height = self.ram.engine.as_ref()?.height().0;
        let (from, value) = self.ram.fetched.remove(&height)?;
        Some(Input::SyncValueResponse(CoreValueResponse::new(
            SETUP.peers[from],
            SyncedBlock::split(&value.value_bytes).bytes,
            value.certificate,
        )))
    }

    pub fn feed_fetched(&mut self, out: &mut Out) -> Result<(), Stop> {
        match self.next_fetched() {
            Some(input) => self.input(input, out),
            None => Ok(()),
        }
    }

    /// Judges a block that a peer says was decided; the engine has checked the certificate.
    pub fn judge_synced(
        &mut self,
        response: CoreValueResponse<ConcordatContext>,
        proposer: Address,
        out: &mut Out,
    ) {
        let certificate = response.certificate;
        let Ok((_, _, id)) = identify(&response.value_bytes) else {
            return out.facts.push(Fact::Dropped("synced_no_block"));
        };
        if id != certificate.value_id || response.value_bytes.len() > MAX_BLOCK_BYTES {
            return out.facts.push(Fact::Dropped("synced_other_block"));
        }
        let Some(round) = certificate.round.as_u32() else { return };
        let (height, bytes) = (certificate.height.0, response.value_bytes);
        let block = Arc::new(ConsensusBlock { height, round, proposer, id, bytes });
        self.ram.blocks.insert(Arc::clone(&block), None, None);
        self.store(&block);
        let validity = self.verdict(&block);
        out.facts.push(Fact::Synced);
        let delay = self.work();
        out.later.push((delay, Task::Synced(proposed_value(&block, Round::Nil, validity))));
    }
}

fn claim(block: &ConsensusBlock, round: Round, valid_round: Round, proposer: Address) -> Claim {
    Claim {
        height: Height(block.height),
        round,
        valid_round,
        proposer,
        block_id: block.id,
        total_bytes: block.bytes.len() as u64,
    }
}

fn proposed_value(block: &ConsensusBlock, valid_round: Round, validity: Validity) -> ProposedValue {
    ProposedValue {
        height: Height(block.height),
        round: Round::new(block.round),
        valid_round,
        proposer: block.proposer,
        value: block.id,
        validity,
    }
}

fn send_sync(to: To, message: &SyncMessage, out: &mut Out) {
    if let Ok(bytes) = encode_sync(message) {
        out.sends.push((to, Channel::Sync, bytes));
    }
}

/// The type of a vote as a small number, for keys.
pub fn vote_kind(vote_type: VoteType) -> u8 {
    match vote_type {
        VoteType::Prevote => 1,
        VoteType::Precommit => 2,
    }
}
