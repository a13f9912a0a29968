//! The file that proves an activity: everything that its verification takes, but for the genesis document.

use std::{fs, path::Path};

use alloy_primitives::{B256, Bytes};
use concordat_core::last_active;
use concordat_light::{LightBlock, LightError, proven, replay};
use concordat_types::{
    Genesis, StateKey,
    activity::{Claim, Peaks, ProvenBlock, Seen, Subject},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tendermint::block::Header;

use crate::error::{EvidenceError, wrong};

type Result<T> = std::result::Result<T, EvidenceError>;

/// What every such file says that it is.
const FORMAT: &str = "concordat-activity";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A proof of an activity.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActivityFile {
    format: String,
    version: u32,
    /// The CometBFT chain id.
    pub chain_id: String,
    /// Whose activity.
    pub subject: Subject,
    /// The first height.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// The height after whose block the rows stand in the state. The header above it signs that state.
    anchor: u64,
    /// The subject's row, where its chain of active blocks begins.
    begin: Row,
    /// The row of the history.
    history: Row,
    /// Headers that lead from the genesis document to the one above the anchor, with their commits and validators.
    pub headers: Vec<LightBlock>,
    /// The chain, the newest block first.
    blocks: Vec<ProvenBlock>,
}

/// A row of the state with its ICS 23 proof.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    value: Option<Bytes>,
    proof: Bytes,
}

/// What was found right.
pub struct Checked {
    /// The header that signs the state.
    pub header: Header,
    /// Signatures that were checked.
    pub signatures: u64,
    /// All transactions of the range in which the subject had a part.
    pub seen: Vec<Seen>,
    /// Whether the state knows the subject at all. Where it does not, nothing is kept of whom others name.
    pub covered: bool,
}

impl Checked {
    /// Where the transactions stand: height, and place in the block.
    pub fn places(&self) -> Vec<(u64, u32)> {
        self.seen.iter().map(|seen| (seen.block.0, seen.part.index)).collect()
    }
}

