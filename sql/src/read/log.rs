//! The log of reads: who was shown what, when and what for; each entry hashed over the one before.

use sha2::{Digest as _, Sha256};
use sqlx::{
    Connection as _, Executor as _, PgConnection, PgPool, Row as _,
    postgres::{PgPoolOptions, PgRow},
};

use super::ACQUIRE;
use crate::{Database, SqlError, cell::Cell};

/// What an entry's hash begins with.
const DOMAIN: &[u8] = b"concordat access log 1: read\0";

/// The advisory lock of whoever adds: "access" in ASCII, and the log's version.
const LOCK: i64 = 0x6163_6365_7373_0001;

/// The hash before the first entry.
pub(super) const NOTHING: [u8; 32] = [0; 32];

/// What somebody read, or tried to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// Which account, if that is known.
    pub account: Option<Vec<u8>>,
    /// Its organisation.
    pub organisation: Option<String>,
    /// SHA-256 of the certificate that was shown.
    pub certificate: Option<Vec<u8>>,
    /// What for.
    pub purpose: String,
    /// The case that it belongs to.
    pub case_ref: String,
    /// The method.
    pub method: String,
    /// The path with its query. No token is ever in one.
    pub path: String,
    /// The status of the answer.
    pub status: i64,
    /// How many rows it has.
    pub rows: i64,
    /// The block as of which it was read.
    pub as_of: Option<i64>,
}

/// The end of the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Head {
    /// How many entries there are.
    pub count: i64,
    /// The last one's hash, in hex; zeros for none.
    pub head: String,
}

/// What of the log the chain vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// So many entries, from the first on.
    pub count: i64,
    /// The block in which that was anchored.
    pub height: i64,
    /// Its time, in milliseconds since 1970; none where its partition was taken off.
    pub time_ms: Option<i64>,
}

impl Entry {
    /// What PostgreSQL can hold: it knows no NUL.
    fn cleaned(mut self) -> Self {
        for text in [&mut self.purpose, &mut self.case_ref, &mut self.method, &mut self.path] {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{2400}");
            }
        }
        self
    }

    /// Its hash in the chain.
    pub(super) fn hash(&self, seq: i64, previous: &[u8]) -> [u8; 32] {
        let text = |text: &str| Cell::Text(text.to_owned());
        let cells = [
            Cell::Int(seq),
            Cell::Int(self.time_ms),
            Cell::maybe_bytes(self.account.as_ref()),
            self.organisation.as_deref().map_or(Cell::Null, text),
            Cell::maybe_bytes(self.certificate.as_ref()),
            text(&self.purpose),
            text(&self.case_ref),
            text(&self.method),
            text(&self.path),
            Cell::Int(self.status),
            Cell::Int(self.rows),
            self.as_of.map_or(Cell::Null, Cell::Int),
        ];
        let mut bytes = Vec::new();
        cells.iter().for_each(|cell| cell.encode(&mut bytes));
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(previous);
        hasher.update(&bytes);
        hasher.finalize().into()
    }
}

/// Adds to the log.
#[derive(Clone, Debug)]
pub struct ReadLog {
    pool: PgPool,
}

impl ReadLog {
    /// One connection, made when it is needed.
    pub fn open(database: &Database) -> Self {
        let options =
            PgPoolOptions::new().max_connections(2).acquire_timeout(ACQUIRE).after_connect(|one, _| {
                Box::pin(async move {
                    one.execute("SET statement_timeout = 5000").await?;
                    Ok(())
                })
            });
        Self { pool: options.connect_lazy_with(database.options().clone()) }
    }

