//! TLS 1.3 by OpenSSL: who connects is asked for a certificate, and proves that it has the key. Whose it is, and that there is
//! one at all, is judged with each request: the handshake could not tell a client why it is refused, nor put the attempt on the
//! log.

use std::{any::Any, path::Path};

use actix_tls::accept::openssl::TlsStream;
use actix_web::{dev::Extensions, rt::net::TcpStream};
use concordat_types::Address;
use openssl::{
    bn::BigNumContext,
    error::ErrorStack,
    nid::Nid,
    pkey::{PKey, PKeyRef, Private, Public},
    sha::sha256,
    ssl::{
        SslAcceptor, SslAcceptorBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
        SslVersion,
    },
    x509::{X509, X509Ref},
};

use crate::{
    config::Config,
    keys::{KeyError, read_key},
};

/// The certificate that a client has shown, and whose key it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// SHA-256 of the certificate.
    pub(crate) certificate: [u8; 32],
    /// The address of its key; none for a key that accounts do not have.
    pub(crate) account: Option<Address>,
}

/// What the listener needs.
pub(crate) fn acceptor(config: &Config, passphrase: &[u8]) -> Result<SslAcceptorBuilder, KeyError> {
    let key = read_key(&config.key, passphrase)?;
    let chain = certificates(&config.certificate)?;
    let failed = |source: ErrorStack| KeyError::Tls { source };
    build(&chain, &key).map_err(failed)
}

fn certificates(path: &Path) -> Result<Vec<X509>, KeyError> {
    let pem = std::fs::read(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
    match X509::stack_from_pem(&pem) {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(KeyError::NoCertificate { path: path.to_owned() }),
    }
}

fn build(chain: &[X509], key: &PKey<Private>) -> Result<SslAcceptorBuilder, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    // What is known of a client is always of this connection's handshake, never of a session before it.
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_num_tickets(0)?;
    let mut chain = chain.iter();
    if let Some(leaf) = chain.next() {
        builder.set_certificate(leaf)?;
    }
    chain.try_for_each(|issuer| builder.add_extra_chain_cert(issuer.clone()))?;
    builder.set_private_key(key)?;
    builder.check_private_key()?;
    // Without FAIL_IF_NO_PEER_CERT: somebody who brings a stolen token and no certificate is to be on the log.
    builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    Ok(builder)
}

/// Remembers the certificate of a new connection, whose handshake is complete.
pub(crate) fn remember(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    // An answer is several writes: held back until the client has confirmed the first, the last ones come 40 ms late. Where
    // the system refuses, that is all there is to it.
    let _ = stream.get_ref().set_nodelay(true);
    let certificate = stream.ssl().peer_certificate();
    if let Some(shown) = certificate.and_then(|certificate| Shown::of(&certificate)) {
        data.insert(shown);
    }
}

impl Shown {
    /// What a certificate tells by itself.
    fn of(certificate: &X509Ref) -> Option<Self> {
        let der = certificate.to_der().ok()?;
        let account = certificate.public_key().ok().and_then(|key| address(&key));
        Some(Self { certificate: sha256(&der), account })
    }
}

/// The address of a P-256 key. TLS 1.3 knows no other kind that accounts have.
fn address(key: &PKeyRef<Public>) -> Option<Address> {
    let key = key.ec_key().ok()?;
    let (x, y) = coordinates(&key)?;
    let point: [u8; 64] = [x, y].concat().try_into().ok()?;
    Some(Address::from_raw_public_key(&point))
}

/// The point of a P-256 key, each coordinate of 32 bytes.
pub(crate) fn coordinates<T: openssl::pkey::HasPublic>(
    key: &openssl::ec::EcKeyRef<T>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
        return None;
    }
    let (mut x, mut y) = (openssl::bn::BigNum::new().ok()?, openssl::bn::BigNum::new().ok()?);
    let mut context = BigNumContext::new().ok()?;
    key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).ok()?;
    Some((x.to_vec_padded(32).ok()?, y.to_vec_padded(32).ok()?))
}
