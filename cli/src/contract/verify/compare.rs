//! Whether code is what a compiler made of a source, byte by byte.

use std::ops::Range;

use serde::Serialize;

use super::metadata;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Every byte that the compiler decides is the same.
    Identical,
    /// So is every byte that can run. The sources may differ in comments, names and layout.
    IdenticalButForMetadata,
    /// It is other code.
    Differs {
        /// The first byte that differs.
        at: usize,
        /// How long the compiler's code is.
        compiled: usize,
        /// How long the other is.
        given: usize,
    },
}

/// The compiler's code, and which bytes of it are not the compiler's to decide.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The code.
    pub code: &'a [u8],
    /// Bytes that are set when the contract is made: immutables, a library's own address.
    pub open: &'a [Range<usize>],
    /// Where metadata stands, that of contracts within it included.
    pub metadata: &'a [Range<usize>],
}

/// Holds code against what the compiler made.
pub fn compare(expected: Expected<'_>, given: &[u8]) -> Verdict {
    let Expected { code, open, metadata } = expected;
    let Some(at) = difference(code, given, open) else { return Verdict::Identical };
    let masked = [open, metadata].concat();
    let is_metadata = |range: &Range<usize>| given.get(range.clone()).is_some_and(metadata::is_metadata);
    if code.len() == given.len() && metadata.iter().all(is_metadata) {
        return match difference(code, given, &masked) {
            None => Verdict::IdenticalButForMetadata,
            Some(at) => Verdict::Differs { at, compiled: code.len(), given: given.len() },
        };
    }
    // Metadata of another length, or none: at the end alone, since within code it would move what follows.
    match difference(without(code), without(given), open) {
        None => Verdict::IdenticalButForMetadata,
        Some(_) => Verdict::Differs { at, compiled: code.len(), given: given.len() },
    }
}

/// Code without the metadata at its end.
pub fn without(code: &[u8]) -> &[u8] {
    match metadata::trailer(code) {
        Some(trailer) => &code[..trailer.start],
        None => code,
    }
}

/// The first byte that differs outside of what is masked.
fn difference(one: &[u8], other: &[u8], masked: &[Range<usize>]) -> Option<usize> {
    let common = one.iter().zip(other).enumerate();
    let mut differing = common.filter(|(_, (one, other))| one != other).map(|(at, _)| at);
    let within = differing.find(|at| !masked.iter().any(|range| range.contains(at)));
    within.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))
}

/// Where any of these parts stands in code.
pub fn places(code: &[u8], parts: &[Vec<u8>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let starts = code.windows(part.len()).enumerate().filter(|(_, window)| window == part);
        found.extend(starts.map(|(start, _)| start..start + part.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: [u8; 12] = [0xa1, 0x64, b's', b'o', b'l', b'c', 0x43, 0, 8, 37, 0, 10];

    fn with(code: &[u8], metadata: &[u8]) -> Vec<u8> {
        [code, metadata].concat()
    }

    /// The verdict where `open` is not the compiler's to decide, and metadata is where it is found.
    fn judged(code: &[u8], open: Range<usize>, given: &[u8]) -> Verdict {
        let metadata = places(code, &[METADATA.to_vec()]);
        compare(Expected { code, open: &[open], metadata: &metadata }, given)
    }

    #[test]
    fn immutables_may_be_anything_and_nothing_else_may() {
        let code = with(&[0x60, 0, 0, 0xfe], &METADATA);
        assert_eq!(judged(&code, 1..3, &code), Verdict::Identical);
        assert_eq!(judged(&code, 1..3, &with(&[0x60, 7, 9, 0xfe], &METADATA)), Verdict::Identical);
        let other = with(&[0x60, 7, 9, 0xff], &METADATA);
        assert_eq!(judged(&code, 1..3, &other), Verdict::Differs { at: 3, compiled: 16, given: 16 });
    }

    #[test]
    fn another_metadata_is_a_verdict_of_its_own() {
        let code = with(&[0x60, 0, 0xfe], &METADATA);
        let mut other = METADATA;
        other[9] = 36;
        let but_for_metadata = Verdict::IdenticalButForMetadata;
        assert_eq!(judged(&code, 0..0, &with(&code[..3], &other)), but_for_metadata);
        assert_eq!(judged(&code, 0..0, &code[..3]), but_for_metadata, "left out altogether");
        assert_eq!(judged(&code[..3], 0..0, &code), but_for_metadata, "left out by our settings");
        // Of a contract within it, too, as long as nothing moves.
        let within = with(&with(&[0x60, 0, 0xfe], &METADATA), &code);
        assert_eq!(judged(&within, 0..0, &with(&with(&code[..3], &other), &code)), but_for_metadata);
    }

    #[test]
    fn code_in_the_place_of_metadata_is_other_code() {
        let code = with(&[0x60, 0, 0xfe], &METADATA);
        let mut hidden = code.clone();
        hidden[3] = 0x5b;
        assert_eq!(judged(&code, 0..0, &hidden), Verdict::Differs { at: 3, compiled: 15, given: 15 });
    }

    #[test]
    fn lengths_and_the_first_difference_are_told() {
        assert_eq!(judged(&[1, 2, 3], 0..0, &[1, 2]), Verdict::Differs { at: 2, compiled: 3, given: 2 });
        assert_eq!(judged(&[], 0..0, &[1]), Verdict::Differs { at: 0, compiled: 0, given: 1 });
        assert_eq!(judged(&[], 0..0, &[]), Verdict::Identical);
    }
}
