//! What the program says, to people and to machines.

use std::process::ExitCode;

use eyre::Result;
use serde::Serialize;

/// Something was verified and found wrong. Scripts tell it from "could not verify" by exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FoundWrong(pub String);

/// It failed, and what is to be said of it is printed already.
#[derive(Debug, thiserror::Error)]
#[error("see above")]
pub struct Told;

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
    if error.is::<Told>() {
        return ExitCode::FAILURE;
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    if json {
        println!("{}", serde_json::json!({ "error": causes.join(": ") }));
    } else {
        eprintln!("error: {}", causes.join(": "));
    }
    match error.downcast_ref::<FoundWrong>() {
        Some(_) => ExitCode::from(3),
        None => ExitCode::FAILURE,
    }
}
