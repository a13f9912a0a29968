//! An organisation's certificate authority: keys, requests, certificates, revocation lists.
//!
//! Each organisation runs two levels. The root, kept offline, certifies one issuing authority; the issuing
//! authority certifies holders and is constrained to its organisation's names. `docs/pki.md` describes the
//! ceremonies.
//!
//! Invariant: no certificate leaves this crate that `concordat-pki-verify` would refuse. Every certificate
//! is parsed back and its path checked before anyone sees it.
//!
//! Nothing here reads a clock: callers pass `now` in Unix seconds. Files are touched only by
//! [`Authority::save`], [`Authority::open`] and what they return, and by [`files`].

mod authority;
mod builder;
mod der;
mod error;
pub mod files;
mod inspect;
mod key;
mod log;
mod passphrase;
pub mod pem;
mod profile;
mod request;

pub use authority::{Authority, AuthorityOptions, IssuedCertificate, IssuedCrls};
pub use concordat_pki_verify::key::KeyType;
pub use error::AuthorityError;
pub use inspect::{CertificateInspection, CrlInspection, Inspection, RequestInspection, RevokedInspection};
pub use key::PrivateKey;
pub use log::{LogEntry, Tier};
pub use passphrase::Passphrase;
pub use profile::{Profile, San, SanError};
pub use request::CertificateRequest;

/// The default validity of a root, in days.
pub const ROOT_DAYS: u32 = 3652;
/// The default validity of an issuing authority, in days.
pub const ISSUING_DAYS: u32 = 1826;
/// The default validity of a holder's certificate, in days.
pub const LEAF_DAYS: u32 = 365;
/// The default time until the next CRL, in days.
pub const CRL_DAYS: u32 = 30;
/// The most certificates that one CRL lists. The ledger takes in a list with one transaction, whose gas is capped
/// (EIP-7825): each new revocation writes a row, and some 550 of them reach the cap.
pub const CRL_ENTRIES: usize = 400;
