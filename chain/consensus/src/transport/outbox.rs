//! A peer's outbound queues, one per channel, drained by priority.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::Notify;

use super::frame::{Channel, HEADER_BYTES, Header, MAX_FRAME_BYTES, PerChannel, fragments};

/// The queue is full; the message was not taken, not even in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Header, Bytes)>,
    bytes: usize,
}

/// Bounded queues with one reader.
#[derive(Debug)]
pub struct Outbox {
    queues: Mutex<PerChannel<Queue>>,
    max_bytes: PerChannel<usize>,
    ready: Notify,
}

impl Outbox {
    /// With the most bytes that may wait on each channel.
    pub fn new(max_bytes: PerChannel<usize>) -> Self {
        Self { queues: Mutex::default(), max_bytes, ready: Notify::new() }
    }

    fn queues(&self) -> MutexGuard<'_, PerChannel<Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message.
    ///
    /// # Errors
    /// If it does not fit: then nothing of it is queued.
    pub fn push(&self, channel: Channel, message: &Bytes) -> Result<(), Full> {
        {
            let mut queues = self.queues();
            let queue = queues.get_mut(channel);
            let size = message.len() + HEADER_BYTES;
            if queue.bytes + size > *self.max_bytes.get(channel) {
                return Err(Full);
            }
            for (header, payload) in fragments(channel, message) {
                queue.bytes += payload.len() + HEADER_BYTES;
                queue.frames.push_back((header, payload));
            }
        }
        self.ready.notify_one();
        Ok(())
    }

    /// The bytes that wait on a channel.
    pub fn waiting(&self, channel: Channel) -> usize {
        self.queues().get(channel).bytes
    }

    /// Waits for frames and moves some into `buffer`: at least one, then more by priority as long as the
    /// batch stays within one frame's size.
    pub async fn next_batch(&self, buffer: &mut BytesMut) {
        loop {
            let ready = self.ready.notified();
            if self.take_batch(buffer) {
                return;
            }
            ready.await;
        }
    }

    fn take_batch(&self, buffer: &mut BytesMut) -> bool {
        let mut queues = self.queues();
        for channel in Channel::ALL {
            let queue = queues.get_mut(channel);
            while let Some((header, payload)) = queue.frames.front() {
                let size = payload.len() + HEADER_BYTES;
                if !buffer.is_empty() && buffer.len() + size > MAX_FRAME_BYTES {
                    return true;
                }
                buffer.put_slice(&header.encode());
                buffer.put_slice(payload);
                queue.bytes -= size;
                queue.frames.pop_front();
            }
        }
        !buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(max: usize) -> Outbox {
        Outbox::new(PerChannel::from_fn(|_| max))
    }

    fn channels(buffer: &[u8]) -> Vec<Channel> {
        let mut rest = buffer;
        let mut found = Vec::new();
        while let Some((header, tail)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::decode(*header).unwrap();
            found.push(header.channel);
            rest = &tail[header.length..];
        }
        found
    }

    #[tokio::test]
    async fn votes_overtake_bulk_and_small_frames_share_a_write() {
        let outbox = outbox(10_000_000);
        outbox.push(Channel::Gossip, &Bytes::from(vec![0; 3 * MAX_FRAME_BYTES])).unwrap();
        let mut buffer = BytesMut::new();
        outbox.next_batch(&mut buffer).await;
        assert_eq!(channels(&buffer), [Channel::Gossip], "one frame of the block is on its way");
        outbox.push(Channel::Sync, &Bytes::from_static(b"status")).unwrap();
        outbox.push(Channel::Consensus, &Bytes::from_static(b"vote")).unwrap();
        buffer.clear();
        outbox.next_batch(&mut buffer).await;
        assert_eq!(channels(&buffer), [Channel::Consensus, Channel::Sync]);
        buffer.clear();
        outbox.next_batch(&mut buffer).await;
        assert_eq!(channels(&buffer), [Channel::Gossip]);
    }

    #[tokio::test]
    async fn full_queue_takes_nothing_and_leaves_the_others_alone() {
        let outbox = outbox(1000);
        outbox.push(Channel::Gossip, &Bytes::from(vec![0; 900])).unwrap();
        assert_eq!(outbox.push(Channel::Gossip, &Bytes::from(vec![0; 900])), Err(Full));
        outbox.push(Channel::Consensus, &Bytes::from_static(b"vote")).unwrap();
        let mut buffer = BytesMut::new();
        outbox.next_batch(&mut buffer).await;
        assert_eq!(channels(&buffer), [Channel::Consensus, Channel::Gossip]);
        outbox.push(Channel::Gossip, &Bytes::from(vec![0; 900])).unwrap();
    }
}
