//! What the program says, to people and to machines.

use std::process::ExitCode;

use concordat_evidence::EvidenceError;
use concordat_light::LightError;
use eyre::Result;
use serde::Serialize;
use serde_json::Value;

/// Something was verified and found wrong. Scripts tell it from "could not verify" by exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FoundWrong(pub String);

/// A report that ends the program with a code of its own. It is printed in place of an error.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Report {
    /// For machines.
    pub said: Value,
    /// For people.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// Prints `value` as JSON, or what `human` makes of it.
pub fn show<T: Serialize>(json: bool, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        println!("{}", human(value).trim_end());
    }
    Ok(())
}

/// Says how work goes on, to people only, on standard error.
pub fn progress(json: bool, text: impl std::fmt::Display) {
    if !json {
        eprintln!("{text}");
    }
}

/// Prints an error with its causes and chooses the exit code.
pub fn failure(error: &eyre::Report, json: bool) -> ExitCode {
    if let Some(Report { said, text, code }) = error.downcast_ref() {
        println!("{}", if json { format!("{said:#}") } else { text.trim_end().to_owned() });
        return ExitCode::from(*code);
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    if json {
        println!("{}", serde_json::json!({ "error": causes.join(": ") }));
    } else {
        eprintln!("error: {}", causes.join(": "));
    }
    if is_found_wrong(error) { ExitCode::from(3) } else { ExitCode::FAILURE }
}

/// Whether something was verified and found wrong, by this program or by the crates that it asks.
fn is_found_wrong(error: &eyre::Report) -> bool {
    error.is::<FoundWrong>()
        || error.downcast_ref::<LightError>().is_some_and(LightError::is_wrong)
        || error.downcast_ref::<EvidenceError>().is_some_and(EvidenceError::is_wrong)
}
