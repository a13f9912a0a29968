//! Registered ABIs: what somebody says that contracts' own events mean, and the events told by that.
//!
//! The chain does not say what an ABI says, so that none of this is in digests, and `verify` does not look at it. Events
//! are decoded as blocks are written; those of before by [`decode`], from the logs that the database has.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, Log, LogData};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgRow};

use crate::{
    Abi, Database, SqlError,
    abi::{AbiEvent, Signature},
    cell::{Cell, Row},
    database::check_schema,
    digest::Digest,
    project::{BlockData, is_decoded, logs, position},
    write::{copy, read_cursor},
};

/// ABIs that a database may have.
const MAX_ABIS: i64 = 1_000;

/// Logs that are read at a time.
const AT_A_TIME: i64 = 5_000;

/// The advisory lock of who registers and decodes: "abis" in ASCII.
const LOCK: i64 = 0x6162_6973;

/// The columns of `ledger.registered_events`.
const COLUMNS: [&str; 7] = ["height", "tx_index", "log_index", "address", "abi", "name", "arguments"];

/// An ABI that was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registered {
    /// The contract.
    pub contract: Address,
    /// SHA-256 of the ABI's text.
    pub sha256: B256,
    /// Events that it declares.
    pub events: usize,
    /// Whether it stood there already.
    pub was_there: bool,
    /// Where the database stood: events of blocks up to there are decoded by [`decode`].
    pub height: i64,
}

/// What was decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoded {
    /// From this height.
    pub from: i64,
    /// To this height.
    pub to: i64,
    /// Contracts that have an ABI.
    pub contracts: usize,
    /// Logs of these contracts that the program does not decode by itself.
    pub logs: u64,
    /// Those of them that an ABI declares.
    pub events: u64,
}

/// The events of all registered ABIs. Of two ABIs of a contract the newer one counts.
#[derive(Debug, Default)]
pub(crate) struct Abis {
    newest: i64,
    contracts: BTreeMap<Address, BTreeMap<Signature, (Digest, AbiEvent)>>,
}

impl Abis {
    /// Takes in what was registered since.
    pub(crate) async fn refresh(&mut self, connection: &mut PgConnection) -> Result<(), SqlError> {
        let query = "SELECT number, contract, abi FROM ledger.abis WHERE number > $1 ORDER BY number";
        let new: Vec<PgRow> = sqlx::query(query)
            .bind(self.newest)
            .fetch_all(connection)
            .await
            .map_err(SqlError::at("read the registered ABIs"))?;
        for row in &new {
            let failed = || SqlError::at("read a registered ABI");
            let (number, contract): (i64, &[u8]) =
                (row.try_get(0).map_err(failed())?, row.try_get(1).map_err(failed())?);
            let text: &str = row.try_get(2).map_err(failed())?;
            let odd = |what: String| SqlError::Edited { what: format!("ABI {number} {what}") };
            let contract = Address::try_from(contract).map_err(|_| odd("is of no contract".into()))?;
            self.add(contract, Abi::parse(text).map_err(|error| odd(format!("cannot be read: {error}")))?);
            self.newest = number;
        }
        Ok(())
    }

    fn add(&mut self, contract: Address, abi: Abi) {
        let sha256 = abi.sha256();
        let events = abi.events.into_iter().map(|(signature, event)| (signature, (sha256, event)));
        self.contracts.entry(contract).or_default().extend(events);
    }

    /// The rows of a block's events.
    pub(crate) fn rows(&self, data: &BlockData) -> Vec<Row> {
        if self.contracts.is_empty() {
            return Vec::new();
        }
        let rows = logs(data).filter_map(|(tx, place, log)| self.row(position(data.height, tx, place), log));
        rows.collect()
    }

    /// The row of an event that an ABI declares and that the program does not decode by itself.
    fn row(&self, position: [Cell; 3], log: &Log) -> Option<Row> {
        let declared = self.contracts.get(&log.address)?;
        let (sha256, event) = declared.get(&(*log.topics().first()?, log.topics().len()))?;
        if is_decoded(log) {
            return None;
        }
        let arguments = event.arguments(log)?;
        let mut row = position.to_vec();
        row.extend([Cell::bytes(log.address), Cell::bytes(sha256), Cell::text(event.name())]);
        row.push(Cell::json(Value::Object(arguments)));
        Some(row)
    }
}

/// Writes rows of events.
pub(crate) async fn write(connection: &mut PgConnection, rows: &[Row]) -> Result<(), SqlError> {
    copy(connection, "ledger.registered_events", &COLUMNS, rows).await
}

