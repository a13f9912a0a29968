//! How much of what was sent to a WebSocket client still waits in memory.
//!
//! Messages to a client pass a queue that counts them, not their bytes. A client that asks for large answers and
//! does not take them could hold hundreds of megabytes there. So the bytes are counted as well: up when a message
//! is queued, down when the connection takes it to write it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use tokio::sync::Notify;

/// Bytes in the queue from which on nothing is added. The connection's write buffer holds as much again.
pub const WINDOW: usize = 1 << 20;

/// The bytes that wait for one client.
#[derive(Debug, Default)]
pub struct Flow {
    waiting: AtomicUsize,
    taken: Notify,
}

impl Flow {
    /// Waits until there is room for a message, and counts it. A message may be larger than the window.
    pub async fn admit(&self, bytes: usize) {
        loop {
            let taken = self.taken.notified();
            if self.waiting.load(Ordering::SeqCst) < WINDOW {
                self.waiting.fetch_add(bytes, Ordering::SeqCst);
                return;
            }
            taken.await;
        }
    }

    /// Counts what was taken. Frames have headers, so that it may be more than what was counted before.
    fn take(&self, bytes: usize) {
        let less = |waiting: usize| Some(waiting.saturating_sub(bytes));
        let _ = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.taken.notify_waiters();
    }

    /// A response's body whose bytes count as taken when they are asked for.
    pub fn meter(self: &Arc<Self>, body: BoxBody) -> Metered {
        Metered { body, flow: Arc::clone(self) }
    }
}

/// See [`Flow::meter`].
pub struct Metered {
    body: BoxBody,
    flow: Arc<Flow>,
}

impl MessageBody for Metered {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.flow.take(bytes.len());
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn admitted(flow: &Flow, bytes: usize) -> bool {
        tokio::time::timeout(Duration::from_millis(20), flow.admit(bytes)).await.is_ok()
    }

    #[tokio::test]
    async fn a_full_window_takes_nothing_until_the_client_does() {
        let flow = Arc::new(Flow::default());
        assert!(admitted(&flow, 3 * WINDOW).await, "one message may be large");
        assert!(!admitted(&flow, 1).await);
        let mut body = flow.meter(BoxBody::new(vec![0u8; 3 * WINDOW + 10]));
        let waiting = tokio::spawn({
            let flow = Arc::clone(&flow);
            async move { flow.admit(1).await }
        });
        let chunk = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert_eq!(chunk.unwrap().unwrap().len(), 3 * WINDOW + 10);
        waiting.await.unwrap();
        assert_eq!(flow.waiting.load(Ordering::SeqCst), 1, "headers are not counted twice");
    }
}
