//! The write-ahead log in memory, its entries encoded by the engine with our codec.

use arc_malachitebft_engine::wal::{decode_entry, encode_entry};
use concordat_consensus::codec::EngineCodec;

use crate::node::Input;

/// The log of one height.
#[derive(Debug, Default)]
pub struct Wal {
    height: u64,
    /// Entries that survive a crash.
    synced: Vec<Vec<u8>>,
    /// Entries that may not.
    written: Vec<Vec<u8>>,
}

impl Wal {
    /// Begins a height: its entries if it is the log's, else the log is emptied.
    pub fn start(&mut self, height: u64) -> Result<Vec<Input>, String> {
        if self.height != height {
            *self = Self { height, ..Self::default() };
        }
        let decode = |entry: &Vec<u8>| decode_entry(&EngineCodec, entry.as_slice());
        let entries: Result<_, _> = self.synced.iter().map(decode).collect();
        entries.map_err(|error| format!("the log holds what cannot be decoded: {error}"))
    }

    pub fn append(&mut self, height: u64, entry: Input) -> Result<(), String> {
        if self.height == height {
            let mut bytes = Vec::new();
            encode_entry(entry, &EngineCodec, &mut bytes)
                .map_err(|error| format!("the log cannot hold this: {error}"))?;
            self.written.push(bytes);
        }
        Ok(())
    }

    pub fn flush(&mut self) {
        self.synced.append(&mut self.written);
    }

    /// Keeps some of what was not synced, in order.
    pub fn crash(&mut self, survives: u64) {
        let kept = survives as usize % (self.written.len() + 1);
        self.written.truncate(kept);
        self.flush();
    }
}
