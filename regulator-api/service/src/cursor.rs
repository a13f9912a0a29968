//! Cursors: where the next page begins, as of which block, and of which request. A cursor gives no right: who brings one is
//! judged as if there were none, and its places are bound as parameters.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::problem::{Kind, Problem};

/// The longest cursor that is looked at.
const LONGEST: usize = 2048;

/// A cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// The digest of the request that it goes on with.
    q: String,
    /// The block as of which it is read.
    pub(crate) h: i64,
    /// After the row at this place.
    pub(crate) k: Vec<String>,
}

/// The digest of a request: of a path and its parameters, `cursor` and `limit` left out.
pub(crate) fn digest(path: &str, parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> =
        parameters.iter().filter(|(name, _)| name != "cursor" && name != "limit").collect();
    sorted.sort();
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text);
    };
    add(path);
    for (name, value) in sorted {
        add(name);
        add(value);
    }
    hex::encode(hasher.finalize().get(..16).unwrap_or_default())
}

impl Cursor {
    /// Of a request's digest.
    pub(crate) const fn new(digest: String, as_of: i64, place: Vec<String>) -> Self {
        Self { q: digest, h: as_of, k: place }
    }

    /// As clients see it.
    pub(crate) fn encode(&self) -> String {
        // Of strings and numbers, so that it always has a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads one that belongs to a request.
    pub(crate) fn decode(text: &str, digest: &str) -> Result<Self, Problem> {
        let wrong =
            || Problem::new(Kind::Malformed, "cursor is not understood; take `next` of the page before");
        if text.len() > LONGEST {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        if cursor.q != digest {
            let detail = "it goes on with the request that it came from: the same path and filters";
            return Err(Problem::new(Kind::ForeignCursor, detail));
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(some: &[(&str, &str)]) -> Vec<(String, String)> {
        some.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_digest_is_golden_and_depends_on_all_but_cursor_limit_and_order() {
        let digest = |some: &[(&str, &str)]| digest("/v1/blocks", &parameters(some));
        assert_eq!(digest(&[]), "321b53775f7cc3c768e8786508b34924");
        assert_eq!(
            digest(&[("a", "1"), ("b", "2")]),
            digest(&[("b", "2"), ("limit", "5"), ("a", "1"), ("cursor", "x")])
        );
        assert_ne!(digest(&[("a", "1")]), digest(&[("a", "2")]));
        assert_ne!(digest(&[("a", "1b"), ("c", "")]), digest(&[("a", "1"), ("bc", "")]));
    }

    #[test]
    fn a_cursor_comes_back_and_one_of_another_request_is_refused() {
        let cursor = Cursor::new("q".into(), 7, vec!["1".into(), "2".into()]);
        assert_eq!(Cursor::decode(&cursor.encode(), "q").unwrap(), cursor);
        assert_eq!(Cursor::decode(&cursor.encode(), "r").unwrap_err().kind, Kind::ForeignCursor);
        for text in ["", "x", "e30", &"A".repeat(LONGEST + 1)] {
            assert_eq!(Cursor::decode(text, "q").unwrap_err().kind, Kind::Malformed, "{text}");
        }
    }
}
