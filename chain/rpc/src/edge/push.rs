//! What subscribers are told of blocks, made piece by piece.

use std::{ops::RangeInclusive, sync::Arc};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};

/// Messages to push. Each piece is made when the one before it has been sent: a client that has many subscriptions and
/// takes nothing holds one of them in memory, not all.
pub(crate) type Pieces = BoxStream<'static, Vec<String>>;

/// The messages of blocks at some heights, a piece for each subscription to each block. `load` and `frames` may block.
pub(crate) fn pieces<B, S>(
    heights: RangeInclusive<u64>,
    subscriptions: Vec<S>,
    load: impl Fn(u64) -> Option<Arc<B>> + Clone + Send + 'static,
    frames: impl Fn(&S, &B) -> Vec<String> + Clone + Send + 'static,
) -> Pieces
where
    B: Send + Sync + 'static,
    S: Clone + Send + 'static,
{
    let loaded = stream::iter(heights).filter_map(move |height| {
        let load = load.clone();
        blocking(move || load(height))
    });
    let of_block = move |block: Arc<B>| {
        let frames = frames.clone();
        stream::iter(subscriptions.clone()).then(move |subscription| {
            let (frames, block) = (frames.clone(), Arc::clone(&block));
            blocking(move || frames(&subscription, &block))
        })
    };
    loaded.flat_map(of_block).boxed()
}

async fn blocking<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_piece_is_made_when_the_one_before_it_was_taken() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let load = |height| (height != 6).then(|| Arc::new(height));
        let frames = move |subscription: &char, height: &u64| {
            counter.fetch_add(1, Ordering::SeqCst);
            vec![format!("{subscription}{height}")]
        };
        let mut pieces = pieces(5..=7, vec!['a', 'b'], load, frames);
        assert_eq!(pieces.next().await, Some(vec!["a5".to_owned()]));
        assert_eq!(made.load(Ordering::SeqCst), 1);
        let rest: Vec<String> = pieces.flat_map(stream::iter).collect().await;
        assert_eq!(rest, ["b5", "a7", "b7"]);
    }
}
