//! The metadata that compilers put behind code: a CBOR map and its length in two bytes. It runs never, and names the
//! compiler's version and a hash of the sources with all their comments.
//!
//! What passes for metadata here is not compared. So only what is metadata in every byte passes.

use std::ops::Range;

/// The keys that solc knows ("Encoding of the Metadata Hash in the Bytecode").
const KEYS: [&[u8]; 5] = [b"ipfs", b"bzzr0", b"bzzr1", b"experimental", b"solc"];

/// Where the metadata at the end of code stands; `None` where there is none.
pub fn trailer(code: &[u8]) -> Option<Range<usize>> {
    let (rest, length) = code.split_last_chunk::<2>()?;
    let start = rest.len().checked_sub(usize::from(u16::from_be_bytes(*length)))?;
    is_map(rest.get(start..)?).then_some(start..code.len())
}

/// Whether bytes are metadata and nothing else.
pub fn is_metadata(bytes: &[u8]) -> bool {
    trailer(bytes).is_some_and(|found| found.start == 0)
}

fn is_map(bytes: &[u8]) -> bool {
    let Some((header, mut rest)) = bytes.split_first() else { return false };
    let entries = header.wrapping_sub(0xa0);
    if !(1..=4).contains(&entries) {
        return false;
    }
    for _ in 0..entries {
        match entry(rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// What follows an entry of the map.
fn entry(bytes: &[u8]) -> Option<&[u8]> {
    let (key, rest) = string(bytes, 3)?;
    let known = KEYS.contains(&key);
    let after = match rest.strip_prefix(&[0xf5]) {
        // `experimental: true`
        Some(after) => after,
        None => string(rest, 2).or_else(|| string(rest, 3))?.1,
    };
    known.then_some(after)
}

/// A CBOR string of bytes (2) or text (3), shorter than 256 bytes, and what follows it.
fn string(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first()?;
    if header >> 5 != kind {
        return None;
    }
    let (length, rest) = match header & 0x1f {
        length @ 0..24 => (length, rest),
        24 => rest.split_first().map(|(length, rest)| (*length, rest))?,
        _ => return None,
    };
    rest.split_at_checked(usize::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{ipfs: 34 bytes, solc: 0.8.37}`, and what solc writes without a hash.
    fn samples() -> [Vec<u8>; 2] {
        let hash = format!("a264697066735822{}64736f6c63430008250033", "1220".to_owned() + &"ab".repeat(32));
        [hex::decode(hash).unwrap(), hex::decode("a164736f6c6343000825000a").unwrap()]
    }

    #[test]
    fn metadata_is_found_behind_code() {
        for metadata in samples() {
            let code = [&[0x60, 0x80, 0xfe][..], &metadata].concat();
            assert_eq!(trailer(&code), Some(3..code.len()));
            assert!(is_metadata(&metadata) && !is_metadata(&code));
        }
    }

    #[test]
    fn what_is_not_metadata_in_every_byte_is_code() {
        for metadata in samples() {
            for place in 0..metadata.len() {
                let mut other = metadata.clone();
                other[place] ^= 0x5b;
                // The hash and the version may be any; everything else may not.
                let free = is_metadata(&other);
                let value = (8..42).contains(&place) && metadata.len() > 20 || {
                    let end = metadata.len() - 2;
                    (end - 3..end).contains(&place)
                };
                assert_eq!(free, value, "byte {place}");
            }
            for cut in 0..metadata.len() {
                assert!(!is_metadata(&metadata[..cut]), "{cut}");
            }
        }
        assert_eq!(trailer(&[]), None);
        assert_eq!(trailer(&[0xff, 0xff]), None);
    }
}
