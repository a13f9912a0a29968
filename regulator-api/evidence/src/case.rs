//! What a package is about, and the files that it is made of before it is signed.

use concordat_sql::export::Records;
use concordat_types::{B256, Genesis, activity::Subject};
use serde::{Deserialize, Serialize};

use crate::{
    activity::{ActivityFile, Checked},
    archive::Files,
    error::{EvidenceError, wrong},
    readme, records, summary,
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// Names of files.
pub(crate) const CASE: &str = "case.json";
pub(crate) const GENESIS: &str = "genesis.json";
pub(crate) const PROOF: &str = "proof/activity.json";
pub(crate) const HEADERS: &str = "proof/headers.json";
pub(crate) const SUMMARY: &str = "summary.html";
pub(crate) const README: &str = "README.txt";

const FORMAT: &str = "concordat-evidence";
const VERSION: u32 = 1;

/// What a package is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    format: String,
    version: u32,
    /// The reference of the case.
    pub case: String,
    /// The chain.
    pub chain_id: String,
    /// The hash of its genesis document.
    pub genesis_hash: B256,
    /// Who.
    pub subject: Subject,
    /// The first height.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// Transactions in which the subject had a part: all of them.
    pub transactions: usize,
    /// The newest block that the package rests on.
    pub signed_by: SignedBy,
    /// The database's digest over all blocks up to the last height.
    pub database_digest: Option<String>,
    /// The program that made it.
    pub made_by: String,
}

/// The block that signs the state by which the activity is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedBy {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: String,
    /// Its time, in Unix seconds. The signer's certificate has to be valid at it.
    pub time_secs: u64,
}

impl Case {
    /// What is proven, under a reference.
    pub(crate) fn new(
        reference: &str,
        genesis: &Genesis,
        proof: &ActivityFile,
        checked: &Checked,
        database_digest: Option<String>,
    ) -> Result<Self> {
        let header = &checked.header;
        let time = header.time.unix_timestamp();
        Ok(Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            case: reference.to_owned(),
            chain_id: genesis.chain_id.clone(),
            genesis_hash: genesis.hash(),
            subject: proof.subject.clone(),
            from: proof.from,
            to: proof.to,
            transactions: checked.seen.len(),
            signed_by: SignedBy {
                height: header.height.value(),
                hash: header.hash().to_string(),
                time_secs: u64::try_from(time).map_err(|_| wrong(format!("a block of the time {time}")))?,
            },
            database_digest,
            made_by: format!("concordat {}", env!("CARGO_PKG_VERSION")),
        })
    }

    /// Reads it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let case: Self = serde_json::from_slice(bytes).map_err(|error| wrong(format!("{CASE}: {error}")))?;
        if (&*case.format, case.version) != (FORMAT, VERSION) {
            return Err(wrong(format!("{CASE} is none of an evidence package of version {VERSION}")));
        }
        Ok(case)
    }

    /// Checks that it says what a proof proves. Its reference, the database's digest and the program are the signer's word.
    pub(crate) fn check(&self, genesis: &Genesis, proof: &ActivityFile, checked: &Checked) -> Result<()> {
        let mut proven = Self::new(&self.case, genesis, proof, checked, self.database_digest.clone())?;
        proven.made_by.clone_from(&self.made_by);
        let fields = |case: &Self| -> Result<serde_json::Map<String, serde_json::Value>> {
            Ok(serde_json::from_value(serde_json::to_value(case)?)?)
        };
        let (have, want) = (fields(self)?, fields(&proven)?);
        match want.iter().find(|(name, value)| have.get(*name) != Some(*value)) {
            None => Ok(()),
            Some((name, value)) => {
                let told = have.get(name).cloned().unwrap_or_default();
                Err(wrong(format!("{CASE} tells {name} {told}, proven is {value}")))
            }
        }
    }
}

/// The files of a package, but for the signer's. The database's records have to say what is proven.
pub(crate) fn files(
    case: &Case,
    genesis: &Genesis,
    proof: &ActivityFile,
    checked: &Checked,
    told: Records,
) -> Result<Files> {
    let proven = records::proven(proof, checked)?;
    records::compare_all(&proven, &told.tables, |table| table.to_string()).map_err(|error| {
        wrong(format!(
            "the database is not what is proven: {error}; `concordat audit verify-projection` says more"
        ))
    })?;
    let mut files = Files::new();
    records::write(&told.tables, &mut files);
    let text = [
        (CASE, serde_json::to_string_pretty(case)? + "\n"),
        (GENESIS, genesis.to_json() + "\n"),
        (PROOF, proof.to_json()?),
        (HEADERS, serde_json::to_string(&proof.headers)? + "\n"),
        (SUMMARY, summary::render(case, checked, &told.tables)),
        (README, readme::text(case)),
    ];
    files.extend(text.map(|(name, text)| (name.to_owned(), text.into_bytes())));
    Ok(files)
}
