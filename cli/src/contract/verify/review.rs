//! What code is made of: its size, and instructions that do not belong into a contract of this chain.
//!
//! Instructions are walked as the machine does: what PUSH carries is no instruction, and after one that ends or jumps
//! away nothing runs up to the next JUMPDEST. Data that a compiler puts behind the code can look like a JUMPDEST and
//! what follows it; then more is found than could run, never less.

use std::ops::Range;

use concordat_core::{code_limits, known_protocol_version};
use serde::Serialize;

use super::compare::without;

const STOP: u8 = 0x00;
const JUMP: u8 = 0x56;
const JUMPDEST: u8 = 0x5b;
const PUSH1: u8 = 0x60;
const PUSH32: u8 = 0x7f;
const RETURN: u8 = 0xf3;
const REVERT: u8 = 0xfd;
const INVALID: u8 = 0xfe;
const SELFDESTRUCT: u8 = 0xff;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// A reviewer should look at it.
    Warned,
    /// It has no place here.
    Forbidden,
}

/// An instruction that is looked for, and why.
struct Watched {
    code: u8,
    name: &'static str,
    weight: Weight,
    why: &'static str,
}

const WATCHED: [Watched; 5] = [
    Watched {
        code: SELFDESTRUCT,
        name: "SELFDESTRUCT",
        weight: Weight::Forbidden,
        why: "deprecated (EIP-6049); what it does depends on when the contract was made",
    },
    Watched {
        code: 0xf2,
        name: "CALLCODE",
        weight: Weight::Forbidden,
        why: "deprecated in favour of DELEGATECALL (EIP-7), and hides who called",
    },
    Watched {
        code: 0xf4,
        name: "DELEGATECALL",
        weight: Weight::Warned,
        why: "lets other code act as this contract: which code, and who can change that?",
    },
    Watched {
        code: 0x32,
        name: "ORIGIN",
        weight: Weight::Warned,
        why: "is whoever signed, whatever contract calls: no proof that it wants this call",
    },
    Watched {
        code: 0x44,
        name: "PREVRANDAO",
        weight: Weight::Warned,
        why: "is zero on this chain: no source of randomness",
    },
];

/// Something that is found in code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What, an instruction or `SIZE` or `ENTRY`.
    pub what: &'static str,
    /// Why it is told.
    pub why: String,
    /// In which code: `File.sol:Name`, and `constructor` behind it where that is meant.
    pub code: String,
    /// The first places, in bytes from the code's beginning.
    pub at: Vec<usize>,
    /// How many there are.
    pub times: usize,
}

/// Places that a finding names; all are counted.
const NAMED: usize = 8;

/// Reviews what a contract runs once it is made.
pub fn runtime(name: &str, code: &[u8]) -> Vec<Finding> {
    let mut found = size(name, code.len(), |(code, _)| code);
    found.extend(entry(name, code));
    found.extend(instructions(name, without(code), 0..0));
    found
}

/// Reviews what makes a contract. What it leaves behind, `made`, is reviewed on its own; `length` counts the
/// constructor's arguments too.
pub fn constructor(name: &str, code: &[u8], made: &[u8], length: usize) -> Vec<Finding> {
    let name = format!("{name} constructor");
    let start = match made.is_empty() {
        true => None,
        false => code.windows(made.len()).position(|window| window == made),
    };
    let left_out = start.map_or(0..0, |start| start..start + made.len());
    let mut found = size(&name, length, |(_, init_code)| init_code);
    found.extend(instructions(&name, without(code), left_out));
    found
}

/// Holds a length against a limit of the protocol versions: of the first one, under which any chain may run, and of the
/// newest that is known.
fn size(code: &str, length: usize, limit: impl Fn((usize, usize)) -> usize) -> Vec<Finding> {
    let takes = |version: &u64| code_limits(*version).is_ok_and(|limits| length <= limit(limits));
    let newest = known_protocol_version();
    let (weight, why) = match (1..=newest).find(takes) {
        Some(1) => return Vec::new(),
        Some(version) => {
            let why = format!("{length} bytes are allowed from protocol version {version} on alone");
            (Weight::Warned, format!("{why} (`concordat chain params` tells which runs)"))
        }
        None => {
            let most = code_limits(newest).map(limit).unwrap_or_default();
            (Weight::Forbidden, format!("{length} bytes, of which {most} are allowed: it cannot be deployed"))
        }
    };
    vec![Finding { weight, what: "SIZE", why, code: code.to_owned(), at: Vec::new(), times: 1 }]
}

/// Code whose first byte can never run answers nobody.
fn entry(code: &str, bytes: &[u8]) -> Option<Finding> {
    let why = match bytes.first()? {
        0xef => "begins with 0xef, which no deployment may leave behind (EIP-3541)",
        &INVALID => "begins with INVALID: nobody can call it",
        _ => return None,
    };
    let (why, code) = (why.to_owned(), code.to_owned());
    Some(Finding { weight: Weight::Forbidden, what: "ENTRY", why, code, at: vec![0], times: 1 })
}

