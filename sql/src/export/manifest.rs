//! What an export consists of, in a file beside it: written when it begins, whenever a part is done, and at its end.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Export, ExportError, Format, file, shown};
use crate::tables::Type;

/// What every manifest says that it is.
const FORMAT: &str = "concordat-export";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

/// The largest manifest that is read.
const MAX_BYTES: u64 = 64 << 20;

/// What an export consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// The chain.
    pub chain_id: String,
    /// The table.
    pub table: String,
    /// `parquet`, `ndjson` or `csv`.
    pub files: String,
    /// The first height.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// Whether all of it is there.
    pub complete: bool,
    /// Rows in all parts.
    pub rows: u64,
    /// The columns: name, and what they hold.
    pub columns: Vec<(String, String)>,
    /// The files.
    pub parts: Vec<Part>,
    /// The database's digest over all blocks up to the last height; absent until the end.
    pub digest: Option<String>,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// The first height in it.
    pub from: u64,
    /// The last height.
    pub to: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 over them.
    pub sha256: String,
}

impl Manifest {
    /// A manifest of nothing yet, and where it belongs. A folder is made for Parquet.
    pub(super) fn begin(
        export: &Export,
        chain_id: &str,
        (from, to): (u64, u64),
    ) -> Result<(Self, PathBuf), ExportError> {
        let path = place(export);
        if export.output.exists() || path.exists() {
            return Err(ExportError::Exists(shown(&export.output)));
        }
        if export.format == Format::Parquet {
            std::fs::create_dir(&export.output).map_err(ExportError::at(&export.output))?;
        }
        let columns = export.table.columns().iter();
        let columns = columns.map(|column| (column.name.to_owned(), holds(column.holds).to_owned()));
        let manifest = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            chain_id: chain_id.to_owned(),
            table: export.table.name().to_owned(),
            files: export.format.name().to_owned(),
            from,
            to,
            complete: false,
            rows: 0,
            columns: columns.collect(),
            parts: Vec::new(),
            digest: None,
        };
        Ok((manifest, path))
    }

    /// The manifest of an export that did not end, once its parts are known to be as they were left.
    pub(super) fn resume(export: &Export, chain_id: &str) -> Result<(Self, PathBuf), ExportError> {
        let path = place(export);
        if !path.exists() {
            return Err(ExportError::NotBegun(shown(&export.output)));
        }
        let failed = ExportError::at(&path);
        if std::fs::metadata(&path).map_err(&failed)?.len() > MAX_BYTES {
            return Err(ExportError::differs(&path, "it is no manifest of an export"));
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| ExportError::differs(&path, error.to_string()))?;
        manifest.check(export, chain_id, &path)?;
        Ok((manifest, path))
    }

    fn check(&self, export: &Export, chain_id: &str, path: &Path) -> Result<(), ExportError> {
        let (from, to) = (export.from.unwrap_or(self.from), export.to.unwrap_or(self.to));
        let fields = [
            ("format", self.format.as_str(), FORMAT),
            ("chain", self.chain_id.as_str(), chain_id),
            ("table", self.table.as_str(), export.table.name()),
            ("form", self.files.as_str(), export.format.name()),
        ];
        if let Some((field, have, want)) = fields.iter().find(|(_, have, want)| have != want) {
            return Err(ExportError::differs(path, format!("its {field} is {have}, asked for is {want}")));
        }
        if (self.version, self.from, self.to) != (VERSION, from, to) {
            let (version, begin, end) = (self.version, self.from, self.to);
            let what = format!("it is of version {version} and of blocks {begin} to {end}");
            return Err(ExportError::differs(path, what));
        }
        for part in &self.parts {
            let file = path.with_file_name(&part.file);
            if file::hash(&file)? != (part.bytes, part.sha256.clone()) {
                return Err(ExportError::differs(&file, "it is not as it was written"));
            }
        }
        Ok(())
    }

    /// The height at which the next part begins.
    pub(super) fn next(&self) -> u64 {
        self.parts.last().map_or(self.from, |part| part.to.saturating_add(1))
    }

    /// Adds a part.
    pub(super) fn add(&mut self, part: Part) {
        self.rows = self.rows.saturating_add(part.rows);
        self.parts.push(part);
    }

    /// Writes it in one step: a kill leaves the old one or the new one.
    pub(super) fn write(&self, path: &Path) -> Result<(), ExportError> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| ExportError::differs(path, error.to_string()))?;
        text.push('\n');
        let new = path.with_extension("new");
        let write = || {
            std::fs::write(&new, text)?;
            std::fs::File::open(&new)?.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().map_err(ExportError::at(path))
    }
}

/// Within the folder, or beside the file.
fn place(export: &Export) -> PathBuf {
    if export.format == Format::Parquet {
        return export.output.join("manifest.json");
    }
    let mut name = export.output.clone().into_os_string();
    name.push(".manifest.json");
    name.into()
}

const fn holds(holds: Type) -> &'static str {
    match holds {
        Type::Int => "integer of 64 bits",
        Type::Number => "whole number as decimal text",
        Type::Text => "text",
        Type::Bytes => "bytes",
        Type::Bool => "boolean",
        Type::Json => "JSON as text",
    }
}
