//! X.509 certificates and CRLs, judged the same way by every validator.
//!
//! This crate runs inside block execution, so its verdicts are consensus rules: two validators that
//! disagree about one certificate fork the chain. It is therefore a pure function of its inputs.
//!
//! Invariant: this crate never reads a clock, a file, a socket, randomness or the environment, and never
//! calls the system's OpenSSL. Time is an argument; all code that judges is pinned by `Cargo.lock`.
//!
//! # Layers
//!
//! | Module | Decides |
//! |---|---|
//! | [`der`] | is this strict DER, and nothing but DER? |
//! | [`x509`], [`crl`] | is this a well-formed RFC 5280 certificate or CRL? |
//! | [`rfc5280`] | does this path lead to this anchor, under RFC 5280 section 6? |
//! | [`certificate`], [`path`] | does it also fit Concordat's profile: organisation, role, purpose? |
//!
//! Most callers need only [`Certificate::parse`], [`Crl::parse`], [`check_path`] and [`check_crl`].
//!
//! # Deliberate narrowness
//!
//! - Keys are P-256, secp256k1 and Ed25519; signatures are ECDSA with SHA-256 and Ed25519.
//! - Names are compared byte for byte (RFC 5280 section 7.1 permits more): an issuer field must repeat its
//!   issuer's subject exactly, as section 4.1.2.6 demands of certificate authorities.
//! - Certificate policies are not processed; a certificate that makes them critical is refused.
//! - A CRL past its `nextUpdate` still revokes what it lists, and its staleness is reported, not fatal:
//!   a certificate authority that falls silent must not stop the chain.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod certificate;
pub mod crl;
pub mod der;
pub mod extension;
pub mod key;
pub mod name;
pub mod path;
pub mod rfc5280;
pub mod serial;
pub mod x509;

pub use certificate::{Certificate, TrustAnchors};
pub use crl::{Crl, CrlError, Revocation, RevocationReason};
pub use key::{KeyType, KeyTypeError, SubjectKey};
pub use path::{CrlRequest, PathRequest, Purpose, ValidCrl, ValidPath, check_crl, check_path};
pub use rfc5280::{CertificateLabel, PathError, StaleCrl};
pub use serial::Serial;
pub use x509::CertificateError;

/// The largest certificate accepted, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// The largest CRL accepted, in bytes.
pub const MAX_CRL_BYTES: usize = 4 * 1024 * 1024;

/// The longest path accepted: the leaf and its intermediates, without the anchor.
pub const MAX_PATH_CERTIFICATES: usize = 4;
