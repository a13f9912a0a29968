//! Whether the log of reads is as it was written.

use std::collections::{BTreeMap, BTreeSet};

use concordat_types::OrgId;
use serde::Serialize;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Entry, Head, log::NOTHING};
use crate::{Database, SqlError, database::check_schema};

/// Entries that are looked at together.
const PIECE: i64 = 5_000;

/// What is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "flaw", rename_all = "kebab-case")]
pub enum Flaw {
    /// An entry is not there.
    #[error("entry {seq} was removed")]
    Removed {
        /// Its number.
        seq: i64,
    },
    /// An entry is not what it was, or was never written by the service.
    #[error("entry {seq} was altered, or slipped in")]
    Altered {
        /// Its number.
        seq: i64,
    },
    /// An entry does not follow the one before.
    #[error("entry {seq} does not follow the one before: one of both was replaced")]
    Unchained {
        /// Its number.
        seq: i64,
    },
    /// The chain has another hash at a place that was anchored on it.
    #[error("entry {seq} is not what was anchored on chain: entries up to it were written anew")]
    Anchor {
        /// Its number.
        seq: i64,
    },
    /// The log is shorter than what was anchored.
    #[error("{anchored} entries were anchored on chain, {found} are there: the end was cut off")]
    Cut {
        /// So many were anchored.
        anchored: i64,
        /// So many are there.
        found: i64,
    },
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogVerified {
    /// The end of the log, as far as it is right.
    #[serde(flatten)]
    pub head: Head,
    /// Anchored ends that were compared.
    pub anchors: usize,
    /// The first flaw.
    pub flaw: Option<Flaw>,
}

/// Makes every hash again, and compares with what was anchored: by `anchors`, count and hash, besides those of an organisation
/// that the projection has; without one, of whichever has any.
///
/// # Errors
/// [`SqlError::Connect`], [`SqlError::SchemaOlder`], [`SqlError::SchemaNewer`], [`SqlError::Database`];
/// [`SqlError::SeveralLogs`] where several have, and none is named.
pub async fn verify_reads(
    database: &Database,
    anchors: &[(i64, Vec<u8>)],
    organisation: Option<&OrgId>,
) -> Result<LogVerified, SqlError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut anchored: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    let projected = projected_anchors(&mut connection, organisation).await?;
    for (count, hash) in anchors.iter().cloned().chain(projected) {
        anchored.entry(count).or_default().push(hash);
    }
    let mut walk = Walk { seq: 0, hash: NOTHING.to_vec(), anchored };
    let anchors = walk.anchored.values().map(Vec::len).sum();
    let told = |walk: &Walk, flaw| LogVerified {
        head: Head { count: walk.seq, head: hex::encode(&walk.hash) },
        anchors,
        flaw,
    };
    loop {
        let rows = piece(&mut connection, walk.seq).await?;
        if rows.is_empty() {
            let flaw = walk.end();
            return Ok(told(&walk, flaw));
        }
        for row in rows {
            if let Err(flaw) = walk.step(row) {
                return Ok(told(&walk, Some(flaw)));
            }
        }
    }
}

/// An entry as it stands in the database.
struct Kept {
    seq: i64,
    entry: Entry,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

/// How far the log is right.
struct Walk {
    seq: i64,
    hash: Vec<u8>,
    anchored: BTreeMap<i64, Vec<Vec<u8>>>,
}

impl Walk {
    fn step(&mut self, kept: Kept) -> Result<(), Flaw> {
        let (seq, expected) = (kept.seq, self.seq.saturating_add(1));
        if seq != expected {
            return Err(Flaw::Removed { seq: expected });
        }
        if kept.entry.hash(seq, &kept.previous).as_slice() != kept.hash {
            return Err(Flaw::Altered { seq });
        }
        if kept.previous != self.hash {
            return Err(Flaw::Unchained { seq });
        }
        if self.anchored.get(&seq).is_some_and(|hashes| hashes.iter().any(|hash| *hash != kept.hash)) {
            return Err(Flaw::Anchor { seq });
        }
        (self.seq, self.hash) = (seq, kept.hash);
        Ok(())
    }

