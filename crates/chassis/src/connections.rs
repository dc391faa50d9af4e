//! The connections that are open, and room for one more.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests whose answer is not wholly handed to the connection.
    in_flight: AtomicUsize,
    /// Microseconds after `opened` at which the last answer was handed over.
    idle_since: AtomicU64,
    /// Whether bytes of an answer wait for the client to read.
    write_blocked: AtomicBool,
    /// What serves the connection, for closing it.
    task: OnceLock<AbortHandle>,
}

impl Activity {
    pub fn new(opened: Instant) -> Self {
        Self {
            opened,
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            write_blocked: AtomicBool::new(false),
            task: OnceLock::new(),
        }
    }

    pub fn request_began(&self) {
        self.count(1);
    }

    pub fn request_ended(&self, now: Instant) {
        let after = now.duration_since(self.opened).as_micros();
        self.idle_since
            .store(u64::try_from(after).unwrap_or(u64::MAX), Relaxed);
        self.count(usize::MAX);
    }

    /// Only the connection's own task counts, so that no other addition is lost.
    fn count(&self, requests: usize) {
        let in_flight = self.in_flight.load(Relaxed);
        self.in_flight
            .store(in_flight.wrapping_add(requests), Relaxed);
    }

    /// Whether nothing would be lost by closing the connection now. True of one
    /// whose client has sent half a request.
    pub fn idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && !self.write_blocked.load(Relaxed)
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_micros(self.idle_since.load(Relaxed))
    }

    /// Notes whether bytes of an answer wait for the client to read.
    pub fn write_is_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
    }

    /// Names the task that serves the connection.
    pub fn runs_as(&self, task: AbortHandle) {
        // There is one task for a connection, and it is named once.
        let _ = self.task.set(task);
    }

    fn close(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// All connections that are open.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    open: Arc<Mutex<HashMap<u64, Arc<Activity>>>>,
    max: usize,
}

/// A connection's place among the open ones; dropped, it is free again.
pub(crate) struct Place {
    connections: Connections,
    number: u64,
    pub activity: Arc<Activity>,
}

impl Connections {
    pub fn new(max: usize) -> Self {
        Self {
            open: Arc::default(),
            max,
        }
    }

    /// Makes room for the connection with this number, if need be by closing
    /// the one that has been idle longest. `None` when none is idle.
    pub fn admit(&self, number: u64, now: Instant) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max {
            let idle = open.iter().filter(|(_, activity)| activity.idle());
            let longest = idle.min_by_key(|(_, activity)| activity.idle_since())?;
            let longest = *longest.0;
            // Out of the map at once, so that the next newcomer evicts another one.
            if let Some(activity) = open.remove(&longest) {
                activity.close();
            }
        }
        let activity = Arc::new(Activity::new(now));
        open.insert(number, Arc::clone(&activity));
        Some(Place {
            connections: self.clone(),
            number,
            activity,
        })
    }

    /// Closes all connections that have been idle for `time` or longer.
    pub fn close_idle(&self, now: Instant, time: Duration) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for activity in open.values().filter(|activity| activity.idle()) {
            if now.duration_since(activity.idle_since()) >= time {
                activity.close();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_connection_makes_room() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let connections = Connections::new(3);
        let places: Vec<_> = (0..3)
            .map(|n| connections.admit(n, at(n)).unwrap())
            .collect();
        // The oldest has just answered, the second is in the middle of a request.
        places[0].activity.request_began();
        places[0].activity.request_ended(at(10));
        places[1].activity.request_began();
        let open = |connections: &Connections| {
            let mut open: Vec<_> = connections.open.lock().unwrap().keys().copied().collect();
            open.sort_unstable();
            open
        };
        let _third = connections.admit(3, at(11)).unwrap();
        assert_eq!(open(&connections), [0, 1, 3]);
        let _fourth = connections.admit(4, at(12)).unwrap();
        assert_eq!(open(&connections), [1, 3, 4]);
    }

    #[test]
    fn without_an_idle_connection_there_is_no_room() {
        let connections = Connections::new(2);
        let now = Instant::now();
        let places: Vec<_> = (0..2).map(|n| connections.admit(n, now).unwrap()).collect();
        places[0].activity.request_began();
        places[1].activity.write_blocked.store(true, Relaxed);
        assert!(connections.admit(2, now).is_none());
        drop(places);
        assert!(connections.admit(2, now).is_some());
    }
}
