//! One validator: the engine's pure core between our gate, signer and log, with the disk in memory.
//!
//! Does what `Consensus`, the engine's actor, does with each effect, but at once and in order. What takes
//! time or leaves the node is put into [`Out`] for the world to carry out.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use arc_malachitebft_core_consensus::{
    self as core, Effect, LivenessMsg, Params, Resumable, Resume, SignedConsensusMsg, State, process,
};
use arc_malachitebft_core_types::{
    Round, SignedMessage, ThresholdParam, ThresholdParams, Timeout, ValuePayload, VoteExtensionPolicy,
};
use arc_malachitebft_metrics::Metrics;
use arc_malachitebft_signing::{Signer, VerifierExt};
use arc_malachitebft_sync::RawDecidedValue;
use bytes::Bytes;
use concordat_consensus::{
    Address, BlockTime, ConsensusBlock, ConsensusMetrics, ConsensusSigner, Evidence, ValidatorSet,
    codec::{CodecError, ConsensusMessage, encode_consensus, encode_liveness},
    context::{CommitCertificate, ConcordatContext, Height},
    default_timeouts,
    internals::{Assembly, Blocks, Claims, EngineSigner, Gate, is_abstention},
    signing::{Abstention, CachingVerifier, SignBytes},
};

use crate::{
    ledger::{CHAIN, Committed, Ledger, SETUP, block_time, set_at},
    plan::Mutation,
    rng::Rng,
    signer::{MemorySigner, ready},
    wal::Wal,
};

pub type Input = core::Input<ConcordatContext>;
pub type ProposedValue = core::ProposedValue<ConcordatContext>;
type Outcome = Result<Resume<ConcordatContext>, Stop>;

/// Metrics are no part of a run.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
static OUR_METRICS: LazyLock<Arc<ConsensusMetrics>> = LazyLock::new(Arc::default);

pub const MAX_BLOCK_BYTES: usize = 64 * 1024;

/// Clocks show the same time here; only how fast timers run differs.
const CLOCK_PRECISION: Duration = Duration::from_millis(5);

/// Why a node does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It crashed, as planned.
    Crashed,
    /// It would stop for good, which must never happen.
    Failed(String),
}

/// What a node does later, in its own time.
#[derive(Clone, Debug)]
pub enum Task {
    Timer(Timeout, u64),
    StartHeight(u64),
    Propose(Height, Round),
    Judged(Arc<ConsensusBlock>, Round),
    Synced(ProposedValue),
    Commit(CommitCertificate),
    Announce,
    FetchIfStuck { from: usize, tip: u64, at: u64 },
    RequestExpired(u64),
}

/// Something that the checker wants to know.
#[derive(Clone, Debug)]
pub enum Fact {
    /// This node built a block.
    Built(concordat_consensus::BlockId),
    /// A message whose signature is good, and whose step is watched, passed the gate.
    Admitted(ConsensusMessage),
    Proven(Evidence),
    Decided(Round),
    Committed(Box<(u64, Committed)>),
    Dropped(&'static str),
    /// It refused a block of this node, whose turn it was not.
    NotItsTurn(usize),
    /// This node did what leads to a ban.
    Offence(usize),
    /// It starts a height because others are believed to have done so.
    Woken(u64),
    Started(u64),
    Round(u32),
    Reproposed,
    Replayed,
    /// It abstained without its guard, and has begun a new one.
    VotesAgain,
    Synced,
}

/// What a message is about: the mesh keeps these apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    Consensus,
    Parts,
    Sync,
}

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    All,
    One(usize),
}

/// What a node wants done.
#[derive(Debug, Default)]
pub struct Out {
    /// Virtual time, in microseconds.
    pub now: u64,
    pub sends: Vec<(To, Channel, Bytes)>,
    /// Delays in microseconds of the node's own clock.
    pub later: Vec<(u64, Task)>,
    pub facts: Vec<Fact>,
}

