//! What the proposals' arguments have in common.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, Bytes};
use clap::Args;
use concordat_governance::{Action, action::Basis};
use eyre::{Result, WrapErr as _};
use sha2::{Digest as _, Sha256};

use super::submit;
use crate::{keys, sender::SenderArgs};

/// What becomes an action; some ask the node first.
pub trait Proposable {
    /// The action.
    fn action(&self, sender: &SenderArgs) -> Result<Action>;
}

/// What is proposed, and who proposes it.
#[derive(Args)]
pub struct Proposing<T: Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    sender: SenderArgs,
}

impl<T: Args> Proposing<T> {
    /// Proposes what it becomes.
    pub(super) fn propose(&self, json: bool) -> Result<()>
    where
        T: Proposable,
    {
        submit(&self.sender, &self.what.action(&self.sender)?, json)
    }

    /// Proposes what is made of it, where several kinds have the same arguments.
    pub(super) fn propose_as(&self, action: impl FnOnce(&T) -> Result<Action>, json: bool) -> Result<()> {
        submit(&self.sender, &action(&self.what)?, json)
    }
}

/// Why an order is lawful.
#[derive(Args)]
pub struct BasisArgs {
    /// The document that orders it; its SHA-256 goes on chain.
    #[arg(long, value_name = "FILE")]
    basis_file: PathBuf,
    /// Where people find the document.
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

impl BasisArgs {
    pub(crate) fn read(&self) -> Result<Basis> {
        Ok(Basis { document: document(&self.basis_file)?, reference: self.reference.clone() })
    }
}

/// SHA-256 of a document.
pub(in crate::gov) fn document(file: &Path) -> Result<B256> {
    let bytes = fs::read(file).wrap_err_with(|| file.display().to_string())?;
    Ok(B256::from_slice(&Sha256::digest(bytes)))
}

/// The certification path in a file.
pub(super) fn chain(file: &Path) -> Result<Vec<Bytes>> {
    Ok(keys::certificates(file)?.into_iter().map(Bytes::from).collect())
}
