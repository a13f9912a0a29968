//! What must hold in every run. Sees all nodes at once, and relies on none of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use arc_malachitebft_core_types::NilOrVal;
use concordat_consensus::{Address, BlockId, Evidence, codec::ConsensusMessage, signing::SignStep};
use concordat_types::commit::verify_commit;

use crate::{
    host::vote_kind,
    ledger::{CHAIN, Committed, SETUP, VALIDATORS, identify, index_of},
    node::Fact,
    plan::Plan,
    signer::Signed,
};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Two correct nodes decided differently.
    Disagreement { height: u64, node: usize },
    /// A decided block that nobody built, or that breaks the ledger's rule.
    InvalidDecision { height: u64, node: usize },
    /// A decided block whose commit does not verify.
    BadCommit { height: u64, node: usize, reason: String },
    /// A correct validator signed two messages for one step.
    DoubleSigned { node: usize, at: (u64, u32, SignStep) },
    /// Two conflicting messages reached a correct node, which noticed nothing.
    MissingEvidence { node: usize, validator: Address, height: u64, round: i64 },
    /// Evidence against a correct validator.
    Framed { node: usize, validator: Address },
    /// A correct node started a height that no correct node had a reason to start.
    WokenByLie { node: usize, height: u64 },
    /// A correct node is blamed for what only a traitor does: it passed on what another made.
    HonestBlamed { node: usize, from: usize },
    /// A correct node refused the block of a correct proposer.
    HonestBlockRefused { node: usize, from: usize },
    /// Some correct node does not get on although the network is well again.
    Stalled { tips: Vec<u64> },
    /// A correct node stopped for good.
    NodeFailed { node: usize, reason: String },
    /// The engine or our code panicked.
    Panic { reason: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What runs went through: a simulation that never gets into trouble shows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    pub runs: u64,
    pub heights: u64,
    pub late_decisions: u64,
    pub highest_round: u32,
    pub reproposals: u64,
    pub crashes: u64,
    pub replays: u64,
    /// Messages that a traitor alone can be blamed for.
    pub offences: u64,
    /// Heights started because others had.
    pub woken: u64,
    /// Validators that lost their guard and came to vote again.
    pub vote_again: u64,
    pub refused_signatures: u64,
    pub synced: u64,
    pub evidence: u64,
    pub dropped: BTreeMap<&'static str, u64>,
    /// The longest time from healing to the end, in virtual microseconds.
    pub slowest_us: u64,
    /// The seed that took it.
    pub slowest_seed: u64,
}

impl Coverage {
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.heights += other.heights;
        self.late_decisions += other.late_decisions;
        self.highest_round = self.highest_round.max(other.highest_round);
        self.reproposals += other.reproposals;
        self.crashes += other.crashes;
        self.replays += other.replays;
        self.offences += other.offences;
        self.woken += other.woken;
        self.vote_again += other.vote_again;
        self.refused_signatures += other.refused_signatures;
        self.synced += other.synced;
        self.evidence += other.evidence;
        if other.slowest_us > self.slowest_us {
            (self.slowest_us, self.slowest_seed) = (other.slowest_us, other.slowest_seed);
        }
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
    }
}

/// A step of one validator: address, height, round, and 0 for a proposal or the vote's type.
type Key = (Address, u64, i64, u8);

/// What one node was told by each validator at each step since it started.
#[derive(Default)]
struct Heard {
    first: BTreeMap<Key, String>,
    proven: BTreeSet<Key>,
}

/// Watches a run.
pub struct Checker {
    correct: [bool; VALIDATORS],
    decided: BTreeMap<u64, BlockId>,
    /// All blocks there are, and whether they keep the ledger's rule.
    blocks: BTreeMap<BlockId, bool>,
    heard: [Heard; VALIDATORS],
    /// The highest height that a correct node has started.
    started: u64,
    pub coverage: Coverage,
}

impl Checker {
    pub fn new(plan: &Plan) -> Self {
        Self {
            correct: std::array::from_fn(|node| plan.is_correct(node)),
            decided: BTreeMap::new(),
            blocks: BTreeMap::new(),
            heard: Default::default(),
            started: 0,
            coverage: Coverage { runs: 1, ..Coverage::default() },
        }
    }

    /// A block came into the world.
    pub fn introduce(&mut self, id: BlockId, valid: bool) {
        self.blocks.insert(id, valid);
    }

    /// A node forgot what it was told.
    pub fn crashed(&mut self, node: usize) {
        self.coverage.crashes += 1;
        self.heard[node] = Heard::default();
    }

