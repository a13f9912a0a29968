//! The greeting: the first message each way after TLS, so that nodes of different chains part at once.

use concordat_types::Role;
use prost::Message;

/// The version of this protocol. Nodes with different versions do not talk.
pub const PROTOCOL_VERSION: u32 = 1;

/// The largest greeting, in bytes.
pub const MAX_HELLO_BYTES: usize = 1024;

/// What a node says about itself first.
#[derive(Clone, PartialEq, Message)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The chain's name.
    #[prost(string, tag = "2")]
    pub chain_id: String,
    /// The hash of the genesis document.
    #[prost(bytes = "vec", tag = "3")]
    pub genesis_hash: Vec<u8>,
    /// The code of the node's role.
    #[prost(uint32, tag = "4")]
    pub role: u32,
    /// Where the node listens, for information.
    #[prost(string, tag = "5")]
    pub listen: String,
}

/// Why a greeting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not a greeting.
    #[error("the peer's greeting is malformed: {0}")]
    Malformed(String),
    /// Another version of the protocol.
    #[error("the peer speaks protocol version {theirs}, this node {ours}; upgrade the older one")]
    Version {
        /// Ours.
        ours: u32,
        /// Theirs.
        theirs: u32,
    },
    /// Another chain.
    #[error("the peer is on chain {theirs:?}, this node on {ours:?}")]
    Chain {
        /// Ours.
        ours: String,
        /// Theirs, shortened.
        theirs: String,
    },
    /// Another genesis of a chain with the same name.
    #[error("the peer's genesis hash is {theirs}, this node's is {ours}; compare the genesis files")]
    Genesis {
        /// Ours, in hex.
        ours: String,
        /// Theirs, in hex, shortened.
        theirs: String,
    },
    /// It claims a role that its certificate does not have.
    #[error("the peer's certificate says {certificate} but it is configured with role code {claimed}")]
    Role {
        /// The certificate's role.
        certificate: Role,
        /// The claimed role's code.
        claimed: u32,
    },
}

impl HelloError {
    /// The kind of error, for the counter.
    pub const fn kind(&self) -> &'static str {
        match self {
            HelloError::Malformed(_) => "hello",
            HelloError::Version { .. } => "version",
            HelloError::Chain { .. } => "chain",
            HelloError::Genesis { .. } => "genesis",
            HelloError::Role { .. } => "role",
        }
    }
}

impl Hello {
    /// Reads the peer's greeting and checks it against ours and its certificate's role.
    ///
    /// # Errors
    /// If it is malformed or does not fit.
    pub fn check_peer(&self, theirs: &[u8], certificate: Role) -> Result<Hello, HelloError> {
        let theirs = Hello::decode(theirs).map_err(|error| HelloError::Malformed(error.to_string()))?;
        if theirs.version != self.version {
            return Err(HelloError::Version { ours: self.version, theirs: theirs.version });
        }
        if theirs.chain_id != self.chain_id {
            let theirs = theirs.chain_id.chars().take(64).collect();
            return Err(HelloError::Chain { ours: self.chain_id.clone(), theirs });
        }
        if theirs.genesis_hash != self.genesis_hash {
            let theirs = hex::encode(theirs.genesis_hash.get(..32).unwrap_or(&theirs.genesis_hash));
            return Err(HelloError::Genesis { ours: hex::encode(&self.genesis_hash), theirs });
        }
        if theirs.role != u32::from(certificate.code()) {
            return Err(HelloError::Role { certificate, claimed: theirs.role });
        }
        Ok(theirs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: "chain".into(),
            genesis_hash: vec![7; 32],
            role: Role::Validator.code().into(),
            listen: "127.0.0.1:1".into(),
        }
    }

    #[test]
    fn matching_greeting_is_accepted() {
        let bytes = hello().encode_to_vec();
        assert_eq!(hello().check_peer(&bytes, Role::Validator).unwrap(), hello());
    }

    #[test]
    fn each_difference_is_refused_and_named() {
        let cases = [
            (Hello { version: 9, ..hello() }, "version"),
            (Hello { chain_id: "other".into(), ..hello() }, "chain"),
            (Hello { genesis_hash: vec![8; 32], ..hello() }, "genesis"),
            (Hello { genesis_hash: vec![], ..hello() }, "genesis"),
            (Hello { role: Role::Observer.code().into(), ..hello() }, "role"),
        ];
        for (theirs, kind) in cases {
            let refused = hello().check_peer(&theirs.encode_to_vec(), Role::Validator).unwrap_err();
            assert_eq!(refused.kind(), kind);
        }
        assert_eq!(hello().check_peer(&[0xff], Role::Validator).unwrap_err().kind(), "hello");
    }

    proptest! {
        #[test]
        fn arbitrary_greetings_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = hello().check_peer(&bytes, Role::Validator);
        }
    }
}