    /// Adds entries, all or none. Other processes may add as well: the lock puts them in a row.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn append(&self, entries: Vec<Entry>) -> Result<(), SqlError> {
        let mut connection = self.pool.acquire().await.map_err(SqlError::at("add to the log of reads"))?;
        add(&mut connection, entries).await.map_err(SqlError::at("add to the log of reads"))
    }

    /// Entries before a place, the newest first, as JSON; the auditors' list.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn entries(
        &self,
        before: Option<i64>,
        organisation: Option<&str>,
        account: Option<&[u8]>,
        limit: i64,
    ) -> Result<Vec<serde_json::Value>, SqlError> {
        // Said as a range of an index: for whoever has read nothing for long, all of the log would be gone through.
        let (order, range) = match (account, organisation) {
            (Some(_), _) => (
                "account DESC, seq DESC",
                "(account, seq) >= ($3, 0) AND (account, seq) < ($3, $1) AND ($2::text IS NULL OR organisation = $2)",
            ),
            (None, Some(_)) => (
                "organisation DESC, seq DESC",
                "(organisation, seq) >= ($2, 0) AND (organisation, seq) < ($2, $1) AND $3::bytea IS NULL",
            ),
            (None, None) => ("seq DESC", "seq < $1 AND $2::text IS NULL AND $3::bytea IS NULL"),
        };
        let query = format!(
            "SELECT seq, time_ms, encode(account, 'hex'), organisation, encode(certificate, 'hex'), purpose,
                case_ref, method, path, status, rows, as_of, encode(hash, 'hex')
            FROM access.reads WHERE {range} ORDER BY {order} LIMIT $4"
        );
        let query = sqlx::query(&query).bind(before.unwrap_or(i64::MAX)).bind(organisation).bind(account);
        let rows = query.bind(limit).fetch_all(&self.pool).await;
        let rows = rows.map_err(SqlError::at("read the log of reads"))?;
        rows.iter().map(|row| shown(row).map_err(SqlError::at("read the log of reads"))).collect()
    }

    /// The end of the log.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn head(&self) -> Result<Head, SqlError> {
        let mut connection = self.pool.acquire().await.map_err(SqlError::at("read the log of reads"))?;
        let (count, head) = last(&mut connection).await.map_err(SqlError::at("read the log of reads"))?;
        Ok(Head { count, head: hex::encode(head) })
    }

    /// What of the log the chain vouches for, as far as the projection is; none where nothing of it is anchored, or it is not
    /// what was anchored.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn held(&self) -> Result<Option<Held>, SqlError> {
        let row: Option<(i64, i64, Option<i64>)> = sqlx::query_as(HELD)
            .fetch_optional(&self.pool)
            .await
            .map_err(SqlError::at("look for the newest anchor"))?;
        Ok(row.map(|(count, height, time_ms)| Held { count, height, time_ms }))
    }

    /// Where the log ended once it had so many entries; none where it has fewer.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn head_at(&self, count: i64) -> Result<Option<Head>, SqlError> {
        let query = sqlx::query_scalar("SELECT hash FROM access.reads WHERE seq = $1").bind(count);
        let hash: Option<Vec<u8>> =
            query.fetch_optional(&self.pool).await.map_err(SqlError::at("read the log of reads"))?;
        Ok(hash.map(|hash| Head { count, head: hex::encode(hash) }))
    }
}

/// The newest anchor that entries agree with. Other organisations anchor logs of their own: theirs agree with none.
const HELD: &str = "SELECT r.seq, a.height, b.time_ms FROM (
        SELECT height, count, head FROM ledger.read_anchors WHERE count BETWEEN 1 AND 9223372036854775807
        ORDER BY height DESC, place DESC LIMIT 1000) a
    JOIN access.reads r ON r.seq = a.count::bigint AND r.hash = a.head
    LEFT JOIN ledger.blocks b ON b.height = a.height
    ORDER BY a.height DESC, r.seq DESC LIMIT 1";

fn shown(row: &PgRow) -> Result<serde_json::Value, sqlx::Error> {
    let hex =
        |at: usize| row.try_get::<Option<String>, _>(at).map(|text| text.map(|text| format!("0x{text}")));
    let text = |at: usize| row.try_get::<Option<String>, _>(at);
    let number = |at: usize| row.try_get::<Option<i64>, _>(at);
    Ok(serde_json::json!({
        "seq": number(0)?,
        "time": number(1)?.map(super::page::moment),
        "account": hex(2)?,
        "organisation": text(3)?,
        "certificate": hex(4)?,
        "purpose": text(5)?,
        "case": text(6)?,
        "method": text(7)?,
        "path": text(8)?,
        "status": number(9)?,
        "rows": number(10)?,
        "as_of": number(11)?,
        "hash": hex(12)?,
    }))
}