/// Adds which file is not understood.
fn malformed(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> EvidenceError {
    let what = what.into();
    move |source| EvidenceError::Malformed { what, source }
}

impl ActivityFile {
    /// A file without headers and blocks, out of a node's first answer.
    pub(crate) fn new(
        genesis: &Genesis,
        (subject, from, to): (Subject, u64, u64),
        anchor: u64,
        state: &Value,
    ) -> Result<Self> {
        let row = |name: &str| -> Result<Row> {
            let (value, proof) = (state[name]["value"].clone(), state[name]["proof"].clone());
            let malformed = || malformed(format!("the node's proof of the {name} is malformed"));
            Ok(Row {
                value: serde_json::from_value(value).map_err(malformed())?,
                proof: serde_json::from_value(proof).map_err(malformed())?,
            })
        };
        Ok(Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            chain_id: genesis.chain_id.clone(),
            subject,
            from,
            to,
            anchor,
            begin: row("subject")?,
            history: row("history")?,
            headers: Vec::new(),
            blocks: Vec::new(),
        })
    }

    /// Adds the blocks of an answer.
    pub(crate) fn extend(&mut self, blocks: &Value) -> Result<()> {
        let blocks: Vec<ProvenBlock> =
            serde_json::from_value(blocks.clone()).map_err(malformed("the node's blocks are malformed"))?;
        self.blocks.extend(blocks);
        Ok(())
    }

    /// How many blocks there are.
    pub(crate) const fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// How many transactions there are in them.
    pub(crate) fn transactions(&self) -> usize {
        self.blocks.iter().map(|block| block.transactions.len()).fold(0, usize::saturating_add)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`EvidenceError::Wrong`] for a field that has no place in it, and for what cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let told = format!("proof {}", path.display());
        let failed = |source| EvidenceError::File { what: "proof", path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes > MAX_FILE_BYTES {
            let what = format!("{told} has {bytes} bytes, more than the {MAX_FILE_BYTES} that are read");
            return Err(EvidenceError::Unable(what));
        }
        Self::parse(&fs::read_to_string(path).map_err(failed)?, &told)
    }

    /// Reads a file's text; `told` names it in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, told: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(malformed(told))?;
        match (value["format"].as_str(), value["version"].as_u64()) {
            (Some(FORMAT), Some(1)) => {}
            (Some(FORMAT), version) => {
                let version = version.map_or_else(|| "?".to_owned(), |version| version.to_string());
                let what = format!("{told} is of version {version}; this program reads version {VERSION}");
                return Err(EvidenceError::Unable(what));
            }
            _ => return Err(EvidenceError::Unable(format!("{told} is none of an activity"))),
        }
        // Whatever does not belong there is an alteration like any other.
        serde_json::from_value(value).map_err(|error| wrong(format!("{told}: {error}")))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`EvidenceError::File`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |source| EvidenceError::File { what: "proof", path: path.to_owned(), source };
        fs::write(path, self.to_json()?).map_err(failed)
    }

    /// Its text.
    ///
    /// # Errors
    /// None that can be: what is in it has a JSON form.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// The bytes of the transactions in the range, as they stand beside what [`Self::check`] has seen.
    pub fn raw(&self) -> impl Iterator<Item = &Bytes> {
        self.blocks.iter().flat_map(|block| &block.transactions).map(|told| &told.raw)
    }

    /// Checks everything in it.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, genesis: &Genesis) -> Result<Checked> {
        if self.chain_id != genesis.chain_id {
            let (have, want) = (&self.chain_id, &genesis.chain_id);
            return Err(wrong(format!(
                "the proof is of chain {have:?}, the genesis document of chain {want:?}"
            )));
        }
        let (header, signatures) = replay(genesis, &self.headers)?;
        self.check_anchor(&header)?;
        let root = B256::try_from(header.app_hash.as_bytes())
            .map_err(LightError::because("the header carries no root of a state"))?;
        let key = self.subject.state_key();
        let begin = self.begin.value(&key, root, &format!("the row of {}", self.subject))?;
        let history = self.history.value(&Peaks::state_key(), root, "the history")?;
        let peaks = match history {
            None => Some(Peaks::default()),
            Some(bytes) => Peaks::decode(bytes),
        };
        let claim = Claim {
            last: last_active(&self.subject, begin).map_err(EvidenceError::Row)?,
            peaks: peaks.ok_or_else(|| wrong("the history in the state is malformed"))?,
            subject: self.subject.clone(),
            from: self.from,
            to: self.to,
        };
        let seen = claim.verify(&self.blocks).map_err(|error| wrong(error.to_string()))?;
        let covered = begin.is_some();
        Ok(Checked { header, signatures, seen, covered })
    }

    fn check_anchor(&self, header: &Header) -> Result<()> {
        let (height, anchor) = (header.height.value(), self.anchor);
        if anchor.checked_add(1) != Some(height) {
            return Err(wrong(format!(
                "the headers lead to block {height}, which does not sign the state after block {anchor}"
            )));
        }
        if self.to > anchor {
            return Err(wrong(format!(
                "the range ends at block {}, after block {anchor}, to which the proof reaches",
                self.to
            )));
        }
        Ok(())
    }
}

impl Row {
    /// The value, once it is sure that the state holds it, or holds none.
    fn value(&self, key: &StateKey, root: B256, what: &str) -> Result<Option<&[u8]>> {
        let value = self.value.as_ref().map(|value| value.as_ref());
        // No value of the state is empty: absence is told by null alone.
        let is_empty = value.is_some_and(<[u8]>::is_empty);
        if is_empty || !proven(&self.proof, root, key, value.unwrap_or_default()) {
            return Err(wrong(format!(
                "{what} is not the one in the state that the headers sign: it was altered"
            )));
        }
        Ok(value)
    }
}