    /// What is wrong once all entries were looked at.
    fn end(&self) -> Option<Flaw> {
        let (anchored, _) = self.anchored.last_key_value()?;
        (*anchored > self.seq).then_some(Flaw::Cut { anchored: *anchored, found: self.seq })
    }
}

async fn piece(connection: &mut PgConnection, after: i64) -> Result<Vec<Kept>, SqlError> {
    let query =
        "SELECT seq, time_ms, account, organisation, certificate, purpose, case_ref, method, path, status,
            rows, as_of, previous, hash
        FROM access.reads WHERE seq > $1 OR ($1 = 0 AND seq <= 0) ORDER BY seq LIMIT $2";
    let rows = sqlx::query(query).bind(after).bind(PIECE).fetch_all(connection).await;
    let rows = rows.map_err(SqlError::at("read the log of reads"))?;
    rows.iter().map(|row| kept(row).map_err(SqlError::at("read the log of reads"))).collect()
}

fn kept(row: &PgRow) -> Result<Kept, sqlx::Error> {
    let entry = Entry {
        time_ms: row.try_get(1)?,
        account: row.try_get(2)?,
        organisation: row.try_get(3)?,
        certificate: row.try_get(4)?,
        purpose: row.try_get(5)?,
        case_ref: row.try_get(6)?,
        method: row.try_get(7)?,
        path: row.try_get(8)?,
        status: row.try_get(9)?,
        rows: row.try_get(10)?,
        as_of: row.try_get(11)?,
    };
    Ok(Kept { seq: row.try_get(0)?, entry, previous: row.try_get(12)?, hash: row.try_get(13)? })
}

/// What the chain says was anchored. Each organisation has a log of its own: what others anchored says nothing of this one.
async fn projected_anchors(
    connection: &mut PgConnection,
    organisation: Option<&OrgId>,
) -> Result<Vec<(i64, Vec<u8>)>, SqlError> {
    let failed = || SqlError::at("read anchored heads");
    let query =
        "SELECT least(count, 9223372036854775807)::bigint, head, organisation FROM ledger.read_anchors
        WHERE count > 0 AND ($1::text IS NULL OR organisation = $1)";
    let query = sqlx::query_as(query).bind(organisation.map(OrgId::as_str));
    let rows: Vec<(i64, Vec<u8>, String)> = query.fetch_all(connection).await.map_err(failed())?;
    let whose: BTreeSet<&String> = rows.iter().map(|(.., whose)| whose).collect();
    if whose.len() > 1 {
        return Err(SqlError::SeveralLogs { organisations: whose.into_iter().cloned().collect() });
    }
    Ok(rows.into_iter().map(|(count, head, _)| (count, head)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many entries, chained.
    fn log(count: i64) -> Vec<Kept> {
        let mut previous = NOTHING.to_vec();
        let mut kept = Vec::new();
        for seq in 1..=count {
            let entry = Entry { path: format!("/v1/blocks/{seq}"), ..Entry::default() };
            let hash = entry.hash(seq, &previous).to_vec();
            kept.push(Kept { seq, entry, previous: std::mem::replace(&mut previous, hash.clone()), hash });
        }
        kept
    }

    fn flaw(log: Vec<Kept>, anchors: &[(i64, Vec<u8>)]) -> Option<Flaw> {
        let anchored = anchors.iter().map(|(count, hash)| (*count, vec![hash.clone()])).collect();
        let mut walk = Walk { seq: 0, hash: NOTHING.to_vec(), anchored };
        log.into_iter().find_map(|kept| walk.step(kept).err()).or_else(|| walk.end())
    }

    #[test]
    fn a_log_as_it_was_written_has_no_flaw() {
        let head = log(5)[4].hash.clone();
        assert_eq!(flaw(log(5), &[]), None);
        assert_eq!(flaw(log(5), &[(5, head)]), None);
        assert_eq!(flaw(log(0), &[]), None);
    }

    #[test]
    fn an_entry_that_was_altered_removed_or_slipped_in_is_named() {
        let mut altered = log(5);
        altered[2].entry.path = "/v1/blocks".into();
        assert_eq!(flaw(altered, &[]), Some(Flaw::Altered { seq: 3 }));
        let mut removed = log(5);
        removed.remove(1);
        assert_eq!(flaw(removed, &[]), Some(Flaw::Removed { seq: 2 }));
        let mut again = log(5);
        let (seq, entry) = (3, Entry::default());
        let previous = again[1].hash.clone();
        let hash = entry.hash(seq, &previous).to_vec();
        again[2] = Kept { seq, entry, previous, hash };
        assert_eq!(
            flaw(again, &[]),
            Some(Flaw::Unchained { seq: 4 }),
            "hashed anew, but what follows is not"
        );
    }

    #[test]
    fn a_log_that_was_cut_or_written_anew_is_not_what_was_anchored() {
        let head = log(5)[4].hash.clone();
        assert_eq!(flaw(log(4), &[(5, head)]), Some(Flaw::Cut { anchored: 5, found: 4 }));
        let another = vec![9; 32];
        assert_eq!(flaw(log(5), &[(3, another)]), Some(Flaw::Anchor { seq: 3 }));
    }
}
