//! Of an upgrade: whether the new source finds each variable where the old one left it.
//!
//! Both layouts are the compiler's word. What it does not lay out is not seen: storage that assembly addresses by a
//! slot of its own (ERC-7201 and the like), and the order of an enumeration's members. That such storage is marked in a
//! source is told.

mod storage;

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256};
use clap::Args;
use eyre::{Result, WrapErr as _, bail};
use serde::Serialize;
use serde_json::Value;

use self::storage::{Change, Layout};
use super::{
    artefact::Artefact,
    compare::Verdict,
    compiler::Compiler,
    input::{ContractName, Input},
    target::TargetArgs,
};
use crate::output::FoundWrong;

/// How sources mark storage that the compiler does not lay out (ERC-7201).
const NAMESPACED: &str = "@custom:storage-location";

/// The source that an upgrade replaces.
#[derive(Args)]
pub struct LayoutArgs {
    /// Of an upgrade: the compiler's standard JSON input of the implementation that runs now. Exit code 3 if a variable
    /// of its storage moves, changes its type, or goes.
    #[arg(long, value_name = "FILE")]
    previous_input: Option<PathBuf>,
    /// The contract in that input; without, the one that --contract names.
    #[arg(long, value_name = "FILE:NAME", requires = "previous_input")]
    previous_contract: Option<ContractName>,
    /// The implementation that runs now (`contract versions` tells): it must be what that input compiles to.
    #[arg(long, value_name = "ADDRESS", requires = "previous_input")]
    previous_address: Option<Address>,
    /// The compiler of that input; without, the same.
    #[arg(long, value_name = "PROGRAM", requires = "previous_input")]
    previous_solc: Option<PathBuf>,
    /// Take a layout that changes for one that does not: what changes is told all the same.
    #[arg(long, requires = "previous_input")]
    allow_layout_change: bool,
}

/// What becomes of the storage.
#[derive(Debug, Serialize)]
pub struct Upgrade {
    /// SHA-256 of the previous input.
    previous_source: B256,
    /// Whether the implementation that runs now is what it compiles to; `None` where that was not asked.
    previous_code: Option<&'static str>,
    /// Whether the storage can be used as it is.
    kept: bool,
    changes: Vec<Change>,
    /// Names of variables that are new.
    added: Vec<String>,
    /// Whether a source marks storage that the compiler does not lay out.
    namespaced: bool,
}

impl LayoutArgs {
    /// Holds the storage of the new source, as it was compiled, against that of the previous one; `None` if none is named.
    pub fn compare(
        &self,
        name: &ContractName,
        (input, output): (&Input, &Value),
        (compiler, limit): (&Compiler, Duration),
        target: &TargetArgs,
        ignore_metadata: bool,
    ) -> Result<Option<Upgrade>> {
        let Some(file) = &self.previous_input else { return Ok(None) };
        let previous = Input::read(file)?;
        let previous_name = self.previous_contract.as_ref().unwrap_or(name);
        let old = match &self.previous_solc {
            Some(program) => Compiler::find(Some(program), None, limit)?.compile(&previous.asked()),
            None => compiler.compile(&previous.asked()),
        };
        let old = old.wrap_err("the previous input; --previous-solc names a compiler for it")?;
        previous.check(&old)?;
        let previous_code = self.previous_address.map(|address| {
            let code = target.code(address)?;
            let verdict = Artefact::of(&old, previous_name)?.compare_runtime(&code, address);
            runs(&verdict, address, ignore_metadata)
        });
        let (old, new) = (Layout::of(&old, previous_name)?, Layout::of(output, name)?);
        let (changes, added) = old.changes(&new);
        Ok(Some(Upgrade {
            previous_source: previous.hash,
            previous_code: previous_code.transpose()?,
            kept: changes.is_empty(),
            changes,
            added,
            namespaced: previous.mentions(NAMESPACED) || input.mentions(NAMESPACED),
        }))
    }

    /// Whether an upgrade may go on.
    pub fn allows(&self, upgrade: &Upgrade) -> bool {
        self.allow_layout_change || upgrade.kept
    }
}

/// A layout that is not that of what runs says nothing.
fn runs(verdict: &Verdict, address: Address, ignore_metadata: bool) -> Result<&'static str> {
    match verdict {
        Verdict::Identical => Ok("identical"),
        Verdict::IdenticalButForMetadata if ignore_metadata => Ok("identical-but-for-metadata"),
        Verdict::IdenticalButForMetadata => bail!(FoundWrong(format!(
            "the code at {address} is what the previous input compiles to but for the metadata; --ignore-metadata takes \
             that for the same"
        ))),
        Verdict::Differs { at, .. } => bail!(FoundWrong(format!(
            "the code at {address} is not what the previous input compiles to, from byte {at} on: find the source that \
             runs now"
        ))),
    }
}

impl Upgrade {
    /// For people.
    pub fn describe(&self) -> String {
        let mut lines = vec![format!("previous    {}", self.previous_source)];
        lines.extend(
            self.previous_code
                .map(|verdict| format!("{verdict:<11} the previous code is what it compiles to")),
        );
        lines.push(match self.kept {
            true => "storage     each variable stays where it is".to_owned(),
            false => format!(
                "storage     {} changes: what the old code has stored, the new one would misread; \
                 --allow-layout-change takes that",
                self.changes.len()
            ),
        });
        lines.extend(self.changes.iter().map(|change| format!("            {change}")));
        lines.extend((!self.added.is_empty()).then(|| format!("new         {}", self.added.join(", "))));
        lines.extend(self.namespaced.then(|| {
            format!("warning     a source marks storage with {NAMESPACED}: the compiler does not lay it out, compare by eye")
        }));
        lines.join("\n")
    }
}
