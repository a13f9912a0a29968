//! What people did about findings: added step by step, each with the hash of the one before in it.

use std::{fmt, str::FromStr};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection, postgres::PgRow};

use super::{
    WatchError,
    findings::find,
    read::{edited, get},
};
use crate::{Database, SqlError, database::check_schema};

/// What a hash of a step is over, first of all.
const DOMAIN: &[u8] = b"concordat surveillance step 1\0";

/// The longest name and the longest text, in bytes.
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 4_000;

/// What somebody does about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Takes it on.
    Acknowledge,
    /// Says something.
    Comment,
    /// Is done with it.
    Close,
}

impl Act {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Comment => "comment",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Act {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Acknowledge, Self::Comment, Self::Close];
        all.into_iter().find(|act| act.name() == text).ok_or(())
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What.
    pub act: Act,
    /// Who, as they say.
    pub person: String,
    /// Who, as the database knows them.
    pub role: String,
    /// In words.
    pub text: String,
    /// When, in milliseconds since 1970, by the database's clock.
    pub at_ms: i64,
    /// Its hash.
    pub hash: String,
}

impl Step {
    /// The hash that it has to have.
    pub(super) fn hash_after(&self, before: &[u8]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(before);
        for text in [self.act.name(), &self.person, &self.role, &self.text] {
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text);
        }
        hasher.update(self.at_ms.to_be_bytes());
        hasher.finalize().into()
    }
}

/// Adds a step about a finding, which is named by its id or the beginning of it; the whole id.
///
/// # Errors
/// [`WatchError::NoFinding`], [`WatchError::Closed`], [`WatchError::Acknowledged`], [`WatchError::Text`].
pub async fn act(
    database: &Database,
    id: &str,
    act: Act,
    person: &str,
    text: &str,
) -> Result<String, WatchError> {
    check_text("the name of who does it", person, LONGEST_NAME)?;
    if act != Act::Acknowledge || !text.is_empty() {
        check_text("the text", text, LONGEST_TEXT)?;
    }
    let mut connection = database.connect().await?;
    check_schema(&mut connection).await?;
    let finding = find(&mut connection, id).await?;
    let mut transaction = connection.begin().await.map_err(SqlError::at("begin"))?;
    // One at a time adds to a finding. A lock of its row would take the right to change findings, which nobody needs.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))";
    let locked = sqlx::query(lock).bind(&finding).execute(&mut *transaction).await;
    locked.map_err(SqlError::at("take a finding"))?;
    let steps = steps(&mut transaction, &finding).await?;
    let shown = hex::encode(&finding);
    if act != Act::Comment && steps.iter().any(|step| step.act == Act::Close) {
        return Err(WatchError::Closed { id: shown });
    }
    if let (Act::Acknowledge, Some(step)) = (act, steps.iter().find(|step| step.act == act)) {
        return Err(WatchError::Acknowledged { id: shown, person: step.person.clone() });
    }
    let before = match steps.last() {
        None => finding.clone(),
        Some(step) => hex::decode(&step.hash).map_err(|_| edited("a step's hash is none"))?,
    };
    let step = now(&mut transaction, act, person, text).await?;
    insert(&mut transaction, &finding, steps.len(), &step, step.hash_after(&before)).await?;
    transaction.commit().await.map_err(SqlError::at("commit"))?;
    Ok(shown)
}

fn check_text(what: &'static str, text: &str, longest: usize) -> Result<(), WatchError> {
    let fits = !text.trim().is_empty() && text.len() <= longest;
    let clean = !text.chars().any(|c| c.is_control() && c != '\n');
    if fits && clean { Ok(()) } else { Err(WatchError::Text { what, longest }) }
}

/// A step of now, by whom the database knows.
async fn now(connection: &mut PgConnection, act: Act, person: &str, text: &str) -> Result<Step, SqlError> {
    let query = "SELECT session_user::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let row = sqlx::query(query).fetch_one(connection).await.map_err(SqlError::at("tell the time"))?;
    let (role, at_ms) = (get(&row, 0)?, get(&row, 1)?);
    Ok(Step { act, person: person.to_owned(), role, text: text.to_owned(), at_ms, hash: String::new() })
}

async fn insert(
    connection: &mut PgConnection,
    finding: &[u8],
    place: usize,
    step: &Step,
    hash: [u8; 32],
) -> Result<(), SqlError> {
    let query = sqlx::query(
        "INSERT INTO watch.trail (finding, step, act, person, role, text, at_ms, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    let query = query.bind(finding).bind(i64::try_from(place).unwrap_or(i64::MAX)).bind(step.act.name());
    let query = query.bind(&step.person).bind(&step.role).bind(&step.text).bind(step.at_ms).bind(&hash[..]);
    query.execute(connection).await.map_err(SqlError::at("write a step"))?;
    Ok(())
}

/// The steps about a finding, the first one first.
pub(super) async fn steps(connection: &mut PgConnection, finding: &[u8]) -> Result<Vec<Step>, SqlError> {
    let query = "SELECT act, person, role, text, at_ms, encode(hash, 'hex') FROM watch.trail
        WHERE finding = $1 ORDER BY step";
    let query = sqlx::query(query).bind(finding);
    let rows = query.fetch_all(connection).await.map_err(SqlError::at("read what was done"))?;
    rows.iter().map(step).collect()
}

/// Reads a step: act, person, role, text, time and hash.
pub(crate) fn step(row: &PgRow) -> Result<Step, SqlError> {
    let act: &str = get(row, 0)?;
    Ok(Step {
        act: act.parse().map_err(|()| edited("an act is none"))?,
        person: get(row, 1)?,
        role: get(row, 2)?,
        text: get(row, 3)?,
        at_ms: get(row, 4)?,
        hash: get(row, 5)?,
    })
}

/// Whether each step is the one that was added, after the one before.
pub(crate) fn is_whole(finding: &[u8], steps: &[Step]) -> bool {
    let mut before = finding.to_vec();
    for step in steps {
        before = step.hash_after(&before).to_vec();
        if hex::encode(&before) != step.hash {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Step {
        let (person, role) = ("Ann".to_owned(), "auditor".to_owned());
        Step { act: Act::Comment, person, role, text: text.to_owned(), at_ms: 7, hash: String::new() }
    }

    #[test]
    fn hashes_of_steps_are_golden() {
        assert_eq!(
            hex::encode(step("looked at it").hash_after(&[1; 32])),
            "09faf39618f4387ee43238e33b2023b638f47d55078a7b17a87afb99f4e36cee"
        );
    }

    #[test]
    fn a_step_that_is_altered_or_taken_out_breaks_the_chain() {
        let finding = [9; 32];
        let mut steps = vec![step("one"), step("two"), step("three")];
        let mut before = finding.to_vec();
        for step in &mut steps {
            before = step.hash_after(&before).to_vec();
            step.hash = hex::encode(&before);
        }
        assert!(is_whole(&finding, &steps));
        let mut altered = steps.clone();
        altered[1].text = "other".into();
        assert!(!is_whole(&finding, &altered));
        steps.remove(1);
        assert!(!is_whole(&finding, &steps));
    }
}
