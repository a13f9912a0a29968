//! How an account stands in the chain's registry, as the service judges whoever asks.

use concordat_types::Address;
use sqlx::{Row as _, postgres::PgRow};

use super::{Reader, Scope};
use crate::SqlError;

/// Everything about an account that bears on what it may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether its row was removed.
    pub removed: bool,
    /// `active`, `frozen` or `inactive`.
    pub status: String,
    /// Its role.
    pub role: String,
    /// The last second at which its certificates are valid, Unix.
    pub not_after: i64,
    /// SHA-256 of its certificate.
    pub fingerprint: Option<Vec<u8>>,
    /// Its organisation.
    pub organisation: Option<String>,
    /// Whether that is in good standing.
    pub organisation_active: bool,
    /// Whether a certificate on its path is revoked.
    pub revoked: bool,
    /// The freeze of its identity: its scope, and the last height at which it binds, zero for none.
    pub freeze: Option<(String, i64)>,
    /// The number of a regulator's order that shuts it out: one that freezes all of its identity, or that blacklists its
    /// identity or its person.
    pub order: Option<i64>,
    /// Its mandate as a regulator.
    pub mandate: Option<MandateFacts>,
}

/// A mandate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MandateFacts {
    /// Whose law.
    pub jurisdiction: String,
    /// What may be shown.
    pub scope: Scope,
    /// Whether it gives the power to be shown anything.
    pub observes: bool,
    /// The last height at which it holds; zero: until it is retired.
    pub until: i64,
}

/// The newest rows at a height, each of the account, its identity, its authority and its organisation.
const QUERY: &str = "WITH
    s AS (SELECT * FROM ledger.account_standings WHERE account = $1 AND height <= $2 ORDER BY height DESC LIMIT 1),
    d AS (SELECT * FROM ledger.account_details WHERE account = $1 AND height <= $2 ORDER BY height DESC LIMIT 1),
    i AS (SELECT * FROM ledger.identities WHERE account = $1 AND height <= $2 ORDER BY height DESC LIMIT 1),
    who AS (SELECT coalesce((SELECT identity FROM i WHERE NOT removed), $1) AS identity),
    a AS (SELECT * FROM ledger.authorities WHERE authority = (SELECT authority FROM s) AND height <= $2
          ORDER BY height DESC LIMIT 1),
    o AS (SELECT * FROM ledger.organisations WHERE organisation = (SELECT organisation FROM a) AND height <= $2
          ORDER BY height DESC LIMIT 1),
    f AS (SELECT * FROM ledger.freezes WHERE identity = (SELECT identity FROM who) AND height <= $2
          ORDER BY height DESC LIMIT 1),
    r AS (SELECT * FROM ledger.regulators WHERE identity = (SELECT identity FROM who) AND height <= $2
          ORDER BY height DESC LIMIT 1),
    path AS (SELECT a.issuer, s.serial FROM a, s UNION ALL
             SELECT decode(p->>'issuer', 'hex'), decode(p->>'serial', 'hex') FROM a, jsonb_array_elements(a.path) p)
    SELECT s.removed, s.status, s.role, s.not_after, d.fingerprint, a.organisation,
        coalesce(o.status = 'active' AND NOT o.removed AND NOT a.removed, false),
        EXISTS (SELECT FROM path CROSS JOIN LATERAL (
            SELECT v.removed FROM ledger.revocations v
            WHERE v.issuer = path.issuer AND v.serial = path.serial AND v.height <= $2
            ORDER BY v.height DESC LIMIT 1) newest WHERE NOT newest.removed),
        CASE WHEN NOT f.removed THEN f.scope END, least(f.until, 9223372036854775807)::bigint,
        CASE WHEN NOT r.removed THEN r.mandate::text END, (SELECT identity FROM who), d.common_name
    FROM s LEFT JOIN d ON true LEFT JOIN a ON true LEFT JOIN o ON true LEFT JOIN f ON true LEFT JOIN r ON true";

/// A common name as the chain compares names: without regard to the case of ASCII letters and to how many spaces there are.
macro_rules! folded {
    ($name:literal) => {
        concat!("lower(btrim(regexp_replace(", $name, ", '[ \\t\\n\\f\\r]+', ' ', 'g')) COLLATE \"C\")")
    };
}

