//! Frames: how messages are cut and put together again.
//!
//! A frame is `length: u32 big-endian ‖ tag: u8 ‖ payload`. The tag's low seven bits are the channel; its
//! high bit says that the message goes on in the channel's next frame. Frames of different channels
//! interleave, so that a vote never waits for more than one frame of a large block.

use bytes::{Bytes, BytesMut};

/// The most bytes of payload in a frame.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// The size of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 5;
const MORE: u8 = 0x80;

/// What a message belongs to; in the order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// The greeting and pings.
    Control = 0,
    /// Votes, proposals, certificates.
    Consensus = 1,
    /// Parts of proposed blocks.
    Parts = 2,
    /// Status, requests and responses of value sync.
    Sync = 3,
    /// The node's own gossip: transactions.
    Gossip = 4,
}

impl Channel {
    /// Every channel, in the order of priority.
    pub const ALL: [Channel; 5] =
        [Channel::Control, Channel::Consensus, Channel::Parts, Channel::Sync, Channel::Gossip];

    /// The channel's name, for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Control => "control",
            Channel::Consensus => "consensus",
            Channel::Parts => "parts",
            Channel::Sync => "sync",
            Channel::Gossip => "gossip",
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| *channel as u8 == tag)
    }
}

/// One value per channel.
#[derive(Clone, Debug, Default)]
pub struct PerChannel<T>([T; 5]);

impl<T> PerChannel<T> {
    /// Makes each value from its channel.
    pub fn from_fn(make: impl FnMut(Channel) -> T) -> Self {
        Self(Channel::ALL.map(make))
    }

    /// The channel's value.
    pub fn get_mut(&mut self, channel: Channel) -> &mut T {
        let [control, consensus, parts, sync, gossip] = &mut self.0;
        match channel {
            Channel::Control => control,
            Channel::Consensus => consensus,
            Channel::Parts => parts,
            Channel::Sync => sync,
            Channel::Gossip => gossip,
        }
    }

    /// The channel's value.
    pub fn get(&self, channel: Channel) -> &T {
        let [control, consensus, parts, sync, gossip] = &self.0;
        match channel {
            Channel::Control => control,
            Channel::Consensus => consensus,
            Channel::Parts => parts,
            Channel::Sync => sync,
            Channel::Gossip => gossip,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The length of the payload, in bytes.
    pub length: usize,
    /// The channel.
    pub channel: Channel,
    /// Whether the message goes on in the channel's next frame.
    pub more: bool,
}

/// Why a frame is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload is too long.
    #[error("a frame of {got} bytes; at most {MAX_FRAME_BYTES} are allowed")]
    FrameTooLong {
        /// The announced length, in bytes.
        got: usize,
    },
    /// There is no such channel.
    #[error("a frame on channel {0}, which does not exist")]
    UnknownChannel(u8),
    /// The message is too long.
    #[error("a message of more than {max} bytes on channel {}", channel.name())]
    MessageTooLong {
        /// The channel.
        channel: Channel,
        /// Its limit, in bytes.
        max: usize,
    },
    /// A frame that announces more but carries nothing.
    #[error("an empty fragment on channel {}", channel.name())]
    EmptyFragment {
        /// The channel.
        channel: Channel,
    },
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = (self.length as u32).to_be_bytes();
        let tag = self.channel as u8 | if self.more { MORE } else { 0 };
        [a, b, c, d, tag]
    }

    /// Reads a header.
    ///
    /// # Errors
    /// If the frame is too long or its channel does not exist.
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, tag] = bytes;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::FrameTooLong { got: length });
        }
        let channel = Channel::from_tag(tag & !MORE).ok_or(FrameError::UnknownChannel(tag & !MORE))?;
        Ok(Self { length, channel, more: tag & MORE != 0 })
    }
}

/// Cuts a message into frames, without copying.
pub fn fragments(channel: Channel, message: &Bytes) -> impl Iterator<Item = (Header, Bytes)> {
    let total = message.len();
    let count = total.div_ceil(MAX_FRAME_BYTES).max(1);
    let message = message.clone();
    (0..count).map(move |index| {
        let start = index * MAX_FRAME_BYTES;
        let end = total.min(start + MAX_FRAME_BYTES);
        let header = Header { length: end - start, channel, more: index + 1 < count };
        (header, message.slice(start..end))
    })
}

