//! What the database says of somebody: the transactions that were proven to be theirs, and their history around them.

use std::collections::BTreeMap;

use concordat_types::{Address, OrgId, activity::Subject};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    ExportError, digest_at,
    rows::{Rows, where_holds},
};
use crate::{
    Database, SqlError,
    cell::Row,
    database::check_schema,
    tables::{Table, Type},
    write::read_cursor,
};

/// Tables whose rows are made of transactions and their receipts alone: a proof of those proves these rows.
pub const PROVEN: [Table; 5] =
    [Table::Transactions, Table::Logs, Table::DecodedEvents, Table::TokenTransfers, Table::Alerts];

/// Tables of whole blocks, which are about nobody.
const OF_BLOCKS: [Table; 2] = [Table::Blocks, Table::CommitSignatures];

/// Columns that name whom a row is about, where they hold an address.
const NAMES: &[&str] = &[
    "account",
    "new_account",
    "identity",
    "barred",
    "member",
    "proposer",
    "holder",
    "contract",
    "proxy",
    "administrator",
    "creator",
    "target",
    "subject",
    "regulator",
    "issuer",
    "confirmed_by",
    "ended_by",
];

/// Transactions asked for at a time.
const AT_A_TIME: usize = 1_000;

/// How much is read at most, where somebody else decides what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Rows of all tables.
    pub rows: usize,
    /// How long a statement may take.
    pub statement_ms: u32,
}

/// What the database says.
#[derive(Clone, Debug)]
pub struct Records {
    /// The chain.
    pub chain_id: String,
    /// The database's digest over all blocks up to the end of the range.
    pub digest: Option<String>,
    /// The rows of each table, in the order of their positions. All of [`PROVEN`], and those that have any.
    pub tables: BTreeMap<Table, Vec<Row>>,
}

/// Reads the rows of transactions at their places (height and index), and what there is about the subject up to the end of
/// the range: its history from the beginning; of balances those in the range, and the ones that it began with.
///
/// # Errors
/// [`ExportError::Behind`] where the database is not as far, [`ExportError::TooManyRows`] beyond the bounds, and whatever the
/// database says.
pub async fn records(
    database: &Database,
    subject: &Subject,
    (from, to): (u64, u64),
    places: &[(u64, u32)],
    bounds: Option<Bounds>,
) -> Result<Records, ExportError> {
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    let still = transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await;
    still.map_err(SqlError::at("begin"))?;
    if let Some(Bounds { statement_ms, .. }) = bounds {
        let bounded = format!("SET LOCAL statement_timeout = {statement_ms}");
        transaction.execute(&*bounded).await.map_err(SqlError::at("begin"))?;
    }
    let mut count = Count { read: 0, most: bounds.map_or(usize::MAX, |bounds| bounds.rows) };
    let cursor = read_cursor(&mut transaction).await?;
    if u64::try_from(cursor.height).map_or(true, |height| height < to) {
        return Err(ExportError::Behind { to, height: cursor.height });
    }
    let named = named_by(&mut transaction, subject, to).await?;
    let mut tables = BTreeMap::new();
    for table in PROVEN {
        let mut rows = Vec::new();
        for some in places.chunks(AT_A_TIME) {
            rows.extend(all(&mut transaction, table, &at_places(some), &mut count).await?);
        }
        rows.sort_by_key(|row| place_of(row, table));
        tables.insert(table, rows);
    }
    for table in Table::ALL.iter().filter(|table| !PROVEN.contains(table) && !OF_BLOCKS.contains(table)) {
        let Some(about) = about(*table, &named) else { continue };
        let rows = all(&mut transaction, *table, &within(*table, &about, (from, to)), &mut count).await?;
        if !rows.is_empty() {
            tables.insert(*table, rows);
        }
    }
    let digest = digest_at(&mut transaction, to).await?;
    Ok(Records { chain_id: cursor.chain_id, digest, tables })
}

/// How many rows have been read, and how many may be.
struct Count {
    read: usize,
    most: usize,
}

impl Count {
    fn add(&mut self) -> Result<(), ExportError> {
        if self.read >= self.most {
            return Err(ExportError::TooManyRows { rows: self.most });
        }
        self.read = self.read.saturating_add(1);
        Ok(())
    }
}

/// The rows where a condition holds.
async fn all(
    connection: &mut PgConnection,
    table: Table,
    condition: &str,
    count: &mut Count,
) -> Result<Vec<Row>, ExportError> {
    let statement = where_holds(table, condition);
    let mut stream = Rows::read(connection, table, &statement);
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await? {
        count.add()?;
        rows.push(row);
    }
    Ok(rows)
}

fn at_places(places: &[(u64, u32)]) -> String {
    let heights = || places.iter().map(|(height, _)| *height);
    let (low, high) = (heights().min().unwrap_or_default(), heights().max().unwrap_or_default());
    let places: Vec<String> = places.iter().map(|(height, index)| format!("({height}, {index})")).collect();
    // The bounds spare partitions that have none of them.
    format!(
        "t.height >= {low} AND t.height <= {high} AND (t.height, t.tx_index) IN (VALUES {})",
        places.join(", ")
    )
}

