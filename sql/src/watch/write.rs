//! Where the watcher stands, and what it found: written together.

use concordat_surveillance::{Engine, Finding, Stamp};
use concordat_types::B256;
use sqlx::{Connection as _, PgConnection, postgres::PgRow};

use super::{
    WatchError,
    read::{get, hash, height},
    signed, unsigned,
};
use crate::SqlError;

/// The advisory lock of the watcher: "concordw" in ASCII.
const LOCK: i64 = 0x636f_6e63_6f72_6477;

/// Findings written by one statement; each may have a thousand pieces of evidence.
const AT_A_TIME: usize = 200;

/// Where the ledger stands.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub chain_id: String,
    /// Its first block.
    pub first: u64,
    /// Its newest block; one below the first where there is none.
    pub height: u64,
}

/// Where the watcher stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The newest block that was judged.
    pub height: u64,
    /// The list whose holders were looked through.
    pub list: Option<B256>,
}

/// Where the ledger stands; nothing where no block was projected.
pub(super) async fn ledger(connection: &mut PgConnection) -> Result<Ledger, WatchError> {
    let query = "SELECT chain_id, initial_height, height FROM ledger.projection_cursor";
    let row: Option<PgRow> = sqlx::query(query)
        .fetch_optional(connection)
        .await
        .map_err(SqlError::at("read where the ledger stands"))?;
    let row = row.ok_or(WatchError::NothingProjected)?;
    Ok(Ledger { chain_id: get(&row, 0)?, first: height(&row, 1)?, height: height(&row, 2)? })
}

/// Takes the lock of the watcher.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), WatchError> {
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(connection)
        .await
        .map_err(SqlError::at("take the watcher's lock"))?;
    if locked { Ok(()) } else { Err(WatchError::Busy) }
}

/// Where the watcher stands. Where it never stood, it stands before the block at `from`, or before the first one.
pub(super) async fn begin(
    connection: &mut PgConnection,
    ledger: &Ledger,
    from: Option<u64>,
) -> Result<Cursor, WatchError> {
    let query = "SELECT chain_id, height, block_hash, list FROM watch.cursor";
    let row: Option<PgRow> = sqlx::query(query)
        .fetch_optional(&mut *connection)
        .await
        .map_err(SqlError::at("read where the watcher stands"))?;
    let Some(row) = row else {
        let height = from.unwrap_or(ledger.first).max(ledger.first).saturating_sub(1);
        if height > ledger.height {
            return Err(WatchError::Behind { ledger: ledger.height, watcher: height });
        }
        let hash = block_hash(connection, ledger, height).await?;
        let insert = "INSERT INTO watch.cursor (chain_id, height, block_hash) VALUES ($1, $2, $3)";
        let insert = sqlx::query(insert).bind(&ledger.chain_id).bind(signed(height)).bind(hash);
        insert.execute(connection).await.map_err(SqlError::at("write where the watcher stands"))?;
        return Ok(Cursor { height, list: None });
    };
    let (chain_id, stood): (String, u64) = (get(&row, 0)?, height(&row, 1)?);
    if from.is_some_and(|from| from != stood.saturating_add(1)) {
        return Err(WatchError::Begun { height: stood });
    }
    if chain_id != ledger.chain_id {
        return Err(WatchError::OtherChain {
            what: format!("{chain_id}, the ledger is {}", ledger.chain_id),
        });
    }
    if stood > ledger.height {
        return Err(WatchError::Behind { ledger: ledger.height, watcher: stood });
    }
    let seen: Vec<u8> = get(&row, 2)?;
    if seen != block_hash(connection, ledger, stood).await? {
        return Err(WatchError::OtherChain { what: format!("the hash of block {stood}") });
    }
    let list = get::<Option<&[u8]>>(&row, 3)?.is_some().then(|| hash(&row, 3)).transpose()?;
    Ok(Cursor { height: stood, list })
}

/// The hash of a block; none of what is before the first one.
async fn block_hash(
    connection: &mut PgConnection,
    ledger: &Ledger,
    height: u64,
) -> Result<Vec<u8>, WatchError> {
    if height < ledger.first {
        return Ok(Vec::new());
    }
    let query = sqlx::query_scalar("SELECT hash FROM ledger.blocks WHERE height = $1").bind(signed(height));
    let hash: Option<Vec<u8>> =
        query.fetch_optional(connection).await.map_err(SqlError::at("read a block's hash"))?;
    hash.ok_or(WatchError::Missing { height })
}

/// Keeps the versions of rules and of the list that judge from a height on.
pub(super) async fn keep_versions(
    connection: &mut PgConnection,
    engine: &Engine,
    since: u64,
) -> Result<(), SqlError> {
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    for rule in engine.rules() {
        let insert =
            "INSERT INTO watch.rules (digest, rule, definition, since) VALUES ($1, $2, $3::jsonb, $4)
            ON CONFLICT DO NOTHING";
        let definition = serde_json::to_string(rule).unwrap_or_default();
        let insert = sqlx::query(insert).bind(rule.digest().to_vec()).bind(&rule.id).bind(definition);
        let kept = insert.bind(signed(since)).execute(&mut *transaction).await;
        kept.map_err(SqlError::at("write the rules"))?;
    }
    if let Some(list) = engine.list() {
        let insert =
            "INSERT INTO watch.lists (hash, source, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let insert = sqlx::query(insert).bind(list.hash.to_vec()).bind(&list.source).bind(signed(since));
        insert.execute(&mut *transaction).await.map_err(SqlError::at("write the list"))?;
    }
    transaction.commit().await.map_err(SqlError::at("commit"))
}

