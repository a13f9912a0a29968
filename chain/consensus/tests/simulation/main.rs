//! A deterministic simulation of consensus: four validators, one of them Byzantine, on a bad network.
//!
//! The engine's pure core runs between the real gate, block assembly, codec, verifier and double-sign guard;
//! time, network and disk are simulated, so that a seed decides everything and a run takes milliseconds.
//!
//! - `CONCORDAT_SIM_SEEDS=n` runs n seeds instead of the usual number.
//! - `CONCORDAT_SIM_SEED=n` runs one seed and prints what happens.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program, whose helpers are tests too"
)]

mod byzantine;
mod checker;
mod host;
mod ledger;
mod node;
mod plan;
mod rng;
mod signer;
mod wal;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::{
    checker::{Coverage, Violation},
    plan::{Mutation, Plan},
    world::{Report, run},
};

/// How many seeds run unless told otherwise.
const SEEDS: u64 = 300;
/// How many seeds a deliberate mistake may go unnoticed.
const MUTANT_SEEDS: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a seed; a panic of the engine counts as a failure of it.
fn simulate(seed: u64, mutation: Option<Mutation>) -> Report {
    let plan = Plan::of(seed, mutation);
    catch_unwind(AssertUnwindSafe(|| run(&plan, false))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let reason = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        let violations = vec![Violation::Panic { reason }];
        Report { digest: 0, violations, coverage: Coverage::default() }
    })
}

#[test]
fn correct_validators_agree_and_get_on_whatever_the_seed() {
    if let Some(seed) = number("CONCORDAT_SIM_SEED") {
        let plan = Plan::of(seed, None);
        eprintln!("{plan:#?}");
        let report = run(&plan, true);
        eprintln!("{report:#?}");
        assert_eq!(report.violations, []);
        return;
    }
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    for seed in 0..number("CONCORDAT_SIM_SEEDS").unwrap_or(SEEDS) {
        let report = simulate(seed, None);
        coverage.add(&report.coverage);
        for violation in report.violations {
            eprintln!(
                "seed {seed}: {violation}\n  replay: CONCORDAT_SIM_SEED={seed} cargo test --release \
                 -p concordat-consensus --test simulation correct_validators -- --nocapture"
            );
            failures.push(seed);
        }
    }
    println!("{coverage:#?}");
    assert!(failures.is_empty(), "failing seeds: {failures:?}");
    assert_covers(&coverage);
}

/// Everything that the simulation is for has happened.
fn assert_covers(coverage: &Coverage) {
    if coverage.runs < SEEDS {
        return;
    }
    for (what, count) in [
        ("decision after round 0", coverage.late_decisions),
        ("proposal of a block with a polka", coverage.reproposals),
        ("crash", coverage.crashes),
        ("replay of the log", coverage.replays),
        ("refused signature", coverage.refused_signatures),
        ("height started because others had", coverage.woken),
        ("vote after the guard was lost", coverage.vote_again),
        ("synced block", coverage.synced),
        ("evidence", coverage.evidence),
        ("offence of the traitor", coverage.offences),
    ] {
        assert!(count >= 10, "only {count} times in {} runs: {what}", coverage.runs);
    }
    for reason in [
        "malformed",
        "bad_signature",
        "height_ahead",
        "round_ahead",
        "repeated_early",
        "not_the_proposer",
        "own_block",
        "synced_other_block",
    ] {
        assert!(coverage.dropped.contains_key(reason), "no message was dropped as {reason}");
    }
}

#[test]
fn same_seed_gives_the_same_run() {
    for seed in 0..10 {
        assert_eq!(simulate(seed, None), simulate(seed, None), "seed {seed}");
    }
}

/// The checker notices a deliberate mistake, and names it right.
fn notices(mutation: Mutation, expected: impl Fn(&Violation) -> bool) {
    let mut others = Vec::new();
    for seed in 0..MUTANT_SEEDS {
        let violations = simulate(seed, Some(mutation)).violations;
        if violations.iter().any(&expected) {
            return;
        }
        others.extend(violations.into_iter().next());
    }
    panic!("{mutation:?} goes unnoticed; instead: {others:?}");
}

#[test]
fn quorum_of_a_third_is_noticed_as_disagreement() {
    notices(Mutation::WeakQuorum, |violation| matches!(violation, Violation::Disagreement { .. }));
}

#[test]
fn quorum_of_a_third_is_noticed_as_commits_that_do_not_verify() {
    notices(Mutation::WeakQuorum, |violation| matches!(violation, Violation::BadCommit { .. }));
}

#[test]
fn signer_without_guard_is_noticed_as_double_signing() {
    notices(Mutation::NoGuard, |violation| matches!(violation, Violation::DoubleSigned { .. }));
}

#[test]
fn votes_right_after_losing_the_guard_are_noticed_as_double_signing() {
    notices(Mutation::NoAbstention, |violation| matches!(violation, Violation::DoubleSigned { .. }));
}

#[test]
fn believing_one_validator_is_noticed_as_heights_started_by_a_lie() {
    notices(Mutation::Credulous, |violation| matches!(violation, Violation::WokenByLie { .. }));
}

#[test]
fn ignored_conflicts_are_noticed_as_missing_evidence() {
    notices(Mutation::NoEvidence, |violation| matches!(violation, Violation::MissingEvidence { .. }));
}

#[test]
fn blocks_accepted_unread_are_noticed_as_invalid_decisions() {
    notices(Mutation::NoValidation, |violation| matches!(violation, Violation::InvalidDecision { .. }));
}

#[test]
fn network_that_never_heals_is_noticed_as_a_standstill() {
    notices(Mutation::NoHealing, |violation| matches!(violation, Violation::Stalled { .. }));
}