/// The first order that binds at a height and shuts out an identity; or a person, by its organisation and common name: those
/// that the account which acted for a blacklisted identity had when that was imposed, under whatever certificate.
const SHUTS_OUT: &str = concat!(
    "WITH newest AS (
        SELECT DISTINCT ON (o.id) o.* FROM ledger.orders o WHERE o.height <= $2
        AND (o.measure = 'blacklist' OR (o.measure = 'freeze-all' AND o.account = $1))
        ORDER BY o.id, o.height DESC, o.place DESC),
    binding AS (
        SELECT n.*, coalesce((SELECT i.account FROM ledger.identities i
                              WHERE i.identity = n.account AND i.height <= n.issued AND NOT i.removed
                              ORDER BY i.height DESC, i.place DESC LIMIT 1), n.account) AS acting
        FROM newest n WHERE n.ended_at IS NULL
        AND coalesce(least(CASE WHEN n.confirmed_at IS NULL THEN n.lapses END, nullif(n.until, 0)) >= $2, true))
    SELECT min(b.id) FROM binding b WHERE b.account = $1 OR (b.measure = 'blacklist'
        AND $3 = (SELECT a.organisation FROM ledger.account_standings s JOIN ledger.authorities a ON a.authority = s.authority
                  WHERE s.account = b.acting LIMIT 1)
        AND ",
    folded!("$4"),
    " = (SELECT ",
    folded!("d.common_name"),
    " FROM ledger.account_details d WHERE d.account = b.acting AND d.height <= b.issued ORDER BY d.height DESC LIMIT 1))"
);

impl Reader {
    /// How an account stands after the block at a height; none for one that never enrolled.
    ///
    /// # Errors
    /// [`SqlError::Database`]; [`SqlError::Edited`] for a mandate that is none.
    pub async fn account(&self, account: Address, height: i64) -> Result<Option<Account>, SqlError> {
        let query = sqlx::query(QUERY).bind(account.to_vec()).bind(height);
        let row = query.fetch_optional(&self.pool).await.map_err(SqlError::at("read an account"))?;
        let Some(row) = row else { return Ok(None) };
        let order = self.order(&row, height).await?;
        Ok(Some(Account { order, ..read(&row)? }))
    }

    /// The order that shuts out whom a row of [`QUERY`] is about.
    async fn order(&self, row: &PgRow, height: i64) -> Result<Option<i64>, SqlError> {
        let failed = || SqlError::at("read the orders on an account");
        let identity: Vec<u8> = row.try_get(11).map_err(failed())?;
        let organisation: Option<String> = row.try_get(5).map_err(failed())?;
        let name: Option<String> = row.try_get(12).map_err(failed())?;
        let query = sqlx::query_scalar(SHUTS_OUT).bind(identity).bind(height).bind(organisation).bind(name);
        query.fetch_one(&self.pool).await.map_err(failed())
    }
}

fn read(row: &PgRow) -> Result<Account, SqlError> {
    let failed = || SqlError::at("read an account");
    let scope: Option<String> = row.try_get(8).map_err(failed())?;
    let until: Option<i64> = row.try_get(9).map_err(failed())?;
    let mandate: Option<String> = row.try_get(10).map_err(failed())?;
    let edited = || SqlError::Edited { what: "a regulator's mandate is none".into() };
    Ok(Account {
        removed: row.try_get(0).map_err(failed())?,
        status: row.try_get(1).map_err(failed())?,
        role: row.try_get(2).map_err(failed())?,
        not_after: row.try_get(3).map_err(failed())?,
        fingerprint: row.try_get(4).map_err(failed())?,
        organisation: row.try_get(5).map_err(failed())?,
        organisation_active: row.try_get(6).map_err(failed())?,
        revoked: row.try_get(7).map_err(failed())?,
        freeze: scope.zip(until),
        order: None,
        mandate: mandate.map(|text| mandate_of(&text).ok_or_else(edited)).transpose()?,
    })
}

/// Reads a mandate as the projection writes it.
fn mandate_of(text: &str) -> Option<MandateFacts> {
    /// All of it, or it is not understood.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Told {
        jurisdiction: String,
        organisations: Option<std::collections::BTreeSet<concordat_types::OrgId>>,
        contracts: Option<std::collections::BTreeSet<Address>>,
        powers: Vec<String>,
        until: u64,
    }
    let told: Told = serde_json::from_str(text).ok()?;
    Some(MandateFacts {
        jurisdiction: told.jurisdiction,
        scope: Scope { organisations: told.organisations, contracts: told.contracts },
        observes: told.powers.iter().any(|power| power == "observe"),
        until: i64::try_from(told.until).unwrap_or(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use concordat_governance::regulator::{Mandate, Power};

    use super::*;

    #[test]
    fn mandates_are_read_as_they_are_projected() {
        let mandate = Mandate {
            jurisdiction: "EU".into(),
            organisations: Some(["bank-a".parse().unwrap()].into()),
            contracts: None,
            powers: [Power::Observe].into(),
            until: 9,
        };
        let told = mandate_of(&serde_json::to_string(&mandate).unwrap()).unwrap();
        assert_eq!(told.scope, Scope { organisations: mandate.organisations, contracts: None });
        assert_eq!((told.observes, told.until, &*told.jurisdiction), (true, 9, "EU"));
    }

    #[test]
    fn a_mandate_with_a_field_that_is_not_known_is_none() {
        let text =
            r#"{"jurisdiction":"EU","organisations":null,"contracts":null,"powers":[],"until":0,"x":1}"#;
        assert_eq!(mandate_of(text), None);
    }
}