/// Writes what was found, and moves the cursor from where it was; both or none.
pub(super) async fn commit(
    connection: &mut PgConnection,
    ledger: &Ledger,
    findings: &[Finding],
    before: &Cursor,
    after: &Cursor,
) -> Result<(), WatchError> {
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    let hash = block_hash(&mut transaction, ledger, after.height).await?;
    let (mut height, mut place) = (0, 0_i64);
    for some in findings.chunks(AT_A_TIME) {
        let mut columns = Columns::default();
        for finding in some {
            place = if finding.height == height { place.saturating_add(1) } else { 0 };
            height = finding.height;
            columns.add(finding, place);
        }
        columns.insert(&mut transaction).await?;
    }
    let list = after.list.map(|list| list.to_vec());
    let moved = sqlx::query(
        "UPDATE watch.cursor SET height = $1, block_hash = $2, list = $3, updated = now() WHERE height = $4",
    );
    let moved = moved.bind(signed(after.height)).bind(hash).bind(list).bind(signed(before.height));
    let moved = moved.execute(&mut *transaction).await.map_err(SqlError::at("move the watcher's cursor"))?;
    if moved.rows_affected() != 1 {
        return Err(SqlError::Edited { what: "the watcher's cursor has moved".into() }.into());
    }
    Ok(transaction.commit().await.map_err(SqlError::at("commit"))?)
}

/// Findings by columns, so that many of them are one statement.
#[derive(Default)]
struct Columns {
    id: Vec<Vec<u8>>,
    height: Vec<i64>,
    place: Vec<i64>,
    time_ms: Vec<i64>,
    rule: Vec<String>,
    rule_digest: Vec<Vec<u8>>,
    list: Vec<Option<Vec<u8>>>,
    grade: Vec<&'static str>,
    judged: Vec<bool>,
    subject_kind: Vec<&'static str>,
    subject: Vec<String>,
    asset: Vec<String>,
    evidence: Vec<String>,
    numbers: Vec<String>,
    explanation: Vec<String>,
    reference: Vec<String>,
}

impl Columns {
    fn add(&mut self, finding: &Finding, place: i64) {
        self.id.push(finding.id.to_vec());
        self.height.push(signed(finding.height));
        self.place.push(place);
        self.time_ms.push(signed(finding.time_ms));
        self.rule.push(finding.rule.clone());
        self.rule_digest.push(finding.rule_digest.to_vec());
        self.list.push(finding.list.map(|list| list.to_vec()));
        self.grade.push(finding.grade.name());
        self.judged.push(finding.judged);
        self.subject_kind.push(finding.subject.kind());
        self.subject.push(finding.subject.name());
        self.asset.push(finding.asset.clone());
        // Positions, numbers and text: nothing in them cannot be written.
        self.evidence.push(serde_json::to_string(&finding.evidence).unwrap_or_default());
        self.numbers.push(serde_json::to_string(&finding.numbers).unwrap_or_default());
        self.explanation.push(finding.explanation.clone());
        self.reference.push(finding.reference.clone());
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), SqlError> {
        let query = sqlx::query(
            "INSERT INTO watch.findings (id, height, place, time_ms, rule, rule_digest, list, grade, judged,
                subject_kind, subject, asset, evidence, numbers, explanation, reference)
             SELECT id, height, place, time_ms, rule, rule_digest, list, grade, judged,
                subject_kind, subject, asset, evidence::jsonb, numbers::jsonb, explanation, reference
             FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[],
                    $8::text[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
                    $15::text[], $16::text[])
                AS f (id, height, place, time_ms, rule, rule_digest, list, grade, judged,
                    subject_kind, subject, asset, evidence, numbers, explanation, reference)
             ON CONFLICT (id) DO NOTHING",
        );
        let query = query.bind(self.id).bind(self.height).bind(self.place).bind(self.time_ms).bind(self.rule);
        let query = query.bind(self.rule_digest).bind(self.list).bind(self.grade).bind(self.judged);
        let query = query.bind(self.subject_kind).bind(self.subject).bind(self.asset).bind(self.evidence);
        let query = query.bind(self.numbers).bind(self.explanation).bind(self.reference);
        query.execute(connection).await.map_err(SqlError::at("write findings"))?;
        Ok(())
    }
}

/// When a block was; the beginning where there is none.
pub(super) async fn stamp(connection: &mut PgConnection, height: u64) -> Result<Stamp, SqlError> {
    let query =
        sqlx::query_scalar("SELECT time_ms FROM ledger.blocks WHERE height = $1").bind(signed(height));
    let time: Option<i64> =
        query.fetch_optional(connection).await.map_err(SqlError::at("read a block's time"))?;
    Ok(Stamp { height, time_ms: time.map(unsigned).unwrap_or_default() })
}
