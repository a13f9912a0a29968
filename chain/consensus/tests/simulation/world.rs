//! Virtual time and the network: one queue of events, in an order that only the seed decides.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use concordat_consensus::{
    codec::decode_consensus,
    signing::{CachingVerifier, SignBytes},
};

use crate::{
    byzantine::Byzantine,
    checker::{Checker, Coverage, Violation},
    ledger::{CHAIN, VALIDATORS},
    node::{Channel, Node, Out, Stop, Task, To},
    plan::{Crash, MS, Mutation, Plan, SECOND},
    rng::Rng,
};

/// Within this time after healing all correct nodes must have decided everything.
const PATIENCE: u64 = 120 * SECOND;
/// The longest delay of a message once the network is well.
const CALM_DELAY: u64 = 20 * MS;

#[derive(Debug)]
enum Event {
    Deliver { from: usize, to: usize, channel: Channel, bytes: Bytes },
    Task { node: usize, incarnation: u32, task: Task },
    Crash(Crash),
    Restart(usize),
    Mischief,
}

/// One run.
pub struct World {
    plan: Plan,
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    nodes: Vec<Node>,
    down: [bool; VALIDATORS],
    /// The crash that a lit fuse leads to.
    doomed: [Option<Crash>; VALIDATORS],
    byzantine: Option<Byzantine>,
    checker: Checker,
    rng: Rng,
    digest: DefaultHasher,
    trace: bool,
    /// What a deliberate mistake led to so far.
    violations: Vec<Violation>,
}

/// How a run went.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// A hash over all events: equal runs have equal ones.
    pub digest: u64,
    /// All that went wrong; a run without deliberate mistakes ends with the first.
    pub violations: Vec<Violation>,
    pub coverage: Coverage,
}

/// Runs a plan to its end.
pub fn run(plan: &Plan, trace: bool) -> Report {
    let mut world = World::new(plan.clone(), trace);
    let end = world.run();
    let mut violations = world.violations;
    violations.extend(end.err());
    let mut coverage = world.checker.coverage;
    coverage.slowest_us = world.now.saturating_sub(plan.heals_at);
    coverage.slowest_seed = plan.seed;
    coverage.refused_signatures = plan.correct().map(|node| world.nodes[node].signer.refused()).sum();
    Report { digest: world.digest.finish(), violations, coverage }
}

