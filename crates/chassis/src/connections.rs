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

/// How long a client may keep its answer waiting when another one needs the room.
const SLOW: Duration = Duration::from_secs(5);

/// The value of `slow_since` while the client keeps up.
const NOT_SLOW: u64 = u64::MAX;

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
    /// Microseconds after `opened` at which the client began to keep an answer
    /// waiting; it makes up for that by taking enough of it.
    slow_since: AtomicU64,
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
            slow_since: AtomicU64::new(NOT_SLOW),
            task: OnceLock::new(),
        }
    }

    pub fn request_began(&self) {
        self.count(1);
    }

    pub fn request_ended(&self, now: Instant) {
        self.idle_since.store(self.micros(now), Relaxed);
        self.count(usize::MAX);
    }

    /// Whether a request's answer is not wholly handed to the connection.
    pub fn answering(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
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

    /// Since when the client has kept an answer waiting, if it does now.
    fn slow_since(&self) -> Option<Instant> {
        let since = self.slow_since.load(Relaxed);
        let slow = self.write_blocked.load(Relaxed) && since != NOT_SLOW;
        slow.then(|| self.opened + Duration::from_micros(since))
    }

    /// The client begins to keep an answer waiting.
    pub fn write_blocked(&self, now: Instant) {
        self.write_blocked.store(true, Relaxed);
        if !self.slow() {
            self.slow_since.store(self.micros(now), Relaxed);
        }
    }

    /// The client takes some of its answer again.
    pub fn write_unblocked(&self) {
        self.write_blocked.store(false, Relaxed);
    }

    /// The client has made up for keeping answers waiting.
    pub fn caught_up(&self) {
        self.slow_since.store(NOT_SLOW, Relaxed);
    }

    /// Whether the client has kept an answer waiting and not made up for it.
    pub fn slow(&self) -> bool {
        self.slow_since.load(Relaxed) != NOT_SLOW
    }

    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.opened).as_micros();
        u64::try_from(micros).unwrap_or(NOT_SLOW - 1)
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

    /// Gives the connection with this number a place, if need be another one's.
    /// `None` when nobody makes room.
    pub fn admit(&self, number: u64, now: Instant) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max && !evict(&mut open, now) {
            return None;
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

    /// Closes one connection, if any can be spared.
    pub fn make_room(&self, now: Instant) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        evict(&mut open, now);
    }
}

/// Closes the connection that has been idle longest, or else the one whose
/// client has kept its answer waiting longest. Whether there was either.
fn evict(open: &mut HashMap<u64, Arc<Activity>>, now: Instant) -> bool {
    let idle = open.iter().filter(|(_, activity)| activity.idle());
    let idle = idle.min_by_key(|(_, activity)| activity.idle_since());
    let slowest = || {
        let slow = open.iter();
        let slow = slow.filter_map(|(number, activity)| Some((activity.slow_since()?, number)));
        let (since, number) = slow.min()?;
        (now.saturating_duration_since(since) >= SLOW).then_some(number)
    };
    let Some(&number) = idle.map(|(number, _)| number).or_else(slowest) else {
        return false;
    };
    // Out of the map at once, so that the next newcomer evicts another one.
    if let Some(activity) = open.remove(&number) {
        activity.close();
    }
    true
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

    #[test]
    fn without_an_idle_connection_a_slow_client_makes_room() {
        let connections = Connections::new(3);
        let now = Instant::now();
        let places: Vec<_> = (0..3).map(|n| connections.admit(n, now).unwrap()).collect();
        places[0].activity.request_began();
        places[1]
            .activity
            .write_blocked(now + Duration::from_secs(1));
        places[2].activity.write_blocked(now);
        let soon = now + SLOW / 2;
        assert!(connections.admit(3, soon).is_none(), "it may catch up");
        let _third = connections.admit(4, now + SLOW).unwrap();
        let open = connections.open.lock().unwrap();
        assert!(!open.contains_key(&2), "the slowest is gone");
        assert_eq!(open.len(), 3);
    }
}
