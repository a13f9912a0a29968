//! Tokens: short-lived, and worth nothing without the certificate that they were made for (RFC 8705).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use concordat_sql::read::Scope;
use concordat_types::Address;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode, errors::ErrorKind};
use serde::{Deserialize, Serialize};

use crate::{
    keys::KeyRing,
    problem::{Kind, Problem},
    tls::Shown,
};

/// The longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The service that made it.
    pub(crate) iss: String,
    /// The account.
    pub(crate) sub: Address,
    /// Its organisation.
    pub(crate) org: String,
    /// The certificate that it is bound to.
    pub(crate) cnf: Confirmation,
    /// What may be shown, at most.
    pub(crate) scope: Scope,
    /// What for.
    pub(crate) purpose: String,
    /// The case.
    pub(crate) case: String,
    /// Its own name.
    pub(crate) jti: String,
    /// The newest block when it was made.
    pub(crate) height: i64,
    /// When it was made, Unix seconds.
    pub(crate) iat: u64,
    /// When it ends.
    pub(crate) exp: u64,
}

/// A certificate, as RFC 8705 names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    /// SHA-256 of the certificate.
    #[serde(rename = "x5t#S256")]
    pub(crate) thumbprint: String,
}

impl Confirmation {
    /// Of a certificate.
    pub(crate) fn of(shown: &Shown) -> Self {
        Self { thumbprint: URL_SAFE_NO_PAD.encode(shown.certificate) }
    }
}

/// Signs a token.
pub(crate) fn sign(keys: &KeyRing, claims: &Claims) -> Result<String, Problem> {
    let (name, key) = keys.signing();
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(name.clone());
    encode(&header, claims, key).map_err(|error| Problem::internal("a token cannot be signed", error))
}

/// Reads a token that this service has made for the certificate that is shown, and that has not ended at `now`.
pub(crate) fn verify(
    keys: &KeyRing,
    issuer: &str,
    token: &str,
    shown: &Shown,
    now: u64,
) -> Result<Claims, Problem> {
    let bad = |detail: &str| Problem::new(Kind::BadToken, detail);
    if token.len() > LONGEST {
        return Err(bad("it is too long"));
    }
    let header = decode_header(token).map_err(|_| bad("it is no token"))?;
    // The only algorithm, whatever the token says of itself.
    if header.alg != Algorithm::ES256 {
        return Err(bad("tokens of this service are signed with ES256"));
    }
    let name = header.kid.ok_or_else(|| bad("it names no key"))?;
    let key = keys
        .verifying(&name)
        .ok_or_else(|| bad("its key is not, or no longer, this service's; ask for another"))?;
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_issuer(&[issuer]);
    rules.set_required_spec_claims(&["exp", "iss", "sub"]);
    // The end is held against the time that the caller gives, below.
    rules.validate_exp = false;
    let claims = decode::<Claims>(token, key, &rules).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => bad("its signature is wrong"),
        _ => bad("it does not say what tokens of this service say"),
    })?;
    let claims = claims.claims;
    if now >= claims.exp {
        return Err(Problem::new(Kind::TokenExpired, "ask for another by POST /v1/token"));
    }
    if claims.cnf != Confirmation::of(shown) {
        return Err(Problem::new(Kind::ForeignToken, "show the certificate that the token was made for"));
    }
    if shown.account != Some(claims.sub) {
        return Err(Problem::new(Kind::ForeignToken, "the token is another account's"));
    }
    Ok(claims)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keys::tests::write_key;

    pub(crate) fn shown(byte: u8) -> Shown {
        Shown { certificate: [byte; 32], account: Some(Address::repeat_byte(byte)) }
    }

    pub(crate) fn claims() -> Claims {
        Claims {
            iss: "test".into(),
            sub: Address::repeat_byte(1),
            org: "regulator-a".into(),
            cnf: Confirmation::of(&shown(1)),
            scope: Scope::default(),
            purpose: "supervision".into(),
            case: "7".into(),
            jti: "1".into(),
            height: 5,
            iat: 1000,
            exp: 1600,
        }
    }

    fn keys() -> KeyRing {
        let folder = tempfile::tempdir().unwrap();
        write_key(&folder.path().join("1.key"));
        KeyRing::read(folder.path(), b"").unwrap()
    }

    fn kind(keys: &KeyRing, token: &str, who: &Shown, now: u64) -> Option<Kind> {
        verify(keys, "test", token, who, now).err().map(|problem| problem.kind)
    }

    #[test]
    fn a_token_says_what_it_said_when_it_was_made() {
        let keys = keys();
        let token = sign(&keys, &claims()).unwrap();
        assert_eq!(verify(&keys, "test", &token, &shown(1), 1599).unwrap(), claims());
    }

    #[test]
    fn a_token_that_is_stolen_expired_of_other_keys_or_of_another_service_is_refused() {
        let keys = keys();
        let token = sign(&keys, &claims()).unwrap();
        assert_eq!(kind(&keys, &token, &shown(2), 1001), Some(Kind::ForeignToken));
        assert_eq!(kind(&keys, &token, &shown(1), 1600), Some(Kind::TokenExpired));
        assert_eq!(kind(&self::keys(), &token, &shown(1), 1001), Some(Kind::BadToken));
        assert!(verify(&keys, "another", &token, &shown(1), 1001).is_err());
        let other = Claims { sub: Address::repeat_byte(9), ..claims() };
        assert_eq!(kind(&keys, &sign(&keys, &other).unwrap(), &shown(1), 1001), Some(Kind::ForeignToken));
    }

    #[test]
    fn a_token_that_was_altered_or_names_another_algorithm_is_refused() {
        let keys = keys();
        let token = sign(&keys, &claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let wide = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Claims { exp: 9_999, ..claims() }).unwrap());
        let altered = format!("{}.{wide}.{}", parts[0], parts[2]);
        let kid = keys.signing().0;
        let header =
            |alg: &str| URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"JWT"}}"#));
        let tokens = [
            altered,
            format!("{}.{}.", header("none"), parts[1]),
            format!("{}.{}.{}", header("HS256"), parts[1], parts[2]),
            format!("{}.{}.{}", header("RS256"), parts[1], parts[2]),
            "a.b.c".to_owned(),
            String::new(),
            "x".repeat(LONGEST + 1),
        ];
        for token in tokens {
            assert_eq!(kind(&keys, &token, &shown(1), 1001), Some(Kind::BadToken), "{token}");
        }
    }
}