/// Registers the ABI of a contract. Its events are decoded from the next block on that is written.
///
/// # Errors
/// [`SqlError::TooManyAbis`], and what the database says.
pub async fn register(database: &Database, contract: Address, abi: &Abi) -> Result<Registered, SqlError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    lock(&mut transaction).await?;
    let count = "SELECT count(*), coalesce((SELECT sha256 = $2 FROM ledger.abis WHERE contract = $1
                 ORDER BY number DESC LIMIT 1), false) FROM ledger.abis";
    let found: PgRow = sqlx::query(count)
        .bind(contract.as_slice())
        .bind(&abi.sha256()[..])
        .fetch_one(&mut *transaction)
        .await
        .map_err(SqlError::at("look for registered ABIs"))?;
    let failed = || SqlError::at("look for registered ABIs");
    let (have, was_there): (i64, bool) =
        (found.try_get(0).map_err(failed())?, found.try_get(1).map_err(failed())?);
    if !was_there {
        if have >= MAX_ABIS {
            return Err(SqlError::TooManyAbis { have });
        }
        sqlx::query("INSERT INTO ledger.abis (contract, sha256, abi) VALUES ($1, $2, $3)")
            .bind(contract.as_slice())
            .bind(&abi.sha256()[..])
            .bind(abi.text())
            .execute(&mut *transaction)
            .await
            .map_err(SqlError::at("register the ABI"))?;
    }
    let height = height(&mut transaction).await?;
    transaction.commit().await.map_err(SqlError::at("commit"))?;
    Ok(Registered { contract, sha256: abi.sha256().into(), events: abi.events.len(), was_there, height })
}

/// Decodes the events of registered ABIs in a range of heights anew; in all heights where none is given.
///
/// # Errors
/// What the database says.
pub async fn decode(database: &Database, from: Option<u64>, to: Option<u64>) -> Result<Decoded, SqlError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    lock(&mut transaction).await?;
    let mut abis = Abis::default();
    abis.refresh(&mut transaction).await?;
    let bound = |height: u64| i64::try_from(height).unwrap_or(i64::MAX);
    // The projector writes what comes above.
    let reached = height(&mut transaction).await?;
    let (from, to) = (from.map_or(0, bound), to.map_or(reached, bound).min(reached));
    sqlx::query("DELETE FROM ledger.registered_events WHERE height BETWEEN $1 AND $2")
        .bind(from)
        .bind(to)
        .execute(&mut *transaction)
        .await
        .map_err(SqlError::at("remove what was decoded before"))?;
    let mut decoded = Decoded { from, to, contracts: abis.contracts.len(), logs: 0, events: 0 };
    let mut next = [from, 0, 0];
    while let Some(after) = decode_some(&mut transaction, &abis, next, &mut decoded).await? {
        next = after;
    }
    transaction.commit().await.map_err(SqlError::at("commit"))?;
    Ok(decoded)
}

/// Decodes the next logs; where to go on, unless these were the last ones.
async fn decode_some(
    connection: &mut PgConnection,
    abis: &Abis,
    next: [i64; 3],
    decoded: &mut Decoded,
) -> Result<Option<[i64; 3]>, SqlError> {
    let query = "SELECT height, tx_index, log_index, address, topic0, topic1, topic2, topic3, data FROM ledger.logs
                 WHERE address = ANY($1) AND (height, tx_index, log_index) >= ($2, $3, $4) AND height BETWEEN $2 AND $5
                 ORDER BY height, tx_index, log_index LIMIT $6";
    let contracts: Vec<&[u8]> = abis.contracts.keys().map(|contract| contract.as_slice()).collect();
    let [height, tx, log] = next;
    let found: Vec<PgRow> = sqlx::query(query)
        .bind(contracts)
        .bind(height)
        .bind(tx)
        .bind(log)
        .bind(decoded.to)
        .bind(AT_A_TIME)
        .fetch_all(&mut *connection)
        .await
        .map_err(SqlError::at("read logs"))?;
    let (mut rows, mut last) = (Vec::new(), None);
    for row in &found {
        let (at, log) = read_log(row)?;
        last = Some(at);
        decoded.logs = decoded.logs.saturating_add(u64::from(!is_decoded(&log)));
        rows.extend(abis.row(at.map(Cell::Int), &log));
    }
    decoded.events = decoded.events.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    write(connection, &rows).await?;
    let full = i64::try_from(found.len()).is_ok_and(|found| found >= AT_A_TIME);
    Ok(last.filter(|_| full).map(|[height, tx, log]| [height, tx, log.saturating_add(1)]))
}