fn instructions(code: &str, bytes: &[u8], left_out: Range<usize>) -> Vec<Finding> {
    let found: Vec<(usize, u8)> = live(bytes).filter(|(at, _)| !left_out.contains(at)).collect();
    let finding = |watched: &Watched| {
        let places = found.iter().filter(|(_, opcode)| *opcode == watched.code).map(|(at, _)| *at);
        let at: Vec<usize> = places.clone().take(NAMED).collect();
        let (why, code) = (watched.why.to_owned(), code.to_owned());
        let Watched { name: what, weight, .. } = *watched;
        (!at.is_empty()).then(|| Finding { weight, what, why, code, at, times: places.count() })
    };
    WATCHED.iter().filter_map(finding).collect()
}

/// The instructions that can run, each with its place.
fn live(bytes: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let (mut next, mut runs) = (0, true);
    let all = std::iter::from_fn(move || {
        let (at, opcode) = (next, *bytes.get(next)?);
        let carried = if (PUSH1..=PUSH32).contains(&opcode) { usize::from(opcode - PUSH1) + 1 } else { 0 };
        next = at + 1 + carried;
        runs |= opcode == JUMPDEST;
        let ran = runs;
        runs &= !matches!(opcode, STOP | JUMP | RETURN | REVERT | INVALID | SELFDESTRUCT);
        Some((ran, at, opcode))
    });
    all.filter(|(ran, ..)| *ran).map(|(_, at, opcode)| (at, opcode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &[u8]) -> Vec<(&'static str, Weight, Vec<usize>)> {
        let found = runtime("A.sol:A", code).into_iter();
        found.map(|finding| (finding.what, finding.weight, finding.at)).collect()
    }

    #[test]
    fn what_push_carries_is_no_instruction() {
        assert_eq!(found(&[0x60, SELFDESTRUCT, 0x61, 0xf2, 0xf4, STOP]), []);
        assert_eq!(found(&[0x7f, 0xff, 0xff]), [], "cut off within PUSH32");
        assert_eq!(found(&[0x5f, SELFDESTRUCT]), [("SELFDESTRUCT", Weight::Forbidden, vec![1])], "PUSH0");
    }

    #[test]
    fn what_cannot_run_is_not_found_and_what_a_jump_reaches_is() {
        for end in [STOP, JUMP, RETURN, REVERT, SELFDESTRUCT] {
            let code = [0x60, 1, end, 0xf2, JUMPDEST, 0xf4];
            let left: Vec<_> = found(&code).into_iter().map(|(what, ..)| what).collect();
            let both =
                if end == SELFDESTRUCT { vec!["SELFDESTRUCT", "DELEGATECALL"] } else { vec!["DELEGATECALL"] };
            assert_eq!(left, both, "{end:#x}");
        }
        // A JUMPDEST within PUSH's data is none.
        assert_eq!(found(&[STOP, 0x60, JUMPDEST, SELFDESTRUCT]), []);
    }

    #[test]
    fn metadata_is_left_out() {
        let metadata = hex::decode("a164736f6c6343ff5bff000a").unwrap();
        assert_eq!(found(&[&[0x5f, STOP][..], &metadata].concat()), []);
    }

    #[test]
    fn each_watched_instruction_is_found_with_its_weight_and_its_places() {
        for watched in &WATCHED {
            let code = [0x5f, watched.code, JUMPDEST, watched.code];
            assert_eq!(found(&code), [(watched.name, watched.weight, vec![1, 3])]);
        }
        let many = [0x32; 20];
        let finding = runtime("A.sol:A", &many).remove(0);
        assert_eq!((finding.at.len(), finding.times), (NAMED, 20));
    }

    #[test]
    fn code_that_is_too_long_or_answers_nobody_is_forbidden() {
        assert_eq!(found(&[STOP; 24_576]), []);
        assert_eq!(found(&[STOP; 24_577]), [("SIZE", Weight::Warned, vec![])]);
        assert_eq!(found(&[STOP; 65_536]), [("SIZE", Weight::Warned, vec![])]);
        assert_eq!(found(&[STOP; 65_537]), [("SIZE", Weight::Forbidden, vec![])]);
        assert_eq!(found(&[INVALID, 0x5f]), [("ENTRY", Weight::Forbidden, vec![0])]);
        assert_eq!(found(&[0xef, 0x5f])[0].0, "ENTRY");
        let long = constructor("A.sol:A", &[STOP], &[], 131_073);
        assert_eq!((long[0].what, long[0].code.as_str()), ("SIZE", "A.sol:A constructor"));
        assert_eq!(constructor("A.sol:A", &[STOP], &[], 49_152), []);
    }

    #[test]
    fn a_constructor_is_reviewed_without_what_it_leaves_behind() {
        let made = [JUMPDEST, 0x32, STOP];
        let code = [&[0x5f, 0xf4, INVALID][..], &made].concat();
        let whats = |found: Vec<Finding>| found.into_iter().map(|finding| finding.what).collect::<Vec<_>>();
        assert_eq!(whats(constructor("A.sol:A", &code, &made, code.len())), ["DELEGATECALL"]);
        assert_eq!(whats(constructor("A.sol:A", &code, &[], code.len())), ["DELEGATECALL", "ORIGIN"]);
    }
}
