//! Mutual TLS 1.3: rustls on aws-lc, with certificates judged by the [`PeerAuthorizer`].
//!
//! What TLS itself proves stays rustls' own: the handshake's signature by the certificate's key. Names are
//! not checked, since nodes are known by key and organisation. There is no session resumption: every
//! connection shows its certificate.

use std::{fmt, sync::Arc};

use arc_malachitebft_peer::PeerId;
use concordat_types::Holder;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

use super::{PeerAuthorizer, PeerIdentity, peer_id_of_spki};

const ALPN: &[u8] = b"concordat/1";

/// A node's TLS identity.
pub struct NodeIdentity {
    /// The node's certificate and its intermediates, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key: P-256 or Ed25519.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeIdentity({} certificates)", self.chain.len())
    }
}

impl Clone for NodeIdentity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// The TLS configuration of both directions, and the peer id of our own certificate.
pub struct TlsSetup {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
    pub own_id: PeerId,
}

/// Builds the configurations.
pub fn setup(
    identity: &NodeIdentity,
    authorizer: Arc<dyn PeerAuthorizer>,
) -> Result<TlsSetup, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        Arc::new(ChainVerifier { authorizer, algorithms: provider.signature_verification_algorithms });
    let leaf = identity.chain.first().ok_or(rustls::Error::NoCertificatesPresented)?;
    let own_id = peer_id_of_certificate(leaf)?;
    let mut server = server_config(&provider, &verifier, identity)?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.alpn_protocols = vec![ALPN.to_vec()];
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?;
    client.resumption = Resumption::disabled();
    client.enable_sni = false;
    client.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsSetup { server: Arc::new(server), client: Arc::new(client), own_id })
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<ChainVerifier>,
    identity: &NodeIdentity,
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::clone(verifier) as Arc<dyn ClientCertVerifier>)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
}

fn peer_id_of_certificate(leaf: &CertificateDer<'_>) -> Result<PeerId, rustls::Error> {
    Ok(peer_id_of_spki(&ParsedCertificate::try_from(leaf)?.subject_public_key_info()))
}

/// Asks the authorizer about a chain; only node roles may connect.
pub fn identify(
    authorizer: &dyn PeerAuthorizer,
    chain: &[CertificateDer<'_>],
) -> Result<PeerIdentity, String> {
    let leaf = chain.first().ok_or("the peer presented no certificate")?;
    let peer_id = peer_id_of_certificate(leaf).map_err(|error| error.to_string())?;
    let ders: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
    let node = authorizer.authorize(&ders)?;
    if node.role.holder() != Holder::Node {
        return Err(format!(
            "{} of {} has the role {}, which opens no peer connections",
            node.common_name, node.org, node.role
        ));
    }
    Ok(PeerIdentity::new(peer_id, node))
}

/// A refusal by the authorizer, as rustls carries it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

struct ChainVerifier {
    authorizer: Arc<dyn PeerAuthorizer>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for ChainVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainVerifier")
    }
}

impl ChainVerifier {
    fn verify(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(rest).cloned().collect();
        identify(self.authorizer.as_ref(), &chain).map(|_| ()).map_err(|reason| {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(reason)))))
        })
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }
}

fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".into())
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for ChainVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
