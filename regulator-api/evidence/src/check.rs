//! Checking a package: every file, the signature, the proof, and that the records say what the proof proves.

use concordat_types::Genesis;
use serde::Serialize;
use serde_json::Value;

use crate::{
    activity::{ActivityFile, Checked},
    archive::Files,
    case::{CASE, Case, GENESIS, HEADERS, PROOF, README, SUMMARY},
    error::{EvidenceError, wrong},
    manifest::{self, MANIFEST, SIGNATURE, SUMS},
    records,
    signature::{self, Roots, SIGNER, Signer},
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// Files that stand in every package beside the records.
const ALWAYS: [&str; 10] =
    [CASE, GENESIS, PROOF, HEADERS, SUMMARY, README, SIGNER, SUMS, MANIFEST, SIGNATURE];

/// What was found right.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// What it is about.
    pub case: Case,
    /// Who has signed it.
    pub signer: Signer,
    /// Files in the manifest.
    pub files: usize,
    /// Rows of records that are proven.
    pub records: usize,
    /// Validators' signatures that were checked.
    pub signatures: u64,
}

/// Checks everything; an error names the first thing that is not as it should be.
///
/// # Errors
/// [`EvidenceError`], [`EvidenceError::is_wrong`] where somebody has altered something.
pub fn check(files: &Files, genesis: &Genesis, roots: &Roots) -> Result<Found> {
    let count = manifest::check(files)?;
    let file = |name: &str| files.get(name).ok_or_else(|| wrong(format!("{name} is missing")));
    ALWAYS.iter().try_for_each(|name| file(name).map(drop))?;
    let case = Case::read(file(CASE)?)?;
    let signer = signature::check(files, roots, case.signed_by.time_secs)?;
    check_genesis(file(GENESIS)?, genesis)?;
    let proof = ActivityFile::parse(&String::from_utf8_lossy(file(PROOF)?), PROOF)
        .map_err(|error| wrong(error.to_string()))?;
    let checked = proof.check(genesis)?;
    case.check(genesis, &proof, &checked)?;
    check_headers(file(HEADERS)?, &proof)?;
    let records = check_records(files, &proof, &checked)?;
    Ok(Found { case, signer, files: count, records, signatures: checked.signatures })
}

fn check_genesis(bytes: &[u8], genesis: &Genesis) -> Result<()> {
    let told = Genesis::from_json(&String::from_utf8_lossy(bytes))
        .map_err(|error| wrong(format!("{GENESIS}: {error}")))?;
    if told.hash() != genesis.hash() {
        return Err(wrong(format!("{GENESIS} is not the genesis document that the package is held against")));
    }
    Ok(())
}

/// The headers stand there once more, for light clients of others.
fn check_headers(bytes: &[u8], proof: &ActivityFile) -> Result<()> {
    let told: Value = serde_json::from_slice(bytes).map_err(|error| wrong(format!("{HEADERS}: {error}")))?;
    if told != serde_json::to_value(&proof.headers)? {
        return Err(wrong(format!("{HEADERS} are not those that {PROOF} rests on")));
    }
    Ok(())
}

/// Compares the records, in both directions, and counts those that are proven.
fn check_records(files: &Files, proof: &ActivityFile, checked: &Checked) -> Result<usize> {
    let proven = records::proven(proof, checked)?;
    let told = records::read(files)?;
    let known = |name: &String| {
        let of_table = told
            .keys()
            .any(|table| *name == records::file(*table, "json") || *name == records::file(*table, "csv"));
        ALWAYS.contains(&name.as_str()) || of_table
    };
    if let Some(stranger) = files.keys().find(|name| !known(name)) {
        return Err(wrong(format!("{stranger} has no place in a package")));
    }
    if let Some(missing) = proven.keys().find(|table| !told.contains_key(table)) {
        return Err(wrong(format!("{} is missing", records::file(*missing, "json"))));
    }
    records::compare_all(&proven, &told, |table| records::file(table, "json"))?;
    Ok(proven.values().map(Vec::len).fold(0, usize::saturating_add))
}