/// Puts a peer's messages together again.
#[derive(Debug)]
pub struct Reassembly {
    partial: PerChannel<BytesMut>,
    max_bytes: PerChannel<usize>,
}

impl Reassembly {
    /// With the largest message allowed on each channel, in bytes.
    pub fn new(max_bytes: PerChannel<usize>) -> Self {
        Self { partial: PerChannel::default(), max_bytes }
    }

    /// Takes a frame; returns the message that it completes.
    ///
    /// # Errors
    /// If the message grows too long. Memory use never exceeds the channel's limit.
    pub fn push(&mut self, header: Header, payload: Bytes) -> Result<Option<Bytes>, FrameError> {
        let Header { channel, more, .. } = header;
        let max = *self.max_bytes.get(channel);
        let partial = self.partial.get_mut(channel);
        if partial.len() + payload.len() > max {
            return Err(FrameError::MessageTooLong { channel, max });
        }
        match (more, partial.is_empty()) {
            (true, _) if payload.is_empty() => Err(FrameError::EmptyFragment { channel }),
            (true, _) => {
                partial.extend_from_slice(&payload);
                Ok(None)
            }
            (false, true) => Ok(Some(payload)),
            (false, false) => {
                partial.extend_from_slice(&payload);
                Ok(Some(std::mem::take(partial).freeze()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reassembly(max: usize) -> Reassembly {
        Reassembly::new(PerChannel::from_fn(|_| max))
    }

    proptest! {
        #[test]
        fn messages_survive_cutting_even_interleaved(a in 0..200_000usize, b in 0..200_000usize) {
            let (a, b) = (Bytes::from(vec![1; a]), Bytes::from(vec![2; b]));
            let mut left: Vec<_> = fragments(Channel::Parts, &a).collect();
            let mut right: Vec<_> = fragments(Channel::Sync, &b).collect();
            left.reverse();
            right.reverse();
            let mut reassembly = reassembly(200_000);
            let mut out = Vec::new();
            while !(left.is_empty() && right.is_empty()) {
                for (header, payload) in left.pop().into_iter().chain(right.pop()) {
                    prop_assert_eq!(Header::decode(header.encode()).unwrap(), header);
                    out.extend(reassembly.push(header, payload).unwrap().map(|m| (header.channel, m)));
                }
            }
            out.sort_by_key(|(channel, _)| *channel);
            prop_assert_eq!(out, vec![(Channel::Parts, a), (Channel::Sync, b)]);
        }

        #[test]
        fn arbitrary_headers_and_frames_never_panic_or_grow(headers in prop::collection::vec(any::<[u8; 5]>(), 0..50), len in 0..2000usize) {
            let mut reassembly = reassembly(5000);
            for header in headers {
                if let Ok(header) = Header::decode(header) {
                    let _ = reassembly.push(header, Bytes::from(vec![0; len.min(header.length)]));
                }
                for channel in Channel::ALL {
                    prop_assert!(reassembly.partial.get(channel).len() <= 5000);
                }
            }
        }
    }

    #[test]
    fn oversized_frames_messages_and_unknown_channels_are_refused() {
        let too_long = ((MAX_FRAME_BYTES + 1) as u32).to_be_bytes();
        let [a, b, c, d] = too_long;
        assert_eq!(
            Header::decode([a, b, c, d, 1]),
            Err(FrameError::FrameTooLong { got: MAX_FRAME_BYTES + 1 })
        );
        assert_eq!(Header::decode([0, 0, 0, 0, 9]), Err(FrameError::UnknownChannel(9)));
        let mut small = reassembly(10);
        let more = Header { length: 8, channel: Channel::Sync, more: true };
        assert_eq!(small.push(more, Bytes::from(vec![0; 8])), Ok(None));
        assert_eq!(
            small.push(more, Bytes::from(vec![0; 8])),
            Err(FrameError::MessageTooLong { channel: Channel::Sync, max: 10 })
        );
        let empty = Header { length: 0, channel: Channel::Gossip, more: true };
        assert_eq!(
            small.push(empty, Bytes::new()),
            Err(FrameError::EmptyFragment { channel: Channel::Gossip })
        );
    }
}
