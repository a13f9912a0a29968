//! Inbound connections whose handshake is not over: strangers, so they are few in all and fewer per address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts them.
#[derive(Debug)]
pub struct HalfOpen {
    in_all: usize,
    per_address: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
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
        Arc::new(Self { in_all, per_address: in_all.div_ceil(2), open: Mutex::default() })
    }

    /// A place for a connection from this address, if there is one.
    pub fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let mut open = self.open();
        let (all, same) = (open.values().sum::<usize>(), open.get(&from).copied().unwrap_or(0));
        if all >= self.in_all || same >= self.per_address {
            return None;
        }
        open.insert(from, same + 1);
        Some(Place { half_open: Arc::clone(self), from })
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
        let mut places: Vec<Place> = (0..2).map(|_| half_open.enter(address(1)).unwrap()).collect();
        assert!(half_open.enter(address(1)).is_none(), "half of them is enough for one");
        places.push(half_open.enter(address(2)).unwrap());
        places.push(half_open.enter(address(3)).unwrap());
        assert!(half_open.enter(address(4)).is_none(), "four in all");
        places.clear();
        assert!(half_open.open().is_empty(), "nothing is remembered");
        assert!(half_open.enter(address(1)).is_some());
    }
}