/// The cells that order a table's rows, as numbers.
fn place_of(row: &Row, table: Table) -> Vec<i64> {
    let number = |cell: &crate::cell::Cell| match cell {
        crate::cell::Cell::Int(number) => *number,
        _ => 0,
    };
    row.iter().take(table.position().len()).map(number).collect()
}

/// By what rows name a subject.
enum Named {
    /// An address, and the identities for which it has acted: freezes and orders are upon these, whichever key acts for them.
    Addresses(Vec<Address>),
    /// An organisation's own id, and its accounts.
    Organisation(OrgId),
}

async fn named_by(connection: &mut PgConnection, subject: &Subject, to: u64) -> Result<Named, ExportError> {
    let address = match subject {
        Subject::Organisation(id) => return Ok(Named::Organisation(id.clone())),
        Subject::Address(address) => *address,
    };
    let query = "SELECT DISTINCT identity FROM ledger.identities WHERE account = $1 AND height <= $2 ORDER BY identity";
    let query = sqlx::query_scalar(query).bind(address.to_vec()).bind(i64::try_from(to).unwrap_or(i64::MAX));
    let identities: Vec<Vec<u8>> =
        query.fetch_all(connection).await.map_err(SqlError::at("read identities"))?;
    let identities = identities.iter().filter_map(|identity| Address::try_from(identity.as_slice()).ok());
    let others = identities.filter(|identity| *identity != address);
    Ok(Named::Addresses(std::iter::once(address).chain(others).collect()))
}

/// The condition that a row is about the subject; `None` for tables that are about nobody.
fn about(table: Table, subject: &Named) -> Option<String> {
    let named = table.columns().iter().filter(|column| column.holds == Type::Bytes);
    let named = named.filter(|column| NAMES.contains(&column.name));
    let conditions: Vec<String> = match subject {
        Named::Addresses(addresses) => {
            let addresses = addresses.iter().map(literal).collect::<Vec<_>>().join(", ");
            named.map(|column| format!("t.{} IN ({addresses})", column.name)).collect()
        }
        Named::Organisation(id) => {
            let accounts = accounts_of(id);
            let of_accounts = named.map(|column| format!("t.{} IN ({accounts})", column.name));
            let own = table.columns().iter().filter(|column| column.name == "organisation");
            own.map(|_| format!("t.organisation = '{id}'")).chain(of_accounts).collect()
        }
    };
    (!conditions.is_empty()).then(|| format!("({})", conditions.join(" OR ")))
}

fn literal(address: &Address) -> String {
    format!("'\\x{}'::bytea", hex::encode(address))
}

/// The accounts that authorities of an organisation vouch for. Its id is of letters, digits and dashes alone.
fn accounts_of(id: &OrgId) -> String {
    format!(
        "SELECT s.account FROM ledger.account_standings s JOIN ledger.authorities a ON a.authority = s.authority \
         WHERE a.organisation = '{id}'"
    )
}

/// The same within the range. Balances change often: those before it are left out, but for the last one.
fn within(table: Table, about: &str, (from, to): (u64, u64)) -> String {
    if table != Table::TokenBalances {
        return format!("{about} AND t.height <= {to}");
    }
    format!(
        "{about} AND t.height <= {to} AND (t.height >= {from} OR t.height = (SELECT max(o.height) FROM {table} o WHERE \
         o.holder = t.holder AND o.token = t.token AND o.token_id = t.token_id AND o.height < {from}))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_about_whom_one_of_its_columns_names() {
        let somebody = Named::Addresses(vec![Address::repeat_byte(0xab), Address::repeat_byte(0xcd)]);
        let both = format!("('\\x{}'::bytea, '\\x{}'::bytea)", "ab".repeat(20), "cd".repeat(20));
        assert_eq!(
            about(Table::Identities, &somebody).unwrap(),
            format!("(t.account IN {both} OR t.identity IN {both})")
        );
        let orders = about(Table::Orders, &somebody).unwrap();
        for column in ["account", "contract", "issuer", "confirmed_by", "ended_by"] {
            assert!(orders.contains(&format!("t.{column} IN {both}")), "{orders}");
        }
        assert_eq!(about(Table::Policies, &somebody), None);
        let bank = Named::Organisation("bank-a".parse().unwrap());
        let told = about(Table::Seats, &bank).unwrap();
        assert!(told.starts_with("(t.organisation = 'bank-a' OR t.member IN (SELECT s.account"), "{told}");
    }

    #[test]
    fn no_more_rows_are_read_than_may_be() {
        let mut count = Count { read: 0, most: 2 };
        assert!(count.add().is_ok() && count.add().is_ok());
        assert_eq!(count.add().unwrap_err().to_string(), "there are more than 2 rows");
    }

    #[test]
    fn of_balances_before_the_range_the_last_one_is_read() {
        let told = within(Table::TokenBalances, "true", (5, 9));
        assert!(told.contains("t.height <= 9") && told.contains("o.height < 5"), "{told}");
        assert_eq!(within(Table::Seats, "true", (5, 9)), "true AND t.height <= 9");
    }
}
