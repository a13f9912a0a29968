//! The manifest: every file of a package with its size and hash. The signature is over it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    archive::Files,
    error::{EvidenceError, wrong},
};

type Result<T> = std::result::Result<T, EvidenceError>;

/// The manifest's name, and that of its signature.
pub(crate) const MANIFEST: &str = "MANIFEST.json";
pub(crate) const SIGNATURE: &str = "MANIFEST.json.p7s";

/// The same hashes once more, as `sha256sum -c` reads them.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Files that the manifest cannot name.
const OUTSIDE: [&str; 2] = [MANIFEST, SIGNATURE];

const FORMAT: &str = "concordat-evidence-manifest";
const VERSION: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    version: u32,
    files: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    bytes: usize,
    sha256: String,
}

/// Adds the list of hashes and the manifest to the files of a package.
pub(crate) fn add(files: &mut Files) -> Result<()> {
    files.insert(SUMS.to_owned(), sums(files).into_bytes());
    let manifest = Manifest { format: FORMAT.to_owned(), version: VERSION, files: entries(files) };
    files.insert(MANIFEST.to_owned(), (serde_json::to_string_pretty(&manifest)? + "\n").into_bytes());
    Ok(())
}

/// Checks that the manifest names each file as it is, and no other; how many it names.
pub(crate) fn check(files: &Files) -> Result<usize> {
    let text = files.get(MANIFEST).ok_or_else(|| wrong(format!("{MANIFEST} is missing")))?;
    let manifest: Manifest =
        serde_json::from_slice(text).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    if (&*manifest.format, manifest.version) != (FORMAT, VERSION) {
        return Err(wrong(format!("{MANIFEST} is none of an evidence package of version {VERSION}")));
    }
    let found = entries(files);
    let named: BTreeSet<&str> = manifest.files.iter().map(|entry| &*entry.name).collect();
    if let Some(surplus) = found.iter().find(|entry| !named.contains(&*entry.name)) {
        return Err(wrong(format!("{} is not in the manifest: it was added", surplus.name)));
    }
    for entry in &manifest.files {
        let Some(have) = found.iter().find(|found| found.name == entry.name) else {
            return Err(wrong(format!("{} is missing", entry.name)));
        };
        if have != entry {
            return Err(wrong(format!("{} is not the one in the manifest: it was altered", entry.name)));
        }
    }
    if found != manifest.files {
        return Err(wrong(format!("{MANIFEST} is not in the order of names")));
    }
    let told = files.get(SUMS).ok_or_else(|| wrong(format!("{SUMS} is missing")))?;
    if *told != sums(files).into_bytes() {
        return Err(wrong(format!("{SUMS} does not tell what the manifest tells")));
    }
    Ok(found.len())
}

fn entries(files: &Files) -> Vec<Entry> {
    let inside = files.iter().filter(|(name, _)| !OUTSIDE.contains(&&***name));
    let entry = |(name, bytes): (&String, &Vec<u8>)| Entry {
        name: name.clone(),
        bytes: bytes.len(),
        sha256: hex::encode(Sha256::digest(bytes)),
    };
    inside.map(entry).collect()
}

fn sums(files: &Files) -> String {
    let entries = entries(files);
    let others = entries.iter().filter(|entry| entry.name != SUMS);
    others.map(|entry| format!("{}  {}\n", entry.sha256, entry.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Files {
        let mut files = Files::from([
            ("case.json".to_owned(), b"{}".to_vec()),
            ("records/logs.csv".to_owned(), b"1\n".to_vec()),
        ]);
        add(&mut files).unwrap();
        files
    }

    fn refused(change: impl FnOnce(&mut Files)) -> String {
        let mut files = package();
        change(&mut files);
        check(&files).unwrap_err().to_string()
    }

    #[test]
    fn the_manifest_is_golden() {
        let files = package();
        assert_eq!(check(&files).unwrap(), 3);
        let sums = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a  case.json\n\
                    4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865  records/logs.csv\n";
        assert_eq!(String::from_utf8(files[SUMS].clone()).unwrap(), sums);
        let told: serde_json::Value = serde_json::from_slice(&files[MANIFEST]).unwrap();
        let names: Vec<&str> =
            told["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect();
        assert_eq!(names, [SUMS, "case.json", "records/logs.csv"]);
        assert_eq!(told["files"][1]["bytes"], 2);
    }

    #[test]
    fn a_file_that_is_altered_missing_added_or_listed_otherwise_is_named() {
        let altered = refused(|files| files.get_mut("case.json").unwrap().push(b' '));
        assert_eq!(altered, "case.json is not the one in the manifest: it was altered");
        let missing = refused(|files| drop(files.remove("records/logs.csv")));
        assert_eq!(missing, "records/logs.csv is missing");
        let added = refused(|files| drop(files.insert("x".into(), vec![])));
        assert_eq!(added, "x is not in the manifest: it was added");
        assert_eq!(refused(|files| drop(files.remove(MANIFEST))), "MANIFEST.json is missing");
        let other = refused(|files| {
            let text = String::from_utf8(files[MANIFEST].clone()).unwrap();
            files.insert(MANIFEST.into(), text.replace("\"version\": 1", "\"version\": 2").into_bytes());
        });
        assert!(other.contains("version 1"), "{other}");
    }
}