/// The number and the hash of the last entry.
async fn last(connection: &mut PgConnection) -> Result<(i64, Vec<u8>), sqlx::Error> {
    let query = "SELECT seq, hash FROM access.reads ORDER BY seq DESC LIMIT 1";
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(query).fetch_optional(connection).await?;
    Ok(row.unwrap_or((0, NOTHING.to_vec())))
}

async fn add(connection: &mut PgConnection, entries: Vec<Entry>) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let (mut seq, mut previous) = last(&mut transaction).await?;
    let mut columns = Columns::default();
    for entry in entries {
        let entry = entry.cleaned();
        seq = seq.saturating_add(1);
        let hash = entry.hash(seq, &previous).to_vec();
        columns.push(seq, entry, std::mem::replace(&mut previous, hash.clone()), hash);
    }
    columns.insert(&mut transaction).await?;
    transaction.commit().await
}

/// Entries as arrays, one for each column.
#[derive(Default)]
struct Columns {
    numbers: [Vec<i64>; 4],
    accounts: Vec<Option<Vec<u8>>>,
    organisations: Vec<Option<String>>,
    certificates: Vec<Option<Vec<u8>>>,
    texts: [Vec<String>; 4],
    as_of: Vec<Option<i64>>,
    hashes: [Vec<Vec<u8>>; 2],
}

impl Columns {
    fn push(&mut self, seq: i64, entry: Entry, previous: Vec<u8>, hash: Vec<u8>) {
        let Entry { time_ms, account, organisation, certificate, purpose, case_ref, method, path, .. } =
            entry;
        let numbers = [seq, time_ms, entry.status, entry.rows];
        self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
        self.texts
            .iter_mut()
            .zip([purpose, case_ref, method, path])
            .for_each(|(column, text)| column.push(text));
        self.hashes.iter_mut().zip([previous, hash]).for_each(|(column, hash)| column.push(hash));
        self.accounts.push(account);
        self.organisations.push(organisation);
        self.certificates.push(certificate);
        self.as_of.push(entry.as_of);
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let [seq, time_ms, status, rows] = self.numbers;
        let [purpose, case_ref, method, path] = self.texts;
        let [previous, hash] = self.hashes;
        sqlx::query(
            "INSERT INTO access.reads (seq, time_ms, account, organisation, certificate, purpose, case_ref, method,
                path, status, rows, as_of, previous, hash)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::bytea[], $6::text[],
                $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[],
                $14::bytea[])",
        )
        .bind(seq)
        .bind(time_ms)
        .bind(self.accounts)
        .bind(self.organisations)
        .bind(self.certificates)
        .bind(purpose)
        .bind(case_ref)
        .bind(method)
        .bind(path)
        .bind(status)
        .bind(rows)
        .bind(self.as_of)
        .bind(previous)
        .bind(hash)
        .execute(connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            time_ms: 1_700_000_000_000,
            account: Some(vec![1; 20]),
            organisation: Some("regulator-a".into()),
            certificate: Some(vec![2; 32]),
            purpose: "supervision".into(),
            case_ref: "2026/7".into(),
            method: "GET".into(),
            path: "/v1/blocks?limit=1".into(),
            status: 200,
            rows: 1,
            as_of: Some(9),
        }
    }

    #[test]
    fn the_hash_of_an_entry_is_golden() {
        assert_eq!(hex::encode(entry().hash(1, &NOTHING)), GOLDEN);
    }

    const GOLDEN: &str = "4fe9f337ccf499a06461561015224372ffc803959fe8ea958575c20a519d21b3";

    #[test]
    fn any_other_field_place_or_past_is_another_hash() {
        let hash = entry().hash(1, &NOTHING);
        let others = [
            Entry { purpose: "audit".into(), ..entry() },
            Entry { case_ref: String::new(), ..entry() },
            Entry { account: None, ..entry() },
            Entry { status: 404, ..entry() },
            Entry { as_of: None, ..entry() },
        ];
        assert!(others.iter().all(|other| other.hash(1, &NOTHING) != hash));
        assert_ne!(entry().hash(2, &NOTHING), hash);
        assert_ne!(entry().hash(1, &[1; 32]), hash);
    }
}
