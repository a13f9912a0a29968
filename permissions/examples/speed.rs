//! How long decisions take: `cargo run --release -p concordat-permissions --example speed`.
#![expect(clippy::print_stdout, reason = "it is what this program is for")]

use std::{hint::black_box, time::Instant};

use concordat_permissions::{
    Action, Context, ContractFacts, EnactedPolicy, Memo, PolicyError, PolicySet, Principal, Request, Resource,
};
use concordat_types::{Address, OrgId, Role};

/// So many enacted policies: for single contracts, single accounts, whole organisations, and office hours.
fn enacted(count: u64) -> Vec<EnactedPolicy> {
    let policy = |number: u64| {
        let id = format!("policy-{number}");
        let scope = match number % 4 {
            0 => format!("principal, action == Action::\"call\", resource == Contract::\"0x{number:040x}\""),
            1 => format!("principal == Account::\"0x{number:040x}\", action == Action::\"call\", resource"),
            2 => {
                format!("principal in Organisation::\"bank-{number}\", action == Action::\"call\", resource")
            }
            _ => format!(
                "principal, action == Action::\"administer\", resource == Contract::\"0x{number:040x}\""
            ),
        };
        let condition = match number % 8 {
            0 => "context.time.toTime() < duration(\"8h\")",
            1..=4 => "context.method == \"0xa9059cbb\"",
            _ => "context.internal && principal.organisation == Organisation::\"bank-z\"",
        };
        let text = format!("@id(\"{id}\")\n@reason(\"a rule\")\nforbid ({scope}) when {{ {condition} }};");
        EnactedPolicy { id: id.parse().expect("well formed: a word and a number"), text, proposal: number }
    };
    (0..count).map(policy).collect()
}

/// Nanoseconds of one run, the median of nine rounds.
fn measure(runs: u32, mut run: impl FnMut(u32)) -> u128 {
    let mut rounds: Vec<u128> = (0..9)
        .map(|_| {
            let start = Instant::now();
            (0..runs).for_each(&mut run);
            start.elapsed().as_nanos() / u128::from(runs)
        })
        .collect();
    rounds.sort_unstable();
    rounds.get(4).copied().unwrap_or_default()
}

fn main() -> Result<(), PolicyError> {
    let organisation: OrgId = "bank-a".parse().expect("well formed");
    let call = |number: u64, contract: u64| Request {
        principal: Principal {
            account: Address::left_padding_from(&(1_000_000 + number).to_be_bytes()),
            organisation: &organisation,
            role: Role::Operator,
        },
        action: Action::Call,
        resource: Resource::Contract(ContractFacts {
            address: Address::left_padding_from(&contract.to_be_bytes()),
            organisation: Some(&organisation),
            administrator: None,
            system: false,
        }),
        context: Context { method: Some([1, 2, 3, 4]), time_secs: 1_800_000_000, ..Context::default() },
    };
    for count in [0, 200, 1_000] {
        let policies = enacted(count);
        let start = Instant::now();
        let set = PolicySet::new(&policies)?;
        let made = start.elapsed().as_micros();
        let start = Instant::now();
        black_box(set.with(&policies)?);
        let renewed = start.elapsed().as_micros();
        let fresh = measure(20_000, |n| {
            black_box(set.decide(&call(u64::from(n), 5_000_000)));
        });
        let timed = measure(20_000, |n| {
            black_box(set.decide(&call(u64::from(n), 8)));
        });
        let mut memo = Memo::new(1 << 16);
        (0..10_000).for_each(|n| drop(memo.decide(&set, &call(n, 5_000_000))));
        let hit = measure(200_000, |n| {
            black_box(memo.decide(&set, &call(u64::from(n % 10_000), 5_000_000)));
        });
        let mut memo = Memo::new(1 << 16);
        let one = measure(200_000, |_| {
            black_box(memo.decide(&set, &call(1, 5_000_000)));
        });
        println!(
            "{count} enacted: set made in {made} us, with() in {renewed} us; fresh decision {fresh} ns, with a \
             policy on the time {timed} ns; memo hit {hit} ns among 10,000 accounts, {one} ns for one"
        );
    }
    Ok(())
}
