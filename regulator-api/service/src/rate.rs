//! How many requests somebody may make: a bucket for each certificate, and one for all strangers of a kind that are refused.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Certificates that are remembered; beyond, those that have been quiet are forgotten.
const REMEMBERED: usize = 10_000;

/// Requests at once, as a multiple of those of a second.
const BURST: u32 = 2;

/// Refused requests within a second, of all strangers with certificates: each takes an entry of the log.
const REFUSED: u32 = 20;

/// The same of clients that show no certificate. They have a bucket of their own, so that they hide no attempt with one.
const NAMELESS: u32 = 5;

/// Somebody whose organisation is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// It has shown a certificate.
    WithCertificate,
    /// It has shown none.
    Nameless,
}

/// How much is left, and since when.
struct Bucket {
    left: u32,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let most = per_second.saturating_mul(BURST);
        let passed = now.saturating_duration_since(self.at);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let earned = millis.saturating_mul(u64::from(per_second)).checked_div(1000).unwrap_or_default();
        if earned > 0 {
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(most);
            self.at = now;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

/// All buckets.
pub(crate) struct Rates {
    per_second: u32,
    buckets: Mutex<BTreeMap<[u8; 32], Bucket>>,
    refused: Mutex<Bucket>,
    nameless: Mutex<Bucket>,
}

impl Rates {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        let full = |per_second: u32| Mutex::new(Bucket { left: per_second.saturating_mul(BURST), at: now });
        Self { per_second, buckets: Mutex::default(), refused: full(REFUSED), nameless: full(NAMELESS) }
    }

    /// Whether a certificate may make a request now.
    pub(crate) fn admit(&self, certificate: [u8; 32], now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&certificate) {
            let quiet = Duration::from_secs(u64::from(BURST));
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < quiet);
            if buckets.len() >= REMEMBERED {
                return false;
            }
        }
        let full = Bucket { left: self.per_second.saturating_mul(BURST), at: now };
        buckets.entry(certificate).or_insert(full).take(self.per_second, now)
    }

    /// Whether one more refusal of a stranger may be logged now.
    pub(crate) fn admit_refused(&self, stranger: Stranger, now: Instant) -> bool {
        let (bucket, per_second) = match stranger {
            Stranger::WithCertificate => (&self.refused, REFUSED),
            Stranger::Nameless => (&self.nameless, NAMELESS),
        };
        bucket.lock().unwrap_or_else(PoisonError::into_inner).take(per_second, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_so_many_a_second() {
        let start = Instant::now();
        let rates = Rates::new(10, start);
        let admitted = |at: Instant| (0..100).filter(|_| rates.admit([1; 32], at)).count();
        assert_eq!(admitted(start), 20);
        assert_eq!(admitted(start + Duration::from_millis(500)), 5);
        assert_eq!(admitted(start + Duration::from_secs(60)), 20);
        assert!(rates.admit([2; 32], start), "others are not affected");
    }

    #[test]
    fn strangers_with_ever_new_certificates_share_one_bucket_of_refusals() {
        let start = Instant::now();
        let rates = Rates::new(10, start);
        let admitted = |stranger| (0..1000).filter(|_| rates.admit_refused(stranger, start)).count();
        assert_eq!(admitted(Stranger::Nameless), 10);
        assert_eq!(admitted(Stranger::WithCertificate), 40, "whoever shows nothing hides none of these");
    }
}
