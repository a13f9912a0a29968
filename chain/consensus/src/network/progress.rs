//! How far the other nodes are: wakes this node when it is idle and they are not.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use arc_malachitebft_peer::PeerId;
use tokio::sync::watch;

#[derive(Debug, Default)]
struct Seen {
    /// The highest height with a verified message of a validator.
    by_message: u64,
    /// The newest block that each validator node says it has. Forgotten when it leaves.
    tips: HashMap<PeerId, u64>,
}

/// The highest height that another node is known to have started.
#[derive(Debug)]
pub struct Progress {
    seen: Mutex<Seen>,
    highest: watch::Sender<u64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { seen: Mutex::default(), highest: watch::Sender::new(0) }
    }
}

impl Progress {
    /// A validator's message for `height` was verified.
    pub fn message_at(&self, height: u64) {
        self.update(|seen| seen.by_message = seen.by_message.max(height));
    }

    /// A validator's node says that its newest block is `tip`.
    pub fn tip(&self, peer: PeerId, tip: u64) {
        self.update(|seen| {
            seen.tips.insert(peer, tip);
        });
    }

    /// The newest block that this validator's node said it has.
    pub fn tip_of(&self, peer: &PeerId) -> Option<u64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).tips.get(peer).copied()
    }

    /// A node is gone.
    pub fn gone(&self, peer: &PeerId) {
        self.update(|seen| {
            seen.tips.remove(peer);
        });
    }

    /// A height that the network has surely reached: more than a third of the connected validators' nodes
    /// say that they have it, so one of them is honest.
    pub fn common_tip(&self) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tips: Vec<u64> = seen.tips.values().copied().collect();
        tips.sort_unstable_by(|a, b| b.cmp(a));
        tips.get(tips.len() / 3).copied().unwrap_or(0)
    }

    /// Waits until another node has started `height`.
    pub async fn started(&self, height: u64) {
        let mut highest = self.highest.subscribe();
        if highest.wait_for(|highest| *highest >= height).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut seen);
        let highest = seen.tips.values().copied().chain([seen.by_message]).max().unwrap_or(0);
        self.highest.send_if_modified(|value| {
            let changed = *value != highest;
            *value = highest;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn verified_message_or_validator_s_tip_wakes() {
        let progress = Progress::default();
        progress.message_at(3);
        progress.started(3).await;
        progress.tip(crate::transport::peer_id_of_spki(b"a"), 7);
        progress.started(7).await;
    }

    #[test]
    fn common_tip_is_not_moved_by_one_liar_of_three() {
        let progress = Progress::default();
        assert_eq!(progress.common_tip(), 0);
        for (name, tip) in [(b"a", 7), (b"b", 8), (b"c", u64::MAX)] {
            progress.tip(crate::transport::peer_id_of_spki(name), tip);
        }
        assert_eq!(progress.common_tip(), 8);
    }

    #[test]
    fn lie_about_the_tip_ends_with_the_connection() {
        let progress = Progress::default();
        let liar = crate::transport::peer_id_of_spki(b"liar");
        progress.tip(liar, u64::MAX);
        assert_eq!(*progress.highest.borrow(), u64::MAX);
        progress.gone(&liar);
        assert_eq!(*progress.highest.borrow(), 0);
    }
}
