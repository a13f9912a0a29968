//! What a seed decides beforehand: the network's weather, crashes, and how one validator misbehaves.

use crate::{ledger::VALIDATORS, rng::Rng};

pub const MS: u64 = 1_000;
pub const SECOND: u64 = 1_000 * MS;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// Sends different votes of one step to different peers, or both to one.
    SplitVotes,
    /// Sends different proposals of one round to different peers, or both to one.
    SplitProposals,
    /// Votes for blocks that nobody has.
    UnknownValues,
    /// Sends votes for heights and rounds far ahead.
    FarFuture,
    /// Sends old messages of anybody again.
    Replay,
    /// Says nothing, to some, at times.
    Silence,
    /// Proposes blocks that break the ledger's rule.
    BadBlocks,
    /// Sends bytes that are no messages, and messages in others' names.
    Forge,
    /// Sends many blocks as if they were proposed again, for this height and the next ones.
    Flood,
    /// Serves decided blocks with other blocks or with too few signatures, and lies about its height.
    LieInSync,
}

const HABITS: [Habit; 10] = [
    Habit::SplitVotes,
    Habit::SplitProposals,
    Habit::UnknownValues,
    Habit::FarFuture,
    Habit::Replay,
    Habit::Silence,
    Habit::BadBlocks,
    Habit::Forge,
    Habit::Flood,
    Habit::LieInSync,
];

/// Two sides that cannot reach each other for a while.
#[derive(Clone, Debug)]
pub struct Partition {
    pub from: u64,
    pub until: u64,
    /// Which side each node is on.
    pub sides: [bool; VALIDATORS],
}

/// A node dies, and comes back later.
#[derive(Clone, Debug)]
pub struct Crash {
    pub node: usize,
    pub at: u64,
    pub down_us: u64,
    /// Dies while it handles an input, after so many of the engine's effects; else between two inputs.
    pub after_effects: Option<u32>,
    /// The log is lost as well. Only the double-sign guard is left then.
    pub loses_log: bool,
    /// So is the guard: the validator must abstain until it can be sure.
    pub loses_guard: bool,
}

/// What a correct implementation must not do, done on purpose: the checker has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// More than one third is a quorum.
    WeakQuorum,
    /// The signer signs whatever it is asked.
    NoGuard,
    /// A validator that lost its guard votes at once.
    NoAbstention,
    /// Any validator's word is reason enough to start a height.
    Credulous,
    /// Conflicting messages are not compared.
    NoEvidence,
    /// Every block is found valid.
    NoValidation,
    /// The network never heals.
    NoHealing,
}

/// One simulated run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub mutation: Option<Mutation>,
    /// Correct nodes are to decide so many heights.
    pub heights: u64,
    /// From then on every message arrives soon.
    pub heals_at: u64,
    pub max_delay_us: u64,
    pub drop_percent: u64,
    pub duplicate_percent: u64,
    /// The longest wait between two heights.
    pub pace_us: u64,
    /// How long building, judging or committing a block takes at most.
    pub work_us: u64,
    /// How fast each node's clock runs, in percent.
    pub clock_percent: [u64; VALIDATORS],
    pub partitions: Vec<Partition>,
    pub crashes: Vec<Crash>,
    pub byzantine: Option<(usize, Vec<Habit>)>,
}

impl Plan {
    pub fn of(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = Rng::new(seed);
        let heals_at = rng.between(2, 10) * SECOND;
        // One run in eight has no traitor but a node that loses its log: that is the one fault then.
        let loses_log = rng.below(8) == 0 || mutation == Some(Mutation::NoAbstention);
        let traitor = rng.below(VALIDATORS as u64) as usize;
        let habits = HABITS.into_iter().filter(|_| rng.chance(40)).collect();
        let byzantine = (!loses_log).then_some((traitor, habits));
        let heals_at = if mutation == Some(Mutation::NoHealing) { u64::MAX } else { heals_at };
        Self {
            seed,
            mutation,
            heights: rng.between(4, 9),
            heals_at,
            max_delay_us: rng.pick(&[2, 20, 100, 400]).copied().unwrap_or(2) * MS,
            drop_percent: if heals_at == u64::MAX {
                95
            } else {
                rng.pick(&[0, 2, 10, 30]).copied().unwrap_or(0)
            },
            duplicate_percent: rng.pick(&[0, 5, 30]).copied().unwrap_or(0),
            pace_us: rng.pick(&[1, 100, 500]).copied().unwrap_or(1) * MS,
            work_us: rng.pick(&[1, 10, 60]).copied().unwrap_or(1) * MS,
            clock_percent: std::array::from_fn(|_| rng.between(80, 125)),
            partitions: partitions(&mut rng, heals_at),
            crashes: crashes(&mut rng, traitor, heals_at.min(10 * SECOND), loses_log),
            byzantine,
        }
    }

    pub fn is_correct(&self, node: usize) -> bool {
        self.byzantine.as_ref().is_none_or(|(traitor, _)| *traitor != node)
    }

    pub fn correct(&self) -> impl Iterator<Item = usize> {
        (0..VALIDATORS).filter(|node| self.is_correct(*node))
    }
}

fn partitions(rng: &mut Rng, heals_at: u64) -> Vec<Partition> {
    let partition = |rng: &mut Rng| {
        let from = rng.below(8 * SECOND);
        let until = from.saturating_add(rng.between(200, 3_000) * MS).min(heals_at);
        Partition { from, until, sides: std::array::from_fn(|_| rng.chance(50)) }
    };
    (0..rng.below(4)).map(|_| partition(rng)).collect()
}

fn crashes(rng: &mut Rng, traitor: usize, until: u64, loses_log: bool) -> Vec<Crash> {
    let count = rng.below(4).max(u64::from(loses_log));
    let victim = (traitor + rng.between(1, VALIDATORS as u64 - 1) as usize) % VALIDATORS;
    (0..count)
        .map(|_| Crash {
            node: victim,
            at: rng.below(until),
            down_us: rng.between(1, 1_500) * MS,
            after_effects: rng.chance(70).then(|| rng.below(12) as u32),
            loses_log,
            loses_guard: loses_log && rng.chance(50),
        })
        .collect()
}
