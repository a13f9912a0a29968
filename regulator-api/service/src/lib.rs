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
mod params;
mod problem;
mod rate;
mod routes;
mod serve;
mod service;
mod subject;
mod tls;
mod token;

pub use config::{Config, ConfigError, NodeConfig, SealConfig};
pub use node::NodeError;
pub use openapi::document;
pub use serve::{ServeError, serve};