/// What a crash wipes out.
pub(crate) struct Volatile {
    pub engine: Option<State<ConcordatContext>>,
    pub gate: Gate,
    pub claims: Claims,
    pub blocks: Blocks,
    pub assembly: Assembly,
    pub position: (u64, u32),
    /// The last round of each height.
    pub rounds: BTreeMap<u64, u32>,
    /// The height to start next, while waiting for a reason to.
    pub waiting: Option<u64>,
    pub finalized: bool,
    pub last_decision: Option<(CommitCertificate, ValidatorSet)>,
    pub request: Option<(u64, usize)>,
    /// Set while it does not vote because its guard is lost.
    pub abstention: Option<Abstention>,
    pub fetched: BTreeMap<u64, (usize, RawDecidedValue<ConcordatContext>)>,
    timers: Vec<(Timeout, u64)>,
    recovering: bool,
    /// Effects left to live.
    fuse: Option<u32>,
}

impl Volatile {
    fn new() -> Self {
        Self {
            engine: None,
            gate: Gate::default(),
            claims: Claims::default(),
            blocks: Blocks::default(),
            assembly: Assembly::new(MAX_BLOCK_BYTES),
            position: (0, 0),
            rounds: BTreeMap::new(),
            waiting: None,
            finalized: false,
            last_decision: None,
            request: None,
            abstention: None,
            fetched: BTreeMap::new(),
            timers: Vec::new(),
            recovering: false,
            fuse: None,
        }
    }
}

/// A validator's node.
pub struct Node {
    pub address: Address,
    pub mutation: Option<Mutation>,
    pub work_us: u64,
    pub pace_us: u64,
    /// Counts restarts: what was planned before a crash does not happen after it.
    pub incarnation: u32,
    pub rng: Rng,
    // The disk.
    pub ledger: Ledger,
    pub undecided: Vec<ConsensusBlock>,
    pub signer: Arc<MemorySigner>,
    wal: Wal,
    // The process.
    pub(crate) ram: Volatile,
    pub verifier: CachingVerifier,
    engine_signer: EngineSigner,
    pub counter: u64,
}

impl Node {
    pub fn new(
        index: usize,
        guarded: bool,
        mutation: Option<Mutation>,
        verifier: CachingVerifier,
        rng: Rng,
    ) -> Self {
        let signer = MemorySigner::new(SETUP.seeds[index], guarded);
        let engine_signer = EngineSigner {
            signer: Arc::clone(&signer) as _,
            sign_bytes: SignBytes::new(CHAIN),
            verifier: verifier.clone(),
            metrics: Arc::clone(&OUR_METRICS),
        };
        Self {
            address: SETUP.addresses[index],
            mutation,
            work_us: 1,
            pace_us: 1,
            incarnation: 0,
            rng,
            ledger: Ledger::default(),
            undecided: Vec::new(),
            signer,
            wal: Wal::default(),
            ram: Volatile::new(),
            verifier,
            engine_signer,
            counter: 0,
        }
    }

    /// A number that this node has not used before.
    pub fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Some time that work takes.
    pub fn work(&mut self) -> u64 {
        self.rng.between(1, self.work_us)
    }

    /// Starts the process on what the disk holds.
    pub fn start(&mut self, out: &mut Out) {
        let height = self.ledger.tip() + 1;
        if !self.signer.has_record() {
            if self.mutation == Some(Mutation::NoAbstention) {
                let _ = ready(self.signer.begin_record(0));
            } else {
                self.ram.abstention = Some(Abstention::new(block_time(out.now), CLOCK_PRECISION));
            }
        }
        for block in &self.undecided {
            if block.height == height {
                self.ram.blocks.insert(Arc::new(block.clone()), None, None);
            }
        }
        self.advance(Height(height));
        self.ram.waiting = Some(height);
        out.later.push((1, Task::StartHeight(height)));
        out.later.push((1, Task::Announce));
    }

    /// Ends the process. What was written but not synced may be lost from some point on.
    pub fn crash(&mut self, loses_log: bool, loses_guard: bool) {
        self.incarnation += 1;
        self.ram = Volatile::new();
        let survives = self.rng.next();
        self.wal.crash(survives);
        if loses_log {
            self.wal = Wal::default();
        }
        if loses_guard {
            self.signer.forget();
        }
    }

