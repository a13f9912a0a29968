//! The package as a ZIP file: made the same from the same files, and read within bounds.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _, Write as _},
    path::Path,
};

use time::OffsetDateTime;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::error::{EvidenceError, wrong};

type Result<T> = std::result::Result<T, EvidenceError>;

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The largest package, the most files in it, and the most bytes that they may have unpacked.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;
const MAX_FILES: usize = 256;
const MAX_BYTES: u64 = 1 << 31;

/// The longest name.
const MAX_NAME: usize = 120;

/// The package's bytes: files in the order of their names, all of one time, so that nothing tells who made it where.
///
/// # Errors
/// [`EvidenceError::Zip`].
pub fn write(files: &Files, at_secs: u64) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(stamp(at_secs))
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options)?;
        writer.write_all(bytes).map_err(zip::result::ZipError::Io)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// The time of a block in the form of ZIP files, whose years begin with 1980.
fn stamp(at_secs: u64) -> DateTime {
    let time = i64::try_from(at_secs).ok().and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    let stamp = time.and_then(|time| {
        let year = u16::try_from(time.year()).ok()?;
        let (month, day) = (u8::from(time.month()), time.day());
        DateTime::from_date_and_time(year, month, day, time.hour(), time.minute(), time.second()).ok()
    });
    stamp.unwrap_or_default()
}

/// Reads a package.
///
/// # Errors
/// [`EvidenceError::Wrong`] for what is damaged or has no place in a package.
pub fn read(path: &Path) -> Result<Files> {
    let failed = |source| EvidenceError::File { what: "package", path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_ARCHIVE_BYTES {
        let told = format!("package {} has {bytes} bytes", path.display());
        return Err(EvidenceError::Unable(format!(
            "{told}, more than the {MAX_ARCHIVE_BYTES} that are read"
        )));
    }
    unpack(std::fs::read(path).map_err(failed)?)
}

/// Reads a package's bytes.
///
/// # Errors
/// [`EvidenceError::Wrong`] for what is damaged or has no place in a package.
pub fn unpack(bytes: Vec<u8>) -> Result<Files> {
    let damaged = |error: zip::result::ZipError| wrong(format!("the package is damaged: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MAX_FILES {
        return Err(wrong(format!("the package has {} files, more than {MAX_FILES}", archive.len())));
    }
    if archive.has_duplicate_names() {
        return Err(wrong("the package has two files of one name"));
    }
    let (mut files, mut left) = (Files::new(), MAX_BYTES);
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if !is_plain(&name) || !entry.is_file() || entry.encrypted() {
            return Err(wrong(format!("{:?} has no place in a package", shortened(&name))));
        }
        let mut content = Vec::new();
        // What the archive says of sizes is not trusted: no more is unpacked than may be.
        let read = entry.take(left.saturating_add(1)).read_to_end(&mut content);
        let read = read.map_err(|error| wrong(format!("{name} is damaged: {error}")))?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        left = left
            .checked_sub(read)
            .ok_or_else(|| wrong(format!("the package unpacks to more than {MAX_BYTES} bytes")))?;
        if files.insert(name.clone(), content).is_some() {
            return Err(wrong(format!("the package has {name} twice")));
        }
    }
    Ok(files)
}

/// Letters, digits, `.`, `_` and `-`, in folders: nothing that leads elsewhere.
fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        let all = part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        all && !part.is_empty() && !part.starts_with('.')
    };
    name.len() <= MAX_NAME && name.split('/').all(plain)
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let of = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        Files::from([of("b.json", "{}"), of("a/one.csv", &"1,2\n".repeat(1000))])
    }

    /// An archive of one entry with any name.
    fn named(name: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(b"x").unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_package_is_made_the_same_from_the_same_files_and_comes_back() {
        let bytes = write(&files(), 1_700_000_000).unwrap();
        assert_eq!(bytes, write(&files(), 1_700_000_000).unwrap());
        assert_ne!(bytes, write(&files(), 1_700_000_100).unwrap());
        assert!(bytes.len() < 1000, "it is compressed");
        assert_eq!(unpack(bytes).unwrap(), files());
        assert_eq!(write(&Files::new(), 0).unwrap(), write(&Files::new(), u64::MAX).unwrap());
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in
            ["../up", "/etc/passwd", "a/../../b", "a\\b", "a//b", ".hidden", "c:evil", "", &"x".repeat(121)]
        {
            let refused = unpack(named(name)).unwrap_err().to_string();
            assert!(refused.contains("no place"), "{name}: {refused}");
        }
        assert!(unpack(named("records/logs.csv")).is_ok());
    }

    #[test]
    fn no_file_of_a_damaged_package_comes_back_altered() {
        let bytes = write(&files(), 1_700_000_000).unwrap();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x55;
            // Some bytes, such as those of times, say nothing of any file; names are the manifest's to check.
            for (name, content) in unpack(damaged).unwrap_or_default() {
                assert!(files().get(&name).is_none_or(|own| *own == content), "byte {place}, {name}");
            }
        }
        assert!(unpack(bytes[..bytes.len() / 2].to_vec()).is_err());
        assert!(unpack(b"no archive".to_vec()).is_err());
    }

    #[test]
    fn a_package_of_too_many_files_is_refused() {
        let many: Files = (0..=MAX_FILES).map(|n| (format!("f{n}"), Vec::new())).collect();
        let refused = unpack(write(&many, 0).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("more than 256"), "{refused}");
    }
}
