//! The folder of an archive: which blocks lie in which file.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{ArchiveError, Blocks, ChainOf, MAX_FILE_BYTES};

/// What files' names end with.
const SUFFIX: &str = ".blocks";

/// What a file is called until it is whole.
const UNFINISHED: &str = ".unfinished";

/// The heights of a file, as its name tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Range {
    /// The name: both heights with leading zeros, so that names stand in the order of heights.
    pub fn file_name(&self) -> String {
        format!("{:020}-{:020}{SUFFIX}", self.first, self.last)
    }

    /// The heights in a name; `None` for other files.
    pub fn of_file(name: &str) -> Option<Self> {
        let (first, last) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()? };
        (range.file_name() == name && range.first <= range.last).then_some(range)
    }
}

/// A folder of an archive.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// An existing folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same as [`Self::ranges`]; nothing where the folder is still to be made.
    pub(super) fn ranges_or_none(&self) -> Result<Vec<Range>, ArchiveError> {
        match fs::exists(&self.path) {
            Ok(false) => Ok(Vec::new()),
            _ => self.ranges(),
        }
    }

    /// What lies in it, in the order of first heights.
    pub fn ranges(&self) -> Result<Vec<Range>, ArchiveError> {
        let failed = || ArchiveError::at("list", &self.path);
        let mut ranges = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            ranges.extend(name.to_str().and_then(Range::of_file));
        }
        ranges.sort_unstable();
        Ok(ranges)
    }

    /// Where a file lies.
    pub fn path_of(&self, range: &Range) -> PathBuf {
        self.path.join(range.file_name())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] for what is none, [`ArchiveError::OtherChain`] for another chain's.
    pub fn read(&self, range: &Range, chain: &ChainOf) -> Result<Blocks, ArchiveError> {
        let path = self.path_of(range);
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(ArchiveError::at("open", &path))?;
        let read = file.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(ArchiveError::at("read", &path))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ArchiveError::damaged(path, format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        let blocks = Blocks::decode(&bytes).map_err(|reason| ArchiveError::damaged(&path, reason))?;
        if blocks.chain != *chain {
            let told = |chain: &ChainOf| format!("{} with genesis {}", chain.chain_id, chain.genesis);
            return Err(ArchiveError::OtherChain { path, have: told(&blocks.chain), want: told(chain) });
        }
        if (blocks.first, blocks.last()) != (range.first, range.last) {
            return Err(ArchiveError::damaged(path, "its name tells other heights"));
        }
        Ok(blocks)
    }

    /// Writes a file: it is there whole, and on the disk, or not at all.
    pub fn write(&self, blocks: &Blocks) -> Result<PathBuf, ArchiveError> {
        fs::create_dir_all(&self.path).map_err(ArchiveError::at("create", &self.path))?;
        let range = Range { first: blocks.first, last: blocks.last() };
        let path = self.path_of(&range);
        let bytes = blocks.encode().ok_or_else(|| ArchiveError::damaged(&path, "a block is too large"))?;
        let unfinished = self.path.join(UNFINISHED);
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.map_err(ArchiveError::at("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(ArchiveError::at("rename", &unfinished))?;
        sync_directory(&self.path)?;
        Ok(path)
    }
}

fn sync_directory(path: &Path) -> Result<(), ArchiveError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(ArchiveError::at("sync", path))
}

#[cfg(test)]
mod tests {
    use concordat_types::B256;

    use super::*;
    use crate::archive::ArchivedBlock;

    fn chain() -> ChainOf {
        ChainOf { chain_id: "consortium-1".into(), genesis: B256::repeat_byte(1) }
    }

    fn blocks(first: u64, count: u8) -> Blocks {
        let block = |byte| ArchivedBlock { block: vec![byte], commit: vec![] };
        Blocks { chain: chain(), first, blocks: (0..count).map(block).collect() }
    }

    #[test]
    fn names_tell_heights_and_other_files_are_no_part_of_it() {
        let range = Range { first: 1, last: 1_000 };
        assert_eq!(range.file_name(), "00000000000000000001-00000000000000001000.blocks");
        assert_eq!(Range::of_file(&range.file_name()), Some(range));
        for name in
            ["1-1000.blocks", "readme.txt", "00000000000000000002-00000000000000000001.blocks", UNFINISHED]
        {
            assert_eq!(Range::of_file(name), None, "{name}");
        }
    }

    #[test]
    fn files_are_listed_by_height_and_read_back() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path().join("archive"));
        folder.write(&blocks(3, 2)).unwrap();
        folder.write(&blocks(1, 2)).unwrap();
        let ranges = folder.ranges().unwrap();
        assert_eq!(ranges, [Range { first: 1, last: 2 }, Range { first: 3, last: 4 }]);
        assert_eq!(folder.read(&ranges[1], &chain()).unwrap(), blocks(3, 2));
    }

    #[test]
    fn another_chains_file_a_renamed_and_a_damaged_one_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::at(home.path());
        let path = folder.write(&blocks(1, 2)).unwrap();
        let range = Range { first: 1, last: 2 };
        let other = ChainOf { genesis: B256::ZERO, ..chain() };
        assert!(matches!(folder.read(&range, &other), Err(ArchiveError::OtherChain { .. })));
        let renamed = Range { first: 2, last: 3 };
        fs::copy(&path, folder.path_of(&renamed)).unwrap();
        assert!(folder.read(&renamed, &chain()).unwrap_err().to_string().contains("other heights"));
        fs::write(&path, b"nothing").unwrap();
        assert!(folder.read(&range, &chain()).unwrap_err().to_string().contains("no file of an archive"));
    }
}