    /// A block was committed: the guard may be begun anew.
    pub fn reconsider_abstention(&mut self, height: u64, block: BlockTime, out: &mut Out) {
        let Some(abstention) = &mut self.ram.abstention else { return };
        if abstention.ends(block, block_time(out.now), true)
            && ready(self.signer.begin_record(height)).is_ok()
        {
            self.ram.abstention = None;
            out.facts.push(Fact::VotesAgain);
        }
    }

    /// Lets the node die after so many effects.
    pub fn light_fuse(&mut self, effects: u32) {
        self.ram.fuse = Some(effects);
    }

    /// Does what was to be done later.
    pub fn task(&mut self, task: Task, out: &mut Out) -> Result<(), Stop> {
        match task {
            Task::Timer(timeout, token) => {
                let before = self.ram.timers.len();
                self.ram.timers.retain(|entry| *entry != (timeout, token));
                if self.ram.timers.len() == before {
                    return Ok(());
                }
                self.input(Input::TimeoutElapsed(timeout), out)
            }
            Task::StartHeight(height) => self.start_height(height, out),
            Task::Propose(height, round) => self.propose(height, round, out),
            Task::Judged(block, valid_round) => self.judged(&block, valid_round, out),
            Task::Synced(value) => self.input(Input::ProposedValue(value, core_sync_origin()), out),
            Task::Commit(certificate) => self.commit(&certificate, out),
            Task::Announce => {
                self.announce(out);
                Ok(())
            }
            Task::FetchIfStuck { from, tip, at } => {
                if self.ram.gate.current() == Some(Height(at)) {
                    self.fetch(from, tip, out);
                }
                Ok(())
            }
            Task::RequestExpired(id) => {
                self.ram.request = self.ram.request.filter(|(open, _)| *open != id);
                Ok(())
            }
        }
    }

    fn start_height(&mut self, height: u64, out: &mut Out) -> Result<(), Stop> {
        if self.ram.waiting != Some(height) {
            return Ok(());
        }
        self.ram.waiting = None;
        if self.ram.engine.is_none() {
            self.ram.engine = Some(self.new_engine(Height(height)));
        }
        let entries = self.wal.start(height).map_err(Stop::Failed)?;
        let policy = VoteExtensionPolicy::default();
        self.input(Input::StartHeight(Height(height), set_at(height), false, None, policy), out)?;
        if !entries.is_empty() {
            self.replay(entries, out)?;
        }
        self.feed_fetched(out)
    }

    /// Replays the log as the engine's actor does.
    fn replay(&mut self, entries: Vec<Input>, out: &mut Out) -> Result<(), Stop> {
        out.facts.push(Fact::Replayed);
        self.ram.recovering = true;
        if let Some(engine) = &mut self.ram.engine {
            engine.record_recovered_own_precommit_extensions(&entries);
            engine.index_wal_entries(&entries);
        }
        for entry in entries {
            self.input(entry, out)?;
        }
        if let Some(engine) = &mut self.ram.engine {
            engine.reset_entries_index();
        }
        self.ram.recovering = false;
        Ok(())
    }

