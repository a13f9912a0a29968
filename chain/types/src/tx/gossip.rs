//! What nodes tell each other of waiting transactions: an RLP list of raw ones.

use alloy_primitives::Bytes;
use alloy_rlp::{Decodable as _, Header};

/// The most transactions in one message.
pub const GOSSIP_BATCH: usize = 256;

/// Encodes a message. The caller keeps to [`GOSSIP_BATCH`].
pub fn encode_gossip(raws: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::encode_list::<_, Bytes>(raws, &mut out);
    out
}

/// Decodes a peer's message. No more is made of its bytes than a message may hold, whatever they say.
pub fn decode_gossip(message: &[u8]) -> Result<Vec<Bytes>, alloy_rlp::Error> {
    let mut rest = message;
    let mut items = Header::decode_bytes(&mut rest, true)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    let mut raws = Vec::new();
    while !items.is_empty() {
        if raws.len() == GOSSIP_BATCH {
            return Err(alloy_rlp::Error::Custom("too many transactions in one message"));
        }
        raws.push(Bytes::decode(&mut items)?);
    }
    Ok(raws)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_that_are_too_long_or_go_on_after_their_list_are_refused() {
        let many = vec![Bytes::new(); GOSSIP_BATCH];
        assert_eq!(decode_gossip(&encode_gossip(&many)).unwrap(), many);
        let too_many = encode_gossip(&vec![Bytes::new(); GOSSIP_BATCH + 1]);
        assert!(decode_gossip(&too_many).is_err());
        let trailing = [encode_gossip(&many), vec![0x80]].concat();
        assert!(decode_gossip(&trailing).is_err());
        assert!(decode_gossip(&[]).is_err());
        assert!(decode_gossip(&[0x80]).is_err(), "a string is no list");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(raws in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40)) {
            let raws: Vec<Bytes> = raws.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(decode_gossip(&encode_gossip(&raws)).unwrap(), raws);
        }

        #[test]
        fn any_bytes_are_decoded_to_few_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(raws) = decode_gossip(&bytes) {
                prop_assert!(raws.len() <= GOSSIP_BATCH);
                prop_assert_eq!(encode_gossip(&raws), bytes);
            }
        }

        #[test]
        fn damaged_messages_harm_nothing(
            raws in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..40),
            at in any::<prop::sample::Index>(),
            with in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let raws: Vec<Bytes> = raws.into_iter().map(Bytes::from).collect();
            let mut bytes = encode_gossip(&raws);
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let _ = decode_gossip(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = decode_gossip(&bytes);
        }
    }
}
