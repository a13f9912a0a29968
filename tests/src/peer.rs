//! A peer that speaks the nodes' protocol without any of their code: TLS by OpenSSL, frames and greeting written
//! down again. It holds whatever certificate it is given, and says whatever it is told to.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use openssl::{
    pkey::{PKey, Private},
    ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion},
    x509::X509,
};

use crate::Network;

/// The most bytes of payload in a frame.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// The channel of greetings and pings.
pub const CONTROL: u8 = 0;
/// The channel of votes and proposals.
pub const CONSENSUS: u8 = 1;
/// The channel of blocks' parts.
pub const PARTS: u8 = 2;
/// The channel of value sync.
pub const SYNC: u8 = 3;
/// The channel of transactions.
pub const GOSSIP: u8 = 4;
/// The code of the role `validator`.
pub const VALIDATOR: u8 = 16;

/// How long a peer waits for a node to say something or to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate chain, leaf first, and the leaf's key.
pub struct Identity {
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Identity {
    /// Reads a chain and its encrypted key.
    pub fn read(network: &Network, certificate: &Path, key: &Path) -> Self {
        let key = std::fs::read(key).unwrap();
        Self {
            chain: X509::stack_from_pem(&std::fs::read(certificate).unwrap()).unwrap(),
            key: PKey::private_key_from_pem_passphrase(&key, passphrase(network).trim_ascii_end()).unwrap(),
        }
    }

    /// That of one of a network's nodes.
    pub fn of_node(network: &Network, node: usize) -> Self {
        let folder = network.node_folder(node);
        Self::read(network, &folder.join("node.crt"), &folder.join("node.key"))
    }
}

/// What opens all keys of a network.
pub fn passphrase(network: &Network) -> Vec<u8> {
    std::fs::read(network.info["passphrase_file"].as_str().unwrap()).unwrap()
}

/// What a peer says first.
#[derive(Clone)]
pub struct Greeting {
    /// The protocol's version.
    pub version: u8,
    /// The chain's name.
    pub chain_id: String,
    /// The hash of the genesis document.
    pub genesis_hash: Vec<u8>,
    /// The code of the peer's role.
    pub role: u8,
}

impl Greeting {
    /// A member's greeting.
    pub fn of(network: &Network, role: u8) -> Self {
        let genesis = network.info["genesis_hash"].as_str().unwrap();
        Self {
            version: 1,
            chain_id: network.info["chain_id"].as_str().unwrap().to_owned(),
            genesis_hash: alloy_primitives::hex::decode(genesis).unwrap(),
            role,
        }
    }

    /// As a protobuf message. All lengths are below 128, so that each takes one byte.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0x08, self.version];
        for (tag, field) in [(0x12, self.chain_id.as_bytes()), (0x1a, &self.genesis_hash)] {
            bytes.extend([tag, u8::try_from(field.len()).unwrap()]);
            bytes.extend(field);
        }
        bytes.extend([0x20, self.role]);
        bytes
    }
}

/// A frame as it goes over the wire.
pub fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.push(channel);
    bytes.extend(payload);
    bytes
}

/// A connection to a node.
pub struct Peer(SslStream<TcpStream>);

impl Peer {
    /// TLS to a node, with a certificate or without. In TLS 1.3 the node may still refuse it afterwards.
    pub fn connect(network: &Network, node: usize, identity: Option<&Identity>) -> Result<Self, String> {
        let tcp = TcpStream::connect(network.p2p(node)).map_err(|e| e.to_string())?;
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut tls = SslConnector::builder(SslMethod::tls_client()).unwrap();
        tls.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
        // Whom it talks to is no concern of a peer that means harm.
        tls.set_verify(SslVerifyMode::NONE);
        tls.set_alpn_protos(b"\x0bconcordat/1").unwrap();
        if let Some(Identity { chain, key }) = identity {
            let (leaf, rest) = chain.split_first().expect("a chain has a leaf");
            tls.set_certificate(leaf).unwrap();
            tls.set_private_key(key).unwrap();
            for issuer in rest {
                tls.add_extra_chain_cert(issuer.clone()).unwrap();
            }
        }
        let tls = tls.build().configure().unwrap().verify_hostname(false).use_server_name_indication(false);
        tls.connect("node", tcp).map(Self).map_err(|e| e.to_string())
    }

    /// TLS, and a greeting that is answered.
    pub fn join(
        network: &Network,
        node: usize,
        identity: &Identity,
        greeting: &Greeting,
    ) -> Result<Self, String> {
        let mut peer = Self::connect(network, node, Some(identity))?;
        peer.say(&frame(CONTROL, &greeting.encode()));
        match peer.hear() {
            Some((CONTROL, _)) => Ok(peer),
            _ => Err("the node does not greet".into()),
        }
    }

    /// Sends bytes as they are. The node may have closed before it read them.
    pub fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
        let _ = self.0.flush();
    }

    /// The next frame: tag and payload; `None` at the end.
    pub fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.0.read_exact(&mut header).ok()?;
        let [a, b, c, d, tag] = header;
        let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((tag, payload))
    }

    /// Whether the node has not closed the connection yet. What it says meanwhile is not kept.
    pub fn is_open(&mut self) -> bool {
        self.0.get_ref().set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut buffer = [0; 4096];
        let open = loop {
            match self.0.ssl_read(&mut buffer) {
                Ok(_) => {}
                Err(error) => {
                    let waiting = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
                    break error.io_error().is_some_and(waiting);
                }
            }
        };
        self.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        open
    }

    /// Waits until the node closes the connection; panics if it does not.
    pub fn closed(mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("the node keeps a connection that it must close")
                }
                Err(_) => return,
            }
        }
    }
}