fn read_log(row: &PgRow) -> Result<([i64; 3], Log), SqlError> {
    let failed = || SqlError::at("read a log");
    let number = |at: usize| row.try_get::<i64, _>(at).map_err(failed());
    let bytes = |at: usize| row.try_get::<Option<&[u8]>, _>(at).map_err(failed());
    let odd = || SqlError::Edited { what: "a log is none".into() };
    let address = Address::try_from(bytes(3)?.unwrap_or_default()).map_err(|_| odd())?;
    let topics = (4..8)
        .map(bytes)
        .filter_map(Result::transpose)
        .map(|topic| topic.and_then(|topic| B256::try_from(topic).map_err(|_| odd())));
    let topics = topics.collect::<Result<Vec<B256>, SqlError>>()?;
    let data = Bytes::copy_from_slice(bytes(8)?.unwrap_or_default());
    let log = Log { address, data: LogData::new_unchecked(topics, data) };
    Ok(([number(0)?, number(1)?, number(2)?], log))
}

async fn lock(connection: &mut PgConnection) -> Result<(), SqlError> {
    let locked = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(connection).await;
    locked.map(|_| ()).map_err(SqlError::at("take the lock of who registers"))
}

/// Where the database stands; below every block where nothing was ever written.
async fn height(connection: &mut PgConnection) -> Result<i64, SqlError> {
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM ledger.projection_cursor)")
        .fetch_one(&mut *connection)
        .await
        .map_err(SqlError::at("look for its cursor"))?;
    if there { Ok(read_cursor(connection).await?.height) } else { Ok(-1) }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, keccak256};

    use super::*;

    const TILL: Address = Address::repeat_byte(7);

    fn abi(event: &str) -> Abi {
        let inputs = r#"[{"name":"amount","type":"uint256","indexed":false}]"#;
        Abi::parse(&format!(r#"[{{"type":"event","name":"{event}","inputs":{inputs}}}]"#)).unwrap()
    }

    fn log(address: Address, event: &str) -> Log {
        let topics = vec![keccak256(format!("{event}(uint256)"))];
        let data = Bytes::copy_from_slice(&U256::from(5).to_be_bytes::<32>());
        Log { address, data: LogData::new_unchecked(topics, data) }
    }

    fn told(abis: &Abis, log: &Log) -> Option<Vec<String>> {
        let row = abis.row(position(3, 1, 0), log)?;
        Some(row.iter().skip(5).map(Cell::show).collect())
    }

    #[test]
    fn an_event_is_told_where_its_contract_has_an_abi_and_nowhere_else() {
        let mut abis = Abis::default();
        abis.add(TILL, abi("Paid"));
        assert_eq!(told(&abis, &log(TILL, "Paid")).unwrap(), ["Paid", r#"{"amount":"5"}"#]);
        assert_eq!(told(&abis, &log(TILL, "Taken")), None);
        assert_eq!(told(&abis, &log(Address::repeat_byte(8), "Paid")), None);
    }

    #[test]
    fn a_newer_abi_adds_to_what_an_older_one_declares() {
        let mut abis = Abis::default();
        abis.add(TILL, abi("Paid"));
        abis.add(TILL, abi("Taken"));
        let newer = Abi::parse(
            r#"[{"type":"event","name":"Paid","inputs":[{"name":"sum","type":"uint256","indexed":false}]}]"#,
        );
        abis.add(TILL, newer.unwrap());
        assert_eq!(told(&abis, &log(TILL, "Taken")).unwrap(), ["Taken", r#"{"amount":"5"}"#]);
        assert_eq!(told(&abis, &log(TILL, "Paid")).unwrap(), ["Paid", r#"{"sum":"5"}"#]);
    }

    #[test]
    fn what_the_program_decodes_by_itself_is_not_told_twice() {
        let inputs =
            ["from", "to"].map(|name| format!(r#"{{"name":"{name}","type":"address","indexed":true}}"#));
        let text = format!(
            r#"[{{"type":"event","name":"Transfer","inputs":[{},{{"name":"v","type":"uint256","indexed":false}}]}}]"#,
            inputs.join(",")
        );
        let mut abis = Abis::default();
        abis.add(TILL, Abi::parse(&text).unwrap());
        let topics = vec![keccak256("Transfer(address,address,uint256)"), B256::ZERO, B256::ZERO];
        let mut transfer = log(TILL, "Transfer");
        transfer.data = LogData::new_unchecked(topics, transfer.data.data);
        assert_eq!(told(&abis, &transfer), None);
    }
}
