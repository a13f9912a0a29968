//! What solc's SMTChecker proves of a contract, as a report whose hash goes on chain.
//!
//! The report holds nothing that depends on when and where it was made: whoever has the same input, compiler and
//! solver makes the same bytes again. By default solvers are bounded in steps, not in time, for the same reason.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use alloy_primitives::B256;
use clap::Args;
use eyre::{Result, WrapErr as _};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    compiler::Compiler,
    input::{ContractName, Input},
};

/// Names the form of a report.
const FORM: &str = "concordat-proof-1";

/// What is looked for, unless it is said. What a balance is, nobody asks on a chain without a token.
const TARGETS: [&str; 6] = ["assert", "underflow", "overflow", "divByZero", "popEmptyArray", "outOfBounds"];

/// How proofs are asked for.
#[derive(Args)]
pub struct ProofArgs {
    /// Have solc's SMTChecker prove what it can, with z3.
    #[arg(long)]
    pub prove: bool,
    /// Where the report goes; its SHA-256 is what a proposal names.
    #[arg(long, value_name = "FILE", requires = "prove")]
    pub report: Option<PathBuf>,
    /// How: by Horn clauses, over any number of transactions (chc), or bounded, within one (bmc).
    #[arg(long, default_value = "chc", value_parser = ["chc", "bmc", "all"], requires = "prove")]
    engine: String,
    /// What is looked for; repeat it for each. Without: all that solc knows but balances.
    #[arg(long, value_parser = TARGETS, requires = "prove")]
    target: Vec<String>,
    /// Time for each query in milliseconds; without, queries are bounded in steps, and reports can be made again.
    #[arg(long, value_name = "MS", requires = "prove")]
    query_timeout: Option<u64>,
}

/// A condition that was looked at, and where it stands.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Condition {
    what: String,
    file: String,
    line: usize,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    counterexample: Option<String>,
}

/// What came of it, without the conditions: they are in the report.
#[derive(Debug, Serialize)]
pub struct Proofs {
    /// SHA-256 of the report.
    report: B256,
    /// The solver's version; `None` where none was found.
    solver: Option<String>,
    /// Conditions that always hold.
    proved: usize,
    /// Conditions that can be broken.
    pub violated: usize,
    /// Conditions that may hold or not.
    unproved: usize,
    /// Whether a solver answered at all.
    pub solved: bool,
}

impl ProofArgs {
    /// Proves, and writes the report. `ordinary` is what the compiler says of the source anyway.
    pub fn run(
        &self,
        compiler: &Compiler,
        input: &Input,
        name: &ContractName,
        ordinary: &Value,
    ) -> Result<Proofs> {
        // The compiler in JavaScript has whoever calls it ask the solver; the other one calls it itself.
        let interface = if compiler.is_javascript() { "smtlib2" } else { "z3" };
        let solver = solver();
        let targets: Vec<&str> = match self.target.is_empty() {
            true => TARGETS.to_vec(),
            false => self.target.iter().map(String::as_str).collect(),
        };
        let mut checker = json!({
            "engine": self.engine,
            "solvers": [interface],
            "targets": targets,
            "contracts": { &name.file: [name.name] },
            "showProvedSafe": true,
            "showUnproved": true,
            "showUnsupported": true,
        });
        if let Some(limit) = self.query_timeout {
            checker["timeout"] = limit.into();
        }
        let output = compiler.compile(&input.proved_by(checker.clone()))?;
        let found = Found::read(&output, ordinary, input);
        let solved = found.is_solved();
        let report = json!({
            "form": FORM,
            "contract": name.to_string(),
            "source": input.hash,
            "compiler": compiler.version,
            "solver": solver,
            "settings": checker,
            "solved": solved,
            "proved": found.proved,
            "violated": found.violated,
            "unproved": found.unproved,
            "remarks": found.remarks,
        });
        let text = format!("{report:#}\n");
        if let Some(file) = &self.report {
            fs::write(file, &text).wrap_err_with(|| file.display().to_string())?;
        }
        let (proved, violated, unproved) = (found.proved.len(), found.violated.len(), found.unproved.len());
        let report = B256::from_slice(&Sha256::digest(&text));
        Ok(Proofs { report, solver, proved, violated, unproved, solved })
    }
}

impl Proofs {
    /// For people.
    pub fn describe(&self) -> String {
        let Self { report, proved, violated, unproved, .. } = self;
        let counts = format!("{proved} proved, {violated} violated, {unproved} unproved");
        match (self.solved, &self.solver) {
            (true, Some(solver)) => format!("proofs      {counts}, by {solver}\nreport      {report}"),
            (true, None) => format!("proofs      {counts}\nreport      {report}"),
            (false, _) => format!("proofs      none: no solver was found; install z3\nreport      {report}"),
        }
    }
}

