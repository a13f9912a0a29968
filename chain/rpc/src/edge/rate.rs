//! Requests per client address: a token bucket each.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Most clients that are told apart; beyond, those that have been quiet are forgotten.
const MAX_CLIENTS: usize = 10_000;

/// A limit on requests per client address.
pub(crate) struct RateLimiter {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimiter {
    /// `per_second` 0 means no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: per_second.into(), burst: burst.into(), buckets: Mutex::default() }
    }

    /// Takes `requests` from a client's bucket, if it has them.
    pub fn take(&self, client: IpAddr, requests: usize, now: Instant) -> bool {
        if self.per_second == 0.0 {
            return true;
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let client = network_of(client);
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| self.refilled(*bucket, now) < self.burst);
        }
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            return false;
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: self.burst, at: now });
        let tokens = self.refilled(*bucket, now);
        let price = requests as f64;
        let enough = tokens >= price;
        *bucket = Bucket { tokens: if enough { tokens - price } else { tokens }, at: now };
        enough
    }

    fn refilled(&self, bucket: Bucket, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + elapsed * self.per_second).min(self.burst)
    }
}

/// Whoever has one IPv6 address has 2^64: the network counts.
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let high_half = !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & high_half))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_holds() {
        let (limiter, start) = (RateLimiter::new(10, 20), Instant::now());
        assert!(limiter.take(CLIENT, 20, start));
        assert!(!limiter.take(CLIENT, 1, start));
        assert!(limiter.take(CLIENT, 10, start + Duration::from_secs(1)));
        assert!(!limiter.take(CLIENT, 1, start + Duration::from_secs(1)));
    }

    #[test]
    fn clients_do_not_pay_for_each_other_but_an_ipv6_network_is_one_client() {
        let (limiter, now) = (RateLimiter::new(1, 1), Instant::now());
        assert!(limiter.take(CLIENT, 1, now));
        assert!(limiter.take("2001:db8::1".parse().unwrap(), 1, now));
        assert!(!limiter.take("2001:db8::2".parse().unwrap(), 1, now));
        assert!(limiter.take("2001:db8:0:1::2".parse().unwrap(), 1, now));
    }

    #[test]
    fn no_rate_means_no_limit() {
        assert!(RateLimiter::new(0, 1).take(CLIENT, usize::MAX, Instant::now()));
    }

    #[test]
    fn the_table_of_clients_is_bounded() {
        let (limiter, now) = (RateLimiter::new(1, 2), Instant::now());
        for n in 0..=(MAX_CLIENTS as u32) {
            limiter.take(IpAddr::V4(n.into()), 1, now);
        }
        assert_eq!(limiter.buckets.lock().unwrap().len(), MAX_CLIENTS);
        assert!(limiter.take(IpAddr::V4(u32::MAX.into()), 1, now + Duration::from_secs(9)));
        assert_eq!(limiter.buckets.lock().unwrap().len(), 1);
    }
}