    /// Takes what a node did in one go. Gives what is wrong about it.
    pub fn observe(&mut self, node: usize, facts: Vec<Fact>) -> Vec<Violation> {
        let mut conflicts = Vec::new();
        let mut violations = Vec::new();
        for fact in facts {
            if let Fact::Built(id) = fact {
                self.introduce(id, true);
            }
            if !self.correct[node] {
                continue;
            }
            match fact {
                Fact::Built(_) => {}
                Fact::Admitted(message) => conflicts.extend(self.heard[node].note(&message)),
                Fact::Proven(evidence) => violations.extend(self.proven(node, &evidence).err()),
                Fact::Committed(committed) => {
                    violations.extend(self.committed(node, committed.0, &committed.1).err());
                }
                Fact::Decided(round) => self.coverage.late_decisions += u64::from(round.as_i64() > 0),
                Fact::NotItsTurn(from) if self.correct[from] => {
                    violations.push(Violation::HonestBlockRefused { node, from });
                }
                Fact::Offence(from) if self.correct[from] => {
                    violations.push(Violation::HonestBlamed { node, from });
                }
                Fact::NotItsTurn(_) => {}
                Fact::Offence(_) => self.coverage.offences += 1,
                Fact::Dropped(reason) => *self.coverage.dropped.entry(reason).or_default() += 1,
                Fact::Woken(height) => {
                    self.coverage.woken += 1;
                    if height > self.started {
                        violations.push(Violation::WokenByLie { node, height });
                    }
                }
                Fact::Started(height) => self.started = self.started.max(height),
                Fact::Round(round) => self.coverage.highest_round = self.coverage.highest_round.max(round),
                Fact::Reproposed => self.coverage.reproposals += 1,
                Fact::Replayed => self.coverage.replays += 1,
                Fact::VotesAgain => self.coverage.vote_again += 1,
                Fact::Synced => self.coverage.synced += 1,
            }
        }
        let unproven = conflicts.into_iter().filter(|key| !self.heard[node].proven.contains(key));
        violations.extend(unproven.map(|(validator, height, round, _)| Violation::MissingEvidence {
            node,
            validator,
            height,
            round,
        }));
        violations
    }

    fn proven(&mut self, node: usize, evidence: &Evidence) -> Result<(), Violation> {
        let validator = evidence.validator();
        if index_of(&validator).is_none_or(|index| self.correct[index]) {
            return Err(Violation::Framed { node, validator });
        }
        self.coverage.evidence += 1;
        let (round, kind) = match evidence {
            Evidence::Votes { first, .. } => (first.message.round, vote_kind(first.message.vote_type)),
            Evidence::Proposals { first, .. } => (first.message.round, 0),
        };
        self.heard[node].proven.insert((validator, evidence.height().0, round.as_i64(), kind));
        Ok(())
    }

    fn committed(&mut self, node: usize, height: u64, committed: &Committed) -> Result<(), Violation> {
        self.coverage.heights += 1;
        if *self.decided.entry(height).or_insert(committed.id) != committed.id {
            return Err(Violation::Disagreement { height, node });
        }
        let named = identify(&committed.bytes).is_ok_and(|(_, _, id)| id == committed.id);
        if !named || self.blocks.get(&committed.id) != Some(&true) {
            return Err(Violation::InvalidDecision { height, node });
        }
        verify_commit(&committed.commit, CHAIN, height, &committed.comet_id, &SETUP.comet)
            .map(|_| ())
            .map_err(|error| Violation::BadCommit { height, node, reason: error.to_string() })
    }

    /// What a validator ever signed has no two messages for one step.
    pub fn signed(&self, node: usize, log: &[Signed]) -> Result<(), Violation> {
        let mut steps = BTreeMap::new();
        for Signed { height, round, step, message_hash } in log {
            let at = (*height, *round, *step);
            if *steps.entry(at).or_insert(message_hash) != message_hash {
                return Err(Violation::DoubleSigned { node, at });
            }
        }
        Ok(())
    }
}

impl Heard {
    /// Notes a message; the step, if another message was heard for it.
    fn note(&mut self, message: &ConsensusMessage) -> Option<Key> {
        let (key, content) = match message {
            ConsensusMessage::Vote(vote) => {
                let vote = &vote.message;
                let content = match &vote.value {
                    NilOrVal::Nil => String::new(),
                    NilOrVal::Val(id) => format!("{id} {} {}", hex::encode(id.parts_hash), id.time.nanos),
                };
                let kind = vote_kind(vote.vote_type);
                ((vote.validator, vote.height.0, vote.round.as_i64(), kind), content)
            }
            ConsensusMessage::Proposal(proposal) => {
                let message = &proposal.message;
                let content = format!("{message:?}");
                ((message.proposer, message.height.0, message.round.as_i64(), 0), content)
            }
            ConsensusMessage::Polka(_) | ConsensusMessage::Round(_) => return None,
        };
        if let Some(first) = self.first.get(&key) {
            return (*first != content).then_some(key);
        }
        self.first.insert(key, content);
        None
    }
}
