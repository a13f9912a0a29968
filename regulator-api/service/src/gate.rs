//! Admission: certificate, registry and token of each request, and the making of tokens.

use std::collections::BTreeSet;

use concordat_sql::read::{Scope, Tip};
use concordat_types::{Address, OrgId};
use openssl::rand::rand_bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    auth::{Caller, Office, judge},
    problem::{Kind, Problem},
    service::{Service, now_ms, now_secs},
    tls::Shown,
    token::{self, Claims, Confirmation},
};

/// The longest reference of a case, in characters.
const CASE: usize = 100;

/// Somebody who was let in, and as of which block.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) tip: Tip,
}

/// What somebody wants of a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    purpose: String,
    case: String,
    #[serde(default)]
    organisations: Option<BTreeSet<OrgId>>,
    #[serde(default)]
    contracts: Option<BTreeSet<Address>>,
}

impl Service {
    /// The newest block.
    pub(crate) async fn tip(&self) -> Result<Tip, Problem> {
        let tip = match self.reader.tip().await {
            Ok(tip) => tip,
            // A schema that is another program's gives no connection: say so, where that is why.
            Err(error) if error.may_pass() => {
                self.reader.schema(&self.database).await?;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let tip = tip.ok_or_else(|| Problem::new(Kind::Empty, "run `concordat audit project`"))?;
        self.metrics.stands_at(tip.height);
        Ok(tip)
    }

    /// Lets a certificate in, as the registry has it after the newest block.
    pub(crate) async fn admit(&self, shown: &Shown) -> Result<Admitted, Problem> {
        let tip = self.tip().await?;
        let account = match shown.account {
            Some(account) => self.account(account, tip.height).await?,
            None => None,
        };
        let caller = judge(shown, account.as_ref(), &tip, now_secs())?;
        Ok(Admitted { caller, tip })
    }

    /// Lets a certificate in with the token that it brings: a token only ever makes a mandate less.
    pub(crate) async fn admit_with(&self, shown: &Shown, claims: &Claims) -> Result<Admitted, Problem> {
        if now_secs() >= claims.exp {
            return Err(Problem::new(Kind::TokenExpired, "ask for another by POST /v1/token"));
        }
        let mut admitted = self.admit(shown).await?;
        if claims.org != admitted.caller.organisation || claims.sub != admitted.caller.account {
            return Err(Problem::new(Kind::ForeignToken, "the account belongs to another organisation now"));
        }
        admitted.caller.scope = admitted.caller.scope.and(&claims.scope);
        Ok(admitted)
    }

    /// Reads the token of a request.
    pub(crate) fn claims(&self, header: Option<&str>, shown: &Shown) -> Result<Claims, Problem> {
        let none =
            || Problem::new(Kind::NoToken, "bring one as `Authorization: Bearer`; POST /v1/token makes it");
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or_else(none)?;
        token::verify(&self.keys(), &self.config.issuer, token.trim(), shown, now_secs())
    }

    /// Makes a token; what it says, and the answer.
    pub(crate) fn token(
        &self,
        admitted: &Admitted,
        shown: &Shown,
        body: &[u8],
    ) -> Result<(Claims, Value), Problem> {
        let Admitted { caller, tip } = admitted;
        let wish = self.wish(body)?;
        self.check_fresh(tip)?;
        let scope = wished(&wish).unwrap_or_else(|| caller.scope.clone());
        if caller.office == Office::Regulator && !scope.is_within(&caller.scope) {
            return Err(Problem::new(Kind::ScopeTooWide, "ask for what the mandate covers"));
        }
        let now = now_secs();
        let claims = Claims {
            iss: self.config.issuer.clone(),
            sub: caller.account,
            org: caller.organisation.clone(),
            cnf: Confirmation::of(shown),
            scope,
            purpose: wish.purpose,
            case: wish.case,
            jti: name()?,
            height: tip.height,
            iat: now,
            exp: now.saturating_add(self.config.token_seconds),
        };
        let token = token::sign(&self.keys(), &claims)?;
        let answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.config.token_seconds,
            "scope": claims.scope,
            "office": match caller.office { Office::Regulator => "regulator", Office::Auditor => "auditor" },
        });
        Ok((claims, answer))
    }

    fn wish(&self, body: &[u8]) -> Result<Wish, Problem> {
        let takes = "the body is a JSON object with purpose and case, and organisations and contracts where less is wanted";
        let wish: Wish = serde_json::from_slice(body).map_err(|_| Problem::new(Kind::Malformed, takes))?;
        if !self.config.purposes.contains(&wish.purpose) {
            let purposes: Vec<&str> = self.config.purposes.iter().map(String::as_str).collect();
            return Err(Problem::new(Kind::Purpose, format!("purposes are {}", purposes.join(", "))));
        }
        let fits =
            (1..=CASE).contains(&wish.case.chars().count()) && !wish.case.chars().any(char::is_control);
        if fits {
            Ok(wish)
        } else {
            Err(Problem::new(Kind::Malformed, "case is 1 to 100 characters of text"))
        }
    }

    /// A database that has fallen behind may not know of a revocation.
    fn check_fresh(&self, tip: &Tip) -> Result<(), Problem> {
        let behind = now_ms().saturating_sub(tip.time_ms).checked_div(1000).unwrap_or_default();
        if u64::try_from(behind).unwrap_or_default() <= self.config.stale_seconds {
            return Ok(());
        }
        let detail = format!(
            "its newest block is {}, {behind} s ago; no token is made until it has caught up",
            tip.height
        );
        Err(Problem::new(Kind::Stale, detail))
    }
}

/// What is named; the rest is left out as soon as anything is named.
fn wished(wish: &Wish) -> Option<Scope> {
    let (organisations, contracts) = (wish.organisations.clone(), wish.contracts.clone());
    let named = organisations.is_some() || contracts.is_some();
    named.then(|| Scope {
        organisations: Some(organisations.unwrap_or_default()),
        contracts: Some(contracts.unwrap_or_default()),
    })
}

/// A token's own name.
fn name() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    rand_bytes(&mut bytes).map_err(|error| Problem::internal("a token cannot be named", error))?;
    Ok(hex::encode(bytes))
}
