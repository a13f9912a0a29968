//! `make chaos`: many kills, a report, exit code 1 on the first violation.

use std::{path::Path, process::ExitCode};

use concordat_tests::{Network, chaos};

const NODES: usize = 4;
const REPORT: &str = "target/chaos/report.json";

fn main() -> ExitCode {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")),
        _ => default,
    };
    let strikes = usize::try_from(number("KILLS", 200)).expect("a number of kills");
    let seed = number("SEED", rand::random::<u64>() >> 32);
    println!("chaos: {strikes} kills, SEED={seed} repeats them");

    let mut network = Network::start_with(NODES, &chaos::BUSY);
    let plan = chaos::Plan::random(seed, NODES, strikes);
    match chaos::run(&mut network, &plan, |line| println!("{line}")) {
        Ok(report) => {
            let text = format!("{:#}\n", report.to_json());
            let folder = Path::new(REPORT).parent().expect("the report has a folder");
            std::fs::create_dir_all(folder).expect("the report's folder can be made");
            std::fs::write(REPORT, &text).expect("the report can be written");
            print!("{text}");
            println!("chaos: nothing lost, no fork, no stall; {REPORT}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("chaos: VIOLATION with SEED={seed}: {violation}");
            for node in 0..NODES {
                println!("--- the end of node {node}'s log\n{}", network.log_tail(node, 40));
            }
            println!("the network's files stay in {}", network.keep().display());
            ExitCode::FAILURE
        }
    }
}
