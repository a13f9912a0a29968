//! Which validators were absent from the newest commit.
//!
//! A commit has a vote for each validator, in the order of its set, and those that are absent by their place alone. Whose place
//! that is, the registry tells: a validator is in force two blocks after the one that changed it. Where the signers do not
//! stand where the registry has them, nobody is named.

use std::cmp::Reverse;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Reader;
use crate::SqlError;

/// How many blocks after a change of validators it is in force.
const IN_FORCE: i64 = 2;

/// Bytes of a validator's address: the first ones of its key's hash, as CometBFT has it.
const ADDRESS: usize = 20;

/// Who took part in the newest commit that the ledger has: that of the block before the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attendance {
    /// The height that was voted on.
    pub height: i64,
    /// The round.
    pub round: i64,
    /// How many validators there are.
    pub validators: usize,
    /// Those whose vote for the block is not in the commit.
    pub absent: Vec<Absent>,
}

/// A validator without a vote for the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Its place in the set.
    pub place: i64,
    /// `absent`, or `nil`: it voted for no block.
    pub vote: String,
    /// Whose it is; none where the registry does not tell without doubt.
    pub organisation: Option<String>,
    /// Its key, in hex after `0x`; likewise.
    pub consensus_key: Option<String>,
}

/// A vote of a commit.
#[derive(Clone, Debug)]
struct Vote {
    place: i64,
    signed_height: i64,
    round: i64,
    vote: String,
    validator: Option<Vec<u8>>,
}

/// A vote as a row: place, height, round, vote and signer.
type VoteRow = (i64, i64, i64, String, Option<Vec<u8>>);

impl From<VoteRow> for Vote {
    fn from((place, signed_height, round, vote, validator): VoteRow) -> Self {
        Self { place, signed_height, round, vote, validator }
    }
}

/// A validator of the registry.
#[derive(Clone, Debug)]
struct Member {
    consensus_key: Vec<u8>,
    organisation: String,
    power: i64,
}

impl Member {
    fn address(&self) -> Vec<u8> {
        Sha256::digest(&self.consensus_key).iter().copied().take(ADDRESS).collect()
    }
}

impl Reader {
    /// Who was absent from the commit that a block carries; none for a block that carries none.
    ///
    /// # Errors
    /// [`SqlError::Database`].
    pub async fn attendance(&self, height: i64) -> Result<Option<Attendance>, SqlError> {
        let query = "SELECT place, signed_height, round, vote, validator FROM ledger.commit_signatures
            WHERE height = $1 ORDER BY place";
        let rows: Vec<VoteRow> = sqlx::query_as(query)
            .bind(height)
            .fetch_all(&self.pool)
            .await
            .map_err(SqlError::at("read the newest commit"))?;
        let votes: Vec<Vote> = rows.into_iter().map(Vote::from).collect();
        let Some(first) = votes.first() else { return Ok(None) };
        let set = match votes.iter().all(Vote::is_for_it) {
            true => Vec::new(),
            false => self.validators(first.signed_height).await?,
        };
        Ok(Some(Attendance {
            height: first.signed_height,
            round: first.round,
            validators: votes.len(),
            absent: absent(&votes, set),
        }))
    }

    /// The validators that vote on a height, in no order.
    async fn validators(&self, height: i64) -> Result<Vec<Member>, SqlError> {
        let query = "SELECT v.consensus_key, v.organisation, least(v.power, 9223372036854775807)::bigint AS power FROM ledger.validators v
            WHERE v.height <= greatest($1, (SELECT min(height) FROM ledger.validators)) AND NOT v.removed AND NOT EXISTS (
                SELECT FROM ledger.validators n WHERE n.consensus_key = v.consensus_key AND n.height > v.height AND n.height <= $1)";
        let query = sqlx::query_as(query).bind(height.saturating_sub(IN_FORCE));
        let rows: Vec<(Vec<u8>, String, i64)> =
            query.fetch_all(&self.pool).await.map_err(SqlError::at("read the validators"))?;
        let member = |(consensus_key, organisation, power)| Member { consensus_key, organisation, power };
        Ok(rows.into_iter().map(member).collect())
    }
}

impl Vote {
    fn is_for_it(&self) -> bool {
        self.vote == "commit"
    }
}

/// The places without a vote for the block, and whose they are.
fn absent(votes: &[Vote], set: Vec<Member>) -> Vec<Absent> {
    let places = placed(votes, set);
    let without = votes.iter().zip(places).filter(|(vote, _)| !vote.is_for_it());
    without
        .map(|(vote, member)| Absent {
            place: vote.place,
            vote: vote.vote.clone(),
            organisation: member.as_ref().map(|member| member.organisation.clone()),
            consensus_key: member.map(|member| format!("0x{}", hex::encode(member.consensus_key))),
        })
        .collect()
}

/// Whose the place of each vote is, where the set is the one that has voted: as CometBFT orders it, by power and then by
/// address, every signer stands at its place.
fn placed(votes: &[Vote], mut set: Vec<Member>) -> Vec<Option<Member>> {
    set.sort_by_cached_key(|member| (Reverse(member.power), member.address()));
    let stands = |(vote, member): (&Vote, &Member)| {
        vote.validator.as_ref().is_none_or(|signer| *signer == member.address())
    };
    match set.len() == votes.len() && votes.iter().zip(&set).all(stands) {
        true => set.into_iter().map(Some).collect(),
        false => votes.iter().map(|_| None).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(byte: u8, power: i64) -> Member {
        Member { consensus_key: vec![byte; 32], organisation: format!("bank-{byte}"), power }
    }

    fn vote(place: i64, signer: Option<&Member>) -> Vote {
        let vote = if signer.is_some() { "commit" } else { "absent" };
        Vote { place, signed_height: 7, round: 0, vote: vote.into(), validator: signer.map(Member::address) }
    }

    /// The set as it votes, and a commit from which the member at a place is absent.
    fn commit(missing: usize) -> (Vec<Member>, Vec<Vote>) {
        let mut set = vec![member(1, 5), member(2, 9), member(3, 5), member(4, 5)];
        set.sort_by_cached_key(|member| (Reverse(member.power), member.address()));
        let signer = |at: usize| set.get(at).filter(|_| at != missing);
        let votes = (0..set.len()).map(|at| vote(i64::try_from(at).unwrap(), signer(at))).collect();
        (set, votes)
    }

    #[test]
    fn whoever_is_absent_is_named_by_its_place_in_the_set() {
        for missing in 0..4 {
            let (set, votes) = commit(missing);
            let mut told = set.clone();
            told.reverse();
            let found = absent(&votes, told);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].organisation.as_ref(), Some(&set[missing].organisation));
            assert_eq!(
                found[0].consensus_key,
                Some(format!("0x{}", hex::encode(&set[missing].consensus_key)))
            );
        }
        assert_eq!(absent(&commit(9).1, Vec::new()), []);
    }

    #[test]
    fn nobody_is_named_where_the_registry_does_not_have_the_signers_at_their_places() {
        let (set, votes) = commit(2);
        let fewer = set[1..].to_vec();
        let others =
            set.iter().cloned().map(|member| Member { power: 14 - member.power, ..member }).collect();
        for registry in [fewer, others, Vec::new()] {
            let found = absent(&votes, registry);
            assert_eq!((found.len(), found[0].place, &found[0].organisation), (1, 2, &None));
        }
    }
}
