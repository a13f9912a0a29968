//! Inbound connections whose handshake is not over: strangers, so they are few in all and fewer per address. Nor
//! do they come too often: a handshake costs more than its caller pays.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::rate::{BURST_SECONDS, RateLimit};
use crate::config::Rate;

/// Handshakes from one address. Several nodes may stand behind it, and come back at the same moment.
const PER_ADDRESS: Rate = Rate { messages_per_second: 50, bytes_per_second: u32::MAX };

/// Addresses that are told apart; when there are more of late, new ones are not limited in how often they come.
const ADDRESSES: usize = 4_096;

/// Counts them.
#[derive(Debug)]
pub struct HalfOpen {
    in_all: usize,
    per_address: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
    came: Mutex<HashMap<IpAddr, RateLimit>>,
}

/// A place among them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    half_open: Arc<HalfOpen>,
    from: IpAddr,
}

impl HalfOpen {
    /// So many in all, and from one address at most half of them: whoever stalls there leaves room for others.
    pub fn new(in_all: usize) -> Arc<Self> {
        Arc::new(Self {
            in_all,
            per_address: in_all.div_ceil(2),
            open: Mutex::default(),
            came: Mutex::default(),
        })
    }

    /// A place for a connection from this address.
    ///
    /// # Errors
    /// Why there is none: the kind of refusal.
    pub fn enter(self: &Arc<Self>, from: IpAddr, now: Instant) -> Result<Place, &'static str> {
        if !self.may_come(from, now) {
            return Err("too_often");
        }
        let mut open = self.open();
        let (all, same) = (open.values().sum::<usize>(), open.get(&from).copied().unwrap_or(0));
        if all >= self.in_all || same >= self.per_address {
            return Err("too_many_half_open");
        }
        open.insert(from, same + 1);
        Ok(Place { half_open: Arc::clone(self), from })
    }

    fn may_come(&self, from: IpAddr, now: Instant) -> bool {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        if came.len() >= ADDRESSES {
            came.retain(|_, limit| limit.idle(now) < Duration::from_secs_f64(BURST_SECONDS));
        }
        if came.len() >= ADDRESSES && !came.contains_key(&from) {
            return true;
        }
        came.entry(from).or_insert_with(|| RateLimit::new(PER_ADDRESS, now)).take(0, true, now)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.half_open.open();
        match open.get_mut(&self.from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places() {
        let half_open = HalfOpen::new(4);
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let enter = |last| half_open.enter(address(last), Instant::now());
        let mut places: Vec<Place> = (0..2).map(|_| enter(1).unwrap()).collect();
        assert_eq!(enter(1).unwrap_err(), "too_many_half_open", "half of them is enough for one");
        places.push(enter(2).unwrap());
        places.push(enter(3).unwrap());
        assert_eq!(enter(4).unwrap_err(), "too_many_half_open", "four in all");
        places.clear();
        assert!(half_open.open().is_empty(), "nothing is remembered");
        assert!(enter(1).is_ok());
    }

    #[test]
    fn one_address_comes_only_so_often() {
        let (half_open, now) = (HalfOpen::new(4), Instant::now());
        let [flood, calm] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let taken = (0..1_000).filter(|_| half_open.enter(flood, now).is_ok()).count();
        assert_eq!(taken, 100, "what two seconds bring");
        assert_eq!(half_open.enter(flood, now).unwrap_err(), "too_often");
        assert!(half_open.enter(calm, now).is_ok());
        assert!(half_open.enter(flood, now + Duration::from_secs(1)).is_ok());
    }
}