/// The solver's version, if there is one.
fn solver() -> Option<String> {
    let output = Command::new("z3").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the checker says, sorted.
#[derive(Debug, Default)]
struct Found {
    proved: Vec<Condition>,
    violated: Vec<Condition>,
    unproved: Vec<Condition>,
    /// What it leaves out, and why.
    remarks: Vec<String>,
}

impl Found {
    fn read(output: &Value, ordinary: &Value, input: &Input) -> Self {
        let ordinary: BTreeSet<&str> = said(ordinary).filter_map(|said| said["message"].as_str()).collect();
        let mut found = Self::default();
        for said in said(output) {
            let message = said["message"].as_str().unwrap_or_default();
            let (text, counterexample) = match message.split_once('\n') {
                Some((text, more)) => (text, Some(more.trim().to_owned()).filter(|more| !more.is_empty())),
                None => (message, None),
            };
            let (list, what) = if let Some(what) = text.strip_suffix(" check is safe!") {
                (&mut found.proved, what)
            } else if let Some(what) = text.strip_suffix(" might happen here.") {
                (&mut found.unproved, what)
            } else if let Some(what) = text.strip_suffix(" happens here.") {
                (&mut found.violated, what)
            } else {
                if !ordinary.contains(message) {
                    found.remarks.push(message.to_owned());
                }
                continue;
            };
            list.push(Condition { counterexample, ..condition(what, said, input) });
        }
        found
    }

    /// Nothing that a solver did not answer is proved, whatever else is said.
    fn is_solved(&self) -> bool {
        !self.remarks.iter().any(|remark| remark.contains("analysis was not possible"))
    }
}

fn said(output: &Value) -> impl Iterator<Item = &Value> {
    output["errors"].as_array().into_iter().flatten()
}

/// A condition with its place, which the compiler tells in bytes.
fn condition(what: &str, said: &Value, input: &Input) -> Condition {
    let place = &said["sourceLocation"];
    let file = place["file"].as_str().unwrap_or_default().to_owned();
    let source = input.source(&file).unwrap_or_default();
    let byte = |name: &str| place[name].as_u64().and_then(|at| usize::try_from(at).ok());
    let (start, end) = (byte("start").unwrap_or(0), byte("end").unwrap_or(0));
    let before = source.as_bytes().get(..start).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let text = source.as_bytes().get(start..end).unwrap_or_default();
    let text = String::from_utf8_lossy(text).into_owned();
    Condition { what: what.to_owned(), file, line, text, counterexample: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(errors: Value) -> Found {
        let text =
            json!({ "sources": { "A.sol": { "content": "contract A {\n  assert(x > 0);\n}" } } }).to_string();
        let input = Input::parse(text.as_bytes()).unwrap();
        let ordinary = json!({ "errors": [{ "message": "Unused variable." }] });
        Found::read(&json!({ "errors": errors }), &ordinary, &input)
    }

    #[test]
    fn what_the_checker_says_is_told_apart_with_its_place() {
        let at = json!({ "file": "A.sol", "start": 15, "end": 28 });
        let said = |message: &str| json!({ "message": message, "sourceLocation": at, "severity": "warning" });
        let found = found(json!([
            said("CHC: Assertion violation check is safe!"),
            said("CHC: Assertion violation might happen here."),
            said("CHC: Assertion violation happens here.\nCounterexample:\nx = 0"),
            { "message": "Unused variable." },
            { "message": "Assembly is not understood." },
        ]));
        let condition = |counterexample: Option<&str>| Condition {
            what: "CHC: Assertion violation".to_owned(),
            file: "A.sol".to_owned(),
            line: 2,
            text: "assert(x > 0)".to_owned(),
            counterexample: counterexample.map(str::to_owned),
        };
        assert_eq!(found.proved, [condition(None)]);
        assert_eq!(found.unproved, [condition(None)]);
        assert_eq!(found.violated, [condition(Some("Counterexample:\nx = 0"))]);
        assert_eq!(found.remarks, ["Assembly is not understood."]);
        assert!(found.is_solved());
    }

    #[test]
    fn without_a_solver_nothing_is_solved() {
        let none = "CHC analysis was not possible. No Horn solver was available. None of the installed solvers was enabled.";
        let found = found(json!([{ "message": none }]));
        assert!(!found.is_solved());
        assert_eq!(found.remarks, [none]);
    }

    #[test]
    fn places_outside_of_the_source_are_told_without_their_text() {
        let at = json!({ "file": "B.sol", "start": 7_000, "end": 3 });
        let found = found(json!([{ "message": "CHC: Overflow check is safe!", "sourceLocation": at }]));
        assert_eq!((found.proved[0].line, found.proved[0].text.as_str()), (1, ""));
    }
}
