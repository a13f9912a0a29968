//! The service of supervisors: reads of the ledger over mutual TLS, each under a mandate that the chain holds, each on a log.
//!
//! ```text
//!  certificate ─▶ TLS ─▶ registry (as of the newest block) ─▶ token ─▶ scope ─▶ statement ─▶ log ─▶ answer
//! ```
//!
//! Invariants: who somebody is and what may be shown is decided anew for each request, by the chain's own registry; a token
//! only ever makes it less. No answer leaves before its entry is on the log. What cannot be decided, or cannot be logged, is
//! refused. `docs/regulator-api.md` describes the interface.
#![deny(clippy::indexing_slicing)]

mod answer;
mod auth;
mod body;
mod config;
mod cursor;
mod evidence;
mod explanation;
mod feed;
mod findings;
mod flow;
mod gate;
mod journal;
mod keys;
mod metrics;
mod node;
mod objects;
mod openapi;
mod openapi_links;
mod openapi_values;
mod orders;
mod params;
mod problem;
mod rate;
mod routes;
mod serve;
mod service;
mod status;
mod subject;
mod tls;
mod token;

pub use config::{Config, ConfigError, NodeConfig, SealConfig};
pub use node::NodeError;
pub use openapi::document;
pub use serve::{ServeError, serve};

/// What the fuzz targets in `fuzz/` drive without sockets and databases. No part of the interface.
#[doc(hidden)]
pub mod internals {
    use std::path::Path;

    use concordat_types::Address;
    use jsonwebtoken::{Algorithm, Header, encode};
    use serde_json::Value;

    use crate::{
        cursor::{self, Cursor},
        keys::{KeyError, KeyRing},
        params::Parameters,
        problem::Problem,
        tls::Shown,
        token,
    };

    /// Reads the query of a path, and the cursor in it: that again as it is written.
    pub fn read_query(path: &str, query: &str) -> Result<Option<String>, String> {
        let said = |problem: Problem| format!("{problem:?}");
        let mut parameters = Parameters::read(query).map_err(said)?;
        let digest = cursor::digest(path, parameters.all());
        let Some(text) = parameters.take("cursor") else { return Ok(None) };
        Cursor::decode(&text, &digest).map(|cursor| Some(cursor.encode())).map_err(said)
    }

    /// Who reads tokens, with keys from a folder.
    pub struct Tokens(KeyRing);

    impl Tokens {
        /// Reads the keys.
        ///
        /// # Errors
        /// [`KeyError`].
        pub fn new(folder: &Path) -> Result<Self, KeyError> {
            KeyRing::read(folder, b"").map(Self)
        }

        /// A token that says anything, and is signed.
        pub fn sign(&self, claims: &Value) -> Option<String> {
            let (name, key) = self.0.signing();
            let mut header = Header::new(Algorithm::ES256);
            header.kid = Some(name.clone());
            encode(&header, claims, key).ok()
        }

        /// Reads a token as if account 0x0101… showed it with a certificate of which all bytes are 1.
        pub fn read(&self, token: &str, now: u64) -> bool {
            let shown = Shown { certificate: [1; 32], account: Some(Address::repeat_byte(1)) };
            token::verify(&self.0, "test", token, &shown, now).is_ok()
        }
    }
}