    fn new_engine(&self, height: Height) -> State<ConcordatContext> {
        let mut threshold_params = ThresholdParams::default();
        if self.mutation == Some(Mutation::WeakQuorum) {
            threshold_params.quorum = ThresholdParam::F_PLUS_ONE;
        }
        let params = Params {
            address: self.address,
            threshold_params,
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        State::new(ConcordatContext, height, set_at(height.0), params, 10, 500)
    }

    /// Gives the engine an input and does what it wants, unless the node dies over it.
    pub fn input(&mut self, input: Input, out: &mut Out) -> Result<(), Stop> {
        let Some(mut engine) = self.ram.engine.take() else { return Ok(()) };
        let result: Result<(), core::Error<ConcordatContext>> = process!(
            input: input,
            state: &mut engine,
            metrics: &METRICS,
            with: effect => match self.burn().and_then(|()| self.effect(effect, out)) {
                Ok(resume) => Ok::<_, String>(resume),
                Err(stop) => return Err(stop),
            }
        );
        self.ram.engine = Some(engine);
        result.map_err(|error| Stop::Failed(format!("the engine fails: {error}")))
    }

    fn burn(&mut self) -> Result<(), Stop> {
        match &mut self.ram.fuse {
            None => Ok(()),
            Some(0) => Err(Stop::Crashed),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    #[allow(clippy::unit_arg, reason = "an effect's answer is what carrying it out gives, often nothing")]
    fn effect(&mut self, effect: Effect<ConcordatContext>, out: &mut Out) -> Outcome {
        let resumed = match effect {
            Effect::CancelAllTimeouts(r) => r.resume_with(self.ram.timers.clear()),
            Effect::CancelTimeout(timeout, r) => r.resume_with(self.cancel(timeout)),
            Effect::ScheduleTimeout(timeout, r) => r.resume_with(self.schedule(timeout, out)),
            Effect::StartRound(height, round, _, _, r) => r.resume_with(self.started(height, round, out)),
            Effect::PublishConsensusMsg(message, r) => r.resume_with(self.publish(&message, out)?),
            Effect::PublishLivenessMsg(message, r) => r.resume_with(self.publish_liveness(&message, out)?),
            Effect::RepublishVote(vote, r) => {
                r.resume_with(self.publish_liveness(&LivenessMsg::Vote(vote), out)?)
            }
            Effect::RepublishRoundCertificate(certificate, r) => {
                r.resume_with(self.publish_liveness(&LivenessMsg::SkipRoundCertificate(certificate), out)?)
            }
            Effect::GetValue(height, round, _, r) => {
                let delay = self.work();
                r.resume_with(out.later.push((delay, Task::Propose(height, round))))
            }
            Effect::RestreamProposal(_, round, valid_round, address, id, r) => {
                r.resume_with(self.restream(round, valid_round, address, &id, out))
            }
            Effect::CertVerifiedSyncValue(value, proposer, r) => {
                r.resume_with(self.judge_synced(value, proposer, out))
            }
            Effect::CertRejectedSyncValue(_, _, _, r) => {
                self.ram.fetched.clear();
                r.resume_with(out.facts.push(Fact::Dropped("certificate_rejected")))
            }
            Effect::Decide(certificate, _, r) => r.resume_with(self.decided(certificate, out)),
            Effect::Finalize(_, _, _, r) => {
                self.ram.finalized = true;
                r.resume_with(self.maybe_wait(out))
            }
            Effect::WalAppend(height, entry, r) => {
                if !self.ram.recovering {
                    self.wal.append(height.0, entry).map_err(Stop::Failed)?;
                }
                r.resume_with(())
            }
            Effect::ExtendVote(.., r) => r.resume_with(None),
            Effect::VerifyVoteExtension(.., r) => {
                r.resume_with(Err(core::VoteExtensionError::InvalidVoteExtension))
            }
            other => return self.signatures(other),
        };
        Ok(resumed)
    }

    fn signatures(&mut self, effect: Effect<ConcordatContext>) -> Outcome {
        let failed = |error| Stop::Failed(format!("the signer fails: {error}"));
        let (verifier, context) = (&self.verifier, &ConcordatContext);
        let resumed = match effect {
            Effect::SignVote(vote, r) => {
                r.resume_with(ready(self.engine_signer.sign_vote(vote)).map_err(failed)?)
            }
            Effect::SignProposal(proposal, r) => {
                r.resume_with(ready(self.engine_signer.sign_proposal(proposal)).map_err(failed)?)
            }
            Effect::VerifySignature(SignedMessage { message, signature }, key, r) => {
                r.resume_with(match &message {
                    core::ConsensusMsg::Vote(vote) => verifier.vote(vote, &signature, key.as_bytes()),
                    core::ConsensusMsg::Proposal(proposal) => {
                        verifier.proposal(proposal, &signature, key.as_bytes())
                    }
                })
            }
            Effect::VerifyCommitCertificate(certificate, set, thresholds, r) => r.resume_with(ready(
                verifier.verify_commit_certificate(context, &certificate, &set, thresholds),
            )),
            Effect::VerifyExtendedCommitCertificate(certificate, set, thresholds, policy, r) => {
                let verified = verifier.verify_extended_commit_certificate(
                    context,
                    &certificate,
                    &set,
                    thresholds,
                    policy,
                );
                r.resume_with(ready(verified))
            }
            Effect::VerifyPolkaCertificate(certificate, set, thresholds, r) => r.resume_with(ready(
                verifier.verify_polka_certificate(context, &certificate, &set, thresholds),
            )),
            Effect::VerifyRoundCertificate(certificate, set, thresholds, r) => r.resume_with(ready(
                verifier.verify_round_certificate(context, &certificate, &set, thresholds),
            )),
            other => return Err(Stop::Failed(format!("unknown effect {other:?}"))),
        };
        Ok(resumed)
    }

    fn cancel(&mut self, timeout: Timeout) {
        self.ram.timers.retain(|(running, _)| *running != timeout);
    }

    fn schedule(&mut self, timeout: Timeout, out: &mut Out) {
        self.cancel(timeout);
        let token = self.fresh();
        self.ram.timers.push((timeout, token));
        let delay = default_timeouts().duration_for(timeout).as_micros() as u64;
        out.later.push((delay, Task::Timer(timeout, token)));
    }

    fn started(&mut self, height: Height, round: Round, out: &mut Out) {
        self.wal.flush();
        let number = round.as_u32().unwrap_or(0);
        let new_height = self.ram.position.0 != height.0;
        self.ram.position = (height.0, number);
        self.ram.rounds.insert(height.0, number);
        self.ram.gate.enter_round(height, number);
        out.facts.push(Fact::Round(number));
        if new_height {
            out.facts.push(Fact::Started(height.0));
            self.consider_early(height, out);
        }
    }

    fn publish(&mut self, message: &SignedConsensusMsg<ConcordatContext>, out: &mut Out) -> Result<(), Stop> {
        self.wal.flush();
        if is_abstention(message.signature()) {
            return Ok(());
        }
        let noted = match message {
            SignedConsensusMsg::Vote(vote) => self.ram.gate.note_vote(vote),
            SignedConsensusMsg::Proposal(proposal) => {
                if proposal.message.pol_round.is_defined() {
                    out.facts.push(Fact::Reproposed);
                }
                self.ram.gate.note_proposal(proposal)
            }
        };
        self.prove(noted.evidence(), out);
        broadcast(encode_consensus(message), out)
    }

    fn publish_liveness(
        &mut self,
        message: &LivenessMsg<ConcordatContext>,
        out: &mut Out,
    ) -> Result<(), Stop> {
        if matches!(message, LivenessMsg::Vote(vote) if is_abstention(&vote.signature)) {
            return Ok(());
        }
        broadcast(encode_liveness(message), out)
    }

    pub fn prove(&self, evidence: Option<Evidence>, out: &mut Out) {
        if let Some(evidence) = evidence.filter(|_| self.mutation != Some(Mutation::NoEvidence)) {
            out.facts.push(Fact::Proven(evidence));
        }
    }

    /// The height and round it is in.
    pub fn position(&self) -> (u64, u32) {
        self.ram.position
    }

    /// Syncs the log, as before anything that depends on it.
    pub fn flush(&mut self) {
        self.wal.flush();
    }
}

fn core_sync_origin() -> arc_malachitebft_core_types::ValueOrigin {
    arc_malachitebft_core_types::ValueOrigin::Sync
}

fn broadcast(encoded: Result<Bytes, CodecError>, out: &mut Out) -> Result<(), Stop> {
    let bytes = encoded.map_err(|error| Stop::Failed(format!("a message cannot be encoded: {error}")))?;
    out.sends.push((To::All, Channel::Consensus, bytes));
    Ok(())
}
