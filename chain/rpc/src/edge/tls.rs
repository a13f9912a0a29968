//! TLS with client certificates, for organisations' applications.
//!
//! TLS 1.3 alone. Which certificates may connect is not decided here but by a [`ClientAuthorizer`], since
//! the chain's registry knows who is admitted. An open connection is judged anew when the registry changes.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{dev::Extensions, rt::net::TcpStream};
use concordat_core::{ClientIdentity, ReadRefusal, Readable};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    server::{
        ClientHello, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

use super::{Edge, RpcMetrics, Service};

/// What TLS listeners need: who we are, and who may come.
#[derive(Clone)]
pub struct TlsEdge {
    /// The certificate to show.
    pub identity: Arc<ServerIdentity>,
    /// Who may connect.
    pub authorizer: Arc<dyn ClientAuthorizer>,
}

/// Decides which client certificates may connect.
pub trait ClientAuthorizer: Send + Sync + 'static {
    /// Judges a chain of DER certificates, leaf first, as of now. That the client holds the leaf's key is
    /// checked elsewhere.
    fn authorize(&self, chain: &[CertificateDer<'_>]) -> Result<ClientIdentity, ClientRefusal>;

    /// Changes whenever a judgement may change: with the registry, and now and then with time, since
    /// certificates expire. Open connections are then judged anew before their next call and before the next
    /// event pushed to them.
    fn generation(&self) -> u64;

    /// Decides whether a client may read something, in the newest state.
    fn may_read(&self, client: &ClientIdentity, wanted: Readable) -> Result<(), ReadDenied>;

    /// The newest height: with every block other things may be read.
    fn height(&self) -> u64;
}

/// Why something may not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadDenied {
    /// The state says so.
    #[error(transparent)]
    Refused(#[from] ReadRefusal),
    /// The state cannot be read. Goes to the log, never to the client.
    #[error("who may read cannot be decided: {0}")]
    Undecided(String),
}

/// Why a certificate may not connect. Goes to the log, never to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ClientRefusal(pub String);

/// The certificate that TLS listeners show. It can be replaced while they run.
#[derive(Debug)]
pub struct ServerIdentity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerIdentity {
    /// From a chain, leaf first, and the leaf's key. An error says that the two do not belong together, or
    /// that the key is of a kind that TLS does not take.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, Error> {
        Ok(Self { current: RwLock::new(certified(chain, key)?) })
    }

    /// Shows another certificate to connections from now on, after a renewal.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), Error> {
        let certified = certified(chain, key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, Error> {
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map(Arc::new)
}

/// Hands the current certificate to rustls, and counts who asks for it: a client that then shows no certificate of
/// its own is turned away by rustls itself, without a word to us.
struct CurrentIdentity {
    identity: Arc<ServerIdentity>,
    metrics: Arc<RpcMetrics>,
    interface: &'static str,
}

impl fmt::Debug for CurrentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentIdentity").field("interface", &self.interface).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CurrentIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.metrics.handshake_begun(self.interface);
        Some(Arc::clone(&self.identity.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Asks the authorizer during the handshake.
struct AuthorizingVerifier {
    authorizer: Arc<dyn ClientAuthorizer>,
    metrics: Arc<RpcMetrics>,
    provider: Arc<CryptoProvider>,
    interface: &'static str,
    quiet: Quiet,
}

impl fmt::Debug for AuthorizingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizingVerifier").field("interface", &self.interface).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for AuthorizingVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Admitted CAs come and go, and their list is nobody's business.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<CertificateDer<'_>> =
            std::iter::once(end_entity.clone()).chain(intermediates.iter().cloned()).collect();
        match self.authorizer.authorize(&chain) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => {
                self.metrics.observe_refused(self.interface, "certificate");
                if let Some(left_out) = self.quiet.says(Instant::now()) {
                    tracing::info!(
                        interface = self.interface, reason = %refusal, left_out, "client certificate refused"
                    );
                }
                Err(Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not offered".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Within this time, few refusals are logged and the others only counted: strangers cause as many as they like.
const LOG_WHILE: Duration = Duration::from_secs(10);

/// So many.
const LOG_FEW: u32 = 5;

/// The refusals of late: since when they are counted, how many were logged, and how many left out.
#[derive(Debug, Default)]
struct Quiet(Mutex<(Option<Instant>, u32, u64)>);

impl Quiet {
    /// Whether to log a refusal: how many were left out since the last one, or `None`.
    fn says(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, said, left_out) = &mut *state;
        if since.is_none_or(|since| now.saturating_duration_since(since) >= LOG_WHILE) {
            (*since, *said) = (Some(now), 0);
        }
        if *said == LOG_FEW {
            *left_out = left_out.saturating_add(1);
            return None;
        }
        *said = said.saturating_add(1);
        Some(std::mem::take(left_out))
    }
}

/// The TLS side of a listener.
pub(crate) fn server_config(
    tls: &TlsEdge,
    metrics: Arc<RpcMetrics>,
    interface: &'static str,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = AuthorizingVerifier {
        authorizer: Arc::clone(&tls.authorizer),
        metrics: Arc::clone(&metrics),
        provider: Arc::clone(&provider),
        interface,
        quiet: Quiet::default(),
    };
    let resolver = CurrentIdentity { identity: Arc::clone(&tls.identity), metrics, interface };
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(resolver)))
}

/// The certificate behind a connection, and what was found when it was judged.
pub(crate) struct TlsPeer {
    chain: Vec<CertificateDer<'static>>,
    judged: Mutex<Option<Judged>>,
}

/// A certificate that was accepted.
#[derive(Clone)]
struct Judged {
    generation: u64,
    client: Arc<ClientIdentity>,
    /// The height at which the client was last found to be allowed to read the ledger.
    reads: Option<u64>,
}

impl TlsPeer {
    fn new(chain: &[CertificateDer<'_>]) -> Self {
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Self { chain, judged: Mutex::new(None) }
    }

    /// Who is there. Judges the certificate anew if something has changed since.
    pub fn recheck(&self, authorizer: &dyn ClientAuthorizer) -> Result<Arc<ClientIdentity>, ClientRefusal> {
        let generation = authorizer.generation();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = judged.as_ref().filter(|judged| judged.generation == generation) {
            return Ok(Arc::clone(&judged.client));
        }
        *judged = None;
        let client = Arc::new(authorizer.authorize(&self.chain)?);
        *judged = Some(Judged { generation, client: Arc::clone(&client), reads: None });
        Ok(client)
    }

    /// Asks whether the client may read the ledger, once for each block.
    pub fn reads_ledger(
        &self,
        authorizer: &dyn ClientAuthorizer,
        client: &ClientIdentity,
    ) -> Result<(), ReadDenied> {
        let height = authorizer.height();
        let judged = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if judged().as_ref().is_some_and(|judged| judged.reads == Some(height)) {
            return Ok(());
        }
        authorizer.may_read(client, Readable::Ledger)?;
        if let Some(judged) = judged().as_mut().filter(|judged| *judged.client == *client) {
            judged.reads = Some(height);
        }
        Ok(())
    }
}

/// Remembers the certificate of a new connection, whose handshake is complete. It is judged again at the first
/// call: a session resumed from a ticket was not judged in its handshake, and the registry may have changed
/// meanwhile.
pub(crate) fn remember_peer<S: Service>(edge: &Edge<S>, connection: &dyn Any, data: &mut Extensions) {
    if edge.authorizer.is_none() {
        return;
    }
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    edge.metrics.handshake_completed(S::INTERFACE);
    if let Some(chain) = stream.get_ref().1.peer_certificates() {
        data.insert(TlsPeer::new(chain));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    /// Who connects, in tests.
    fn somebody() -> ClientIdentity {
        ClientIdentity {
            org: "bank-a".parse().unwrap(),
            role: concordat_types::Role::Operator,
            spki_sha256: Default::default(),
            common_name: "till".into(),
            not_after: u64::MAX,
            address: None,
            path: Vec::new(),
        }
    }

    #[derive(Default)]
    struct Switch {
        shut: AtomicBool,
        generation: AtomicU64,
        height: AtomicU64,
        frozen: AtomicBool,
        asked: AtomicU64,
    }

    impl ClientAuthorizer for Switch {
        fn authorize(&self, _: &[CertificateDer<'_>]) -> Result<ClientIdentity, ClientRefusal> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.shut.load(Ordering::Relaxed) {
                false => Ok(somebody()),
                true => Err(ClientRefusal("revoked".into())),
            }
        }

        fn generation(&self) -> u64 {
            self.generation.load(Ordering::Relaxed)
        }

        fn may_read(&self, _: &ClientIdentity, _: Readable) -> Result<(), ReadDenied> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.frozen.load(Ordering::Relaxed) {
                false => Ok(()),
                true => Err(ReadRefusal::Frozen { account: Default::default() }.into()),
            }
        }

        fn height(&self) -> u64 {
            self.height.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn few_refusals_are_logged_in_a_while_with_a_count_of_the_rest() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let said = |at| (0..1_000).filter_map(|_| quiet.says(at)).collect::<Vec<_>>();
        assert_eq!(said(start), [0; LOG_FEW as usize]);
        assert!(said(start + LOG_WHILE / 2).is_empty());
        assert_eq!(said(start + LOG_WHILE), [2_000 - u64::from(LOG_FEW), 0, 0, 0, 0]);
    }

    #[test]
    fn an_open_connection_is_judged_anew_only_when_the_registry_changed() {
        let (switch, peer) = (Switch::default(), TlsPeer::new(&[]));
        let judged = || peer.recheck(&switch).map(|client| (*client).clone());
        assert_eq!(judged(), Ok(somebody()), "a resumed session was not judged in its handshake");
        assert_eq!(judged(), Ok(somebody()));
        assert_eq!(switch.asked.load(Ordering::Relaxed), 1);
        switch.generation.store(8, Ordering::Relaxed);
        assert_eq!(judged(), Ok(somebody()));
        assert_eq!(switch.asked.load(Ordering::Relaxed), 2);
        switch.shut.store(true, Ordering::Relaxed);
        switch.generation.store(9, Ordering::Relaxed);
        assert_eq!(judged(), Err(ClientRefusal("revoked".into())));
        assert_eq!(judged(), Err(ClientRefusal("revoked".into())));
    }

    #[test]
    fn who_may_read_the_ledger_is_asked_once_for_each_block() {
        let (switch, peer) = (Switch::default(), TlsPeer::new(&[]));
        let client = peer.recheck(&switch).unwrap();
        switch.asked.store(0, Ordering::Relaxed);
        for height in [1, 1, 1, 2] {
            switch.height.store(height, Ordering::Relaxed);
            assert_eq!(peer.reads_ledger(&switch, &client), Ok(()));
        }
        assert_eq!(switch.asked.load(Ordering::Relaxed), 2);
        switch.frozen.store(true, Ordering::Relaxed);
        switch.height.store(3, Ordering::Relaxed);
        for _ in 0..2 {
            assert!(peer.reads_ledger(&switch, &client).is_err(), "a refusal is not remembered, and stays");
        }
    }
}
