//! Prints what an ERC-20 transfer costs in execution alone: signatures are checked before the clock starts,
//! the state lies in memory.
//!
//! `cargo run --release -p concordat-core --example exec_bench -- [accounts] [blocks]`
#![allow(clippy::print_stdout, reason = "it is a program that reports")]

#[path = "../tests/ledger/kit.rs"]
mod kit;

use std::time::{Duration, Instant};

use alloy_primitives::U256;
use concordat_core::BlockExecutor;
use concordat_types::{Role, VerifiedTx};
use kit::{Actor, Consortium, Say, Token, token_init_code};

/// Transactions of one block.
const BLOCK_TXS: usize = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let accounts = arguments.next().unwrap_or(1_000).max(1);
    let blocks = arguments.next().unwrap_or(20).max(1);
    let mut net = Consortium::new();
    let (treasury, token) = net.deploy(token_init_code(1_000_000_000));
    let actors: Vec<Actor> =
        (0..accounts).map(|i| net.stranger("bank-b", Role::Operator, &format!("user {i}"))).collect();
    enrol(&mut net, &actors);
    let fund = |actor: &Actor| {
        let value = U256::from(1_000);
        treasury.sign(&Say::call(token, &Token::transferCall { to: actor.address, value }))
    };
    for chunk in actors.chunks(BLOCK_TXS) {
        let funding: Vec<VerifiedTx> = chunk.iter().map(fund).collect();
        net.block(&funding);
    }
    let (mut executing, mut on_cpu, mut transactions) = (Duration::ZERO, Duration::ZERO, 0u32);
    for block in 0..blocks {
        let txs: Vec<VerifiedTx> = (0..BLOCK_TXS)
            .map(|i| {
                let (from, to) = (&actors[(block + i) % accounts], &actors[(block + 7 * i + 1) % accounts]);
                let transfer = Token::transferCall { to: to.address, value: U256::from(1) };
                from.sign(&Say::call(token, &transfer).gas(100_000))
            })
            .collect();
        let (started, cpu) = (Instant::now(), cpu_time());
        let mut executor = BlockExecutor::new(&net.state, net.env()).expect("known rules");
        for tx in &txs {
            executor.execute(tx).expect("a valid transfer");
        }
        let outcome = executor.finish().expect("a readable state");
        executing += started.elapsed();
        on_cpu += cpu_time().saturating_sub(cpu);
        transactions += u32::try_from(BLOCK_TXS).expect("a small number");
        assert!(outcome.receipts.iter().all(|receipt| receipt.outcome.succeeded()));
        net.accept(&outcome);
    }
    let each = |time: Duration| (time / transactions).as_secs_f64() * 1e6;
    let (cpu, wall) = (each(on_cpu), each(executing));
    println!("{accounts} accounts, {transactions} transfers: {cpu:.2} µs of CPU each ({wall:.2} µs elapsed)");
}

/// CPU time of this thread, where Linux tells it: other processes do not count.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = schedstat.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn enrol(net: &mut Consortium, actors: &[Actor]) {
    for chunk in actors.chunks(BLOCK_TXS) {
        let txs: Vec<VerifiedTx> = chunk.iter().map(|actor| actor.sign(&actor.enrolment())).collect();
        let started = Instant::now();
        net.block(&txs);
        println!(
            "{} enrolments: {:.0} µs each",
            txs.len(),
            started.elapsed().as_secs_f64() * 1e6 / txs.len() as f64
        );
    }
}