impl World {
    fn new(plan: Plan, trace: bool) -> Self {
        // Apart from the plan's own draws.
        let mut rng = Rng::new(!plan.seed);
        let verifier = CachingVerifier::new(SignBytes::new(CHAIN));
        let nodes = (0..VALIDATORS)
            .map(|index| {
                let guarded = plan.is_correct(index) && plan.mutation != Some(Mutation::NoGuard);
                // The traitor's own node does nothing wrong; what it sends is falsified later.
                let mutation = plan.mutation.filter(|_| plan.is_correct(index));
                let mut node = Node::new(index, guarded, mutation, verifier.clone(), rng.fork());
                (node.work_us, node.pace_us) = (plan.work_us, plan.pace_us);
                node
            })
            .collect();
        let byzantine =
            plan.byzantine.clone().map(|(index, habits)| Byzantine::new(index, habits, rng.fork()));
        let mut world = Self {
            now: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            nodes,
            down: [true; VALIDATORS],
            doomed: Default::default(),
            byzantine,
            checker: Checker::new(&plan),
            rng,
            digest: DefaultHasher::new(),
            trace,
            violations: Vec::new(),
            plan,
        };
        for node in 0..VALIDATORS {
            let at = world.rng.below(300 * MS);
            world.at(at, Event::Restart(node));
        }
        for crash in world.plan.crashes.clone() {
            world.at(crash.at, Event::Crash(crash));
        }
        world.at(0, Event::Mischief);
        world
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), event);
    }

    fn run(&mut self) -> Result<(), Violation> {
        let deadline = self.plan.heals_at.min(10 * SECOND) + PATIENCE;
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > deadline {
                break;
            }
            self.now = time;
            (time, std::mem::discriminant(&event)).hash(&mut self.digest);
            self.trace_event(&event);
            self.handle(event)?;
            if self.plan.correct().all(|node| self.nodes[node].ledger.tip() >= self.plan.heights) {
                return self.check_signatures();
            }
        }
        self.check_signatures()?;
        let tips = self.nodes.iter().map(|node| node.ledger.tip()).collect();
        Err(Violation::Stalled { tips })
    }

    fn check_signatures(&self) -> Result<(), Violation> {
        self.plan.correct().try_for_each(|node| self.checker.signed(node, &self.nodes[node].signer.log()))
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver { from, to, channel, bytes } => {
                if self.down[to] {
                    return Ok(());
                }
                (from, to, channel, &bytes).hash(&mut self.digest);
                if let Some(byzantine) = self.byzantine.as_mut().filter(|byzantine| byzantine.index == to) {
                    byzantine.observe(channel, &bytes);
                }
                self.act(to, |node, out| node.receive(from, channel, bytes, out))
            }
            Event::Task { node, incarnation, task } => {
                if self.down[node] || self.nodes[node].incarnation != incarnation {
                    return Ok(());
                }
                self.act(node, |node, out| node.task(task, out))
            }
            Event::Crash(crash) => {
                let node = crash.node;
                if self.down[node] || self.doomed[node].is_some() {
                    return Ok(());
                }
                match crash.after_effects {
                    Some(effects) => {
                        self.nodes[node].light_fuse(effects);
                        self.doomed[node] = Some(crash);
                    }
                    None => self.crash(&crash),
                }
                Ok(())
            }
            Event::Restart(node) => {
                self.down[node] = false;
                self.act(node, |node, out| {
                    node.start(out);
                    Ok(())
                })
            }
            Event::Mischief => {
                self.mischief();
                Ok(())
            }
        }
    }

    /// Lets a node act, and carries out what it wants.
    fn act(
        &mut self,
        index: usize,
        action: impl FnOnce(&mut Node, &mut Out) -> Result<(), Stop>,
    ) -> Result<(), Violation> {
        let mut out = Out { now: self.now, ..Out::default() };
        let result = action(&mut self.nodes[index], &mut out);
        let incarnation = self.nodes[index].incarnation;
        for (delay, task) in out.later {
            let delay = delay * self.plan.clock_percent[index] / 100;
            self.at(self.now + delay, Event::Task { node: index, incarnation, task });
        }
        for (to, channel, bytes) in out.sends {
            let peers =
                (0..VALIDATORS).filter(|peer| *peer != index && (to == To::All || to == To::One(*peer)));
            peers.for_each(|peer| self.send(index, peer, channel, &bytes));
        }
        for violation in self.checker.observe(index, out.facts) {
            // After a deliberate mistake its other consequences are wanted too.
            if self.plan.mutation.is_none() {
                return Err(violation);
            }
            self.violations.push(violation);
        }
        match result {
            Ok(()) => Ok(()),
            Err(Stop::Crashed) => {
                if let Some(crash) = self.doomed[index].take() {
                    self.crash(&crash);
                }
                Ok(())
            }
            Err(Stop::Failed(_)) if !self.plan.is_correct(index) => Ok(()),
            Err(Stop::Failed(reason)) => Err(Violation::NodeFailed { node: index, reason }),
        }
    }

    fn crash(&mut self, crash: &Crash) {
        if self.trace {
            eprintln!("{:>10} node {} is down", self.now, crash.node);
        }
        self.nodes[crash.node].crash(crash.loses_log, crash.loses_guard);
        self.checker.crashed(crash.node);
        self.down[crash.node] = true;
        self.at(self.now + crash.down_us, Event::Restart(crash.node));
    }

    /// Sends what a node wants sent; the traitor's messages are falsified first.
    fn send(&mut self, from: usize, to: usize, channel: Channel, bytes: &Bytes) {
        let Some(byzantine) = self.byzantine.as_mut().filter(|byzantine| byzantine.index == from) else {
            return self.transmit(from, to, channel, bytes.clone());
        };
        let falsified = byzantine.falsify(to, channel, bytes);
        for (id, valid) in std::mem::take(&mut byzantine.introduced) {
            self.checker.introduce(id, valid);
        }
        for bytes in falsified {
            self.transmit(from, to, channel, bytes);
        }
    }

    fn mischief(&mut self) {
        let Some(byzantine) = &mut self.byzantine else { return };
        let (height, round) = self.nodes[byzantine.index].position();
        let from = byzantine.index;
        for (to, channel, bytes) in byzantine.invent(height, round) {
            self.transmit(from, to, channel, bytes);
        }
        let next = self.now + self.rng.between(10, 100) * MS;
        self.at(next, Event::Mischief);
    }

    /// The network: late, twice, or never.
    fn transmit(&mut self, from: usize, to: usize, channel: Channel, bytes: Bytes) {
        let well = self.now >= self.plan.heals_at;
        let apart = |partition: &crate::plan::Partition| {
            (partition.from..partition.until).contains(&self.now)
                && partition.sides[from] != partition.sides[to]
        };
        let lost = self.plan.partitions.iter().any(apart) || self.rng.chance(self.plan.drop_percent);
        if lost && !well {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(self.plan.duplicate_percent));
        let longest = if well { CALM_DELAY } else { self.plan.max_delay_us };
        for _ in 0..copies {
            let at = self.now + self.rng.between(100, longest);
            self.at(at, Event::Deliver { from, to, channel, bytes: bytes.clone() });
        }
    }

    fn trace_event(&self, event: &Event) {
        if !self.trace {
            return;
        }
        let now = self.now;
        match event {
            Event::Deliver { from, to, channel: Channel::Consensus, bytes } => {
                match decode_consensus(bytes.clone()) {
                    Ok(message) => eprintln!("{now:>10} {from} -> {to} {}", brief(&message)),
                    Err(error) => eprintln!("{now:>10} {from} -> {to} {error}"),
                }
            }
            Event::Deliver { from, to, channel, bytes } => {
                eprintln!("{now:>10} {from} -> {to} {channel:?}, {} bytes", bytes.len());
            }
            Event::Task { node, task, .. } => eprintln!("{now:>10} node {node}: {task:?}"),
            Event::Mischief => {}
            other => eprintln!("{now:>10} {other:?}"),
        }
    }
}

/// A message in one line, without its signatures.
fn brief(message: &concordat_consensus::codec::ConsensusMessage) -> String {
    use concordat_consensus::codec::ConsensusMessage as Message;
    match message {
        Message::Vote(vote) => format!("{:?}", vote.message),
        Message::Proposal(proposal) => format!("{:?}", proposal.message),
        Message::Polka(polka) => format!("polka {}/{} {}", polka.height, polka.round, polka.value_id),
        Message::Round(round) => format!("round certificate {}/{}", round.height, round.round),
    }
}
