//! Log lines that others cause as often as they like: few for each cause in a while, with a count of the rest.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time within which a cause has few lines.
const WHILE: Duration = Duration::from_secs(10);

/// So many: whoever sets something up and gets it wrong in several ways reads of all of them.
const FEW: u32 = 5;

/// Causes that are told apart. When there are more within that time, the newest are not logged, only counted in
/// the metrics.
const MOST: usize = 1_024;

#[derive(Debug)]
struct Lines {
    since: Instant,
    said: u32,
    left_out: u64,
}

/// What was logged of late.
#[derive(Debug)]
pub struct Quiet<K>(Mutex<HashMap<K, Lines>>);

impl<K> Default for Quiet<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Quiet<K> {
    /// Whether to log what this cause did: how often it was left out since its last line, or `None`.
    pub fn says(&self, cause: K, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |lines: &Lines| now.saturating_duration_since(lines.since) >= WHILE;
        if causes.len() >= MOST && !causes.contains_key(&cause) {
            causes.retain(|_, lines| !is_over(lines));
            if causes.len() >= MOST {
                return None;
            }
        }
        let lines = causes.entry(cause).or_insert(Lines { since: now, said: 0, left_out: 0 });
        if is_over(lines) {
            (lines.since, lines.said) = (now, 0);
        }
        if lines.said == FEW {
            lines.left_out = lines.left_out.saturating_add(1);
            return None;
        }
        lines.said += 1;
        Some(std::mem::take(&mut lines.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_lines_for_each_cause_in_a_while_with_a_count_of_the_rest() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let said = |cause, at| (0..1_000).filter_map(|_| quiet.says(cause, at)).collect::<Vec<_>>();
        assert_eq!(said("a", start), [0; FEW as usize]);
        assert_eq!(quiet.says("b", start), Some(0), "another cause speaks for itself");
        assert!(said("a", start + WHILE / 2).is_empty());
        assert_eq!(said("a", start + WHILE), [2_000 - u64::from(FEW), 0, 0, 0, 0]);
    }

    #[test]
    fn memory_is_bounded_and_old_causes_make_room() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let said = (0..2 * MOST).filter(|cause| quiet.says(*cause, start).is_some()).count();
        assert_eq!(said, MOST);
        assert_eq!(quiet.says(2 * MOST, start + WHILE), Some(0));
        assert_eq!(quiet.0.lock().unwrap().len(), 1);
    }
}
