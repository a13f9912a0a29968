//! What a peer sends after TLS: frames, put together to messages, each decoded as its channel says.
#![no_main]

use bytes::Bytes;
use concordat_consensus::{
    codec::{decode_consensus, decode_evidence, decode_part, decode_sync},
    internals::{Channel, HEADER_BYTES, Header, Hello, PerChannel, Reassembly},
};
use concordat_types::{
    Role,
    tx::{GOSSIP_BATCH, decode_gossip},
};
use libfuzzer_sys::fuzz_target;

/// Small enough for the fuzzer to reach.
const MESSAGE_BYTES: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let mut reassembly = Reassembly::new(PerChannel::from_fn(|_| MESSAGE_BYTES));
    let mut rest = bytes;
    while let Some((header, payload)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let Ok(header) = Header::decode(*header) else { return };
        let Some((payload, next)) = payload.split_at_checked(header.length) else { return };
        rest = next;
        match reassembly.push(header, Bytes::copy_from_slice(payload)) {
            Ok(Some(message)) => decode(header.channel, message),
            Ok(None) => {}
            Err(_) => return,
        }
    }
});

fn decode(channel: Channel, message: Bytes) {
    assert!(message.len() <= MESSAGE_BYTES);
    match channel {
        Channel::Control => drop(Hello::default().check_peer(&message, Role::Validator)),
        Channel::Consensus => {
            // What is stored of a peer's contradictions: in no message by itself, but as one could send it.
            drop(decode_evidence(message.clone()));
            drop(decode_consensus(message));
        }
        Channel::Parts => drop(decode_part(message)),
        Channel::Sync => drop(decode_sync(message)),
        Channel::Gossip => {
            if let Ok(raws) = decode_gossip(&message) {
                assert!(raws.len() <= GOSSIP_BATCH);
            }
        }
    }
}
