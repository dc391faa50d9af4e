//! The open connections: how many there may be, and how much memory they may buffer together.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// How long a client may keep an answer waiting when another client needs its connection.
const SLOW: Duration = Duration::from_secs(5);

/// Bytes that all connections together may buffer: incomplete heads, and answers that clients do
/// not read. The few bytes that each connection may always buffer do not count.
const BUFFERED_BYTES_MAX: usize = 6 * 1024 * 1024;

/// The size in bytes of the pieces that lists copy for one client.
const PIECE_BYTES: usize = 32 * 1024;

/// The value of `slow_since` while the client keeps up.
const NOT_SLOW: u64 = u64::MAX;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests whose answers are not yet completely handed to the connection. Only the connection's
    /// own task changes the number, so no concurrent change is lost.
    in_flight: AtomicUsize,
    /// Microseconds after `opened` at which the last answer was handed over.
    idle_since: AtomicU64,
    /// Whether bytes of an answer wait for the client to read.
    write_blocked: AtomicBool,
    /// Microseconds after `opened` at which the client began to keep an answer waiting. Reset when
    /// it has read enough.
    slow_since: AtomicU64,
    /// Bytes of a request's body that are still to come. `usize::MAX` if the length is unknown.
    body: AtomicUsize,
    /// Bytes of answers that were copied for this client and are not sent yet.
    copied: AtomicUsize,
    /// Bytes that the connection buffers, as it last reported.
    buffered: AtomicUsize,
    /// Whether the connection is being closed because it buffers so much.
    leaving: AtomicBool,
    /// The task that serves the connection. Aborting it closes the connection.
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
            body: AtomicUsize::new(0),
            copied: AtomicUsize::new(0),
            buffered: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            task: OnceLock::new(),
        }
    }

    pub fn request_began(&self) {
        let in_flight = self.in_flight.load(Relaxed);
        self.in_flight.store(in_flight + 1, Relaxed);
    }

    /// Bytes of a request's body that are still to come. `usize::MAX` if the length is unknown.
    pub fn body(&self) -> usize {
        self.body.load(Relaxed)
    }

    /// Sets how many bytes of a body are still to come.
    pub fn set_body(&self, bytes: usize) {
        self.body.store(bytes, Relaxed);
    }

    /// Bytes of memory that hold copies for this client. A piece is freed only when all of it is
    /// sent.
    pub fn copied(&self) -> usize {
        self.copied.load(Relaxed).next_multiple_of(PIECE_BYTES)
    }

    /// Notes that this many bytes were copied for this client.
    pub fn copy(&self, bytes: usize) {
        self.copied
            .store(self.copied.load(Relaxed) + bytes, Relaxed);
    }

    /// Notes that this many bytes were sent, copied or not.
    pub fn sent(&self, bytes: usize) {
        let copied = self.copied.load(Relaxed);
        if copied > 0 {
            self.copied.store(copied.saturating_sub(bytes), Relaxed);
        }
    }

    pub fn request_ended(&self, now: Instant) {
        self.idle_since.store(self.micros(now), Relaxed);
        let in_flight = self.in_flight.load(Relaxed);
        self.in_flight.store(in_flight - 1, Relaxed);
    }

    /// Whether an answer is not yet completely handed to the connection.
    pub fn answering(&self) -> bool {
        self.in_flight.load(Relaxed) > 0
    }

    /// Whether nothing would be lost by closing the connection now. A connection on which half a
    /// request has arrived counts as idle.
    pub fn idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && !self.write_blocked.load(Relaxed)
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_micros(self.idle_since.load(Relaxed))
    }

    /// When the client began to keep an answer waiting, if it does so now.
    fn slow_since(&self) -> Option<Instant> {
        let since = self.slow_since.load(Relaxed);
        let slow = self.write_blocked.load(Relaxed) && since != NOT_SLOW;
        slow.then(|| self.opened + Duration::from_micros(since))
    }

    /// Notes that the client begins to keep an answer waiting.
    pub fn write_blocked(&self, now: Instant) {
        self.write_blocked.store(true, Relaxed);
        if !self.slow() {
            self.slow_since.store(self.micros(now), Relaxed);
        }
    }

    /// Notes that the client reads its answer again.
    pub fn write_unblocked(&self) {
        self.write_blocked.store(false, Relaxed);
    }

    /// Notes that the client has read enough to count as fast again.
    pub fn caught_up(&self) {
        self.slow_since.store(NOT_SLOW, Relaxed);
    }

    /// Whether the client has kept an answer waiting and not read enough since.
    pub fn slow(&self) -> bool {
        self.slow_since.load(Relaxed) != NOT_SLOW
    }

    /// When the connection began to wait for its client, if it does so now.
    fn waiting_since(&self) -> Option<Instant> {
        if self.idle() {
            Some(self.idle_since())
        } else {
            self.slow_since()
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.opened).as_micros();
        u64::try_from(micros).unwrap_or(NOT_SLOW - 1)
    }

    /// Sets the task that serves the connection.
    pub fn runs_as(&self, task: AbortHandle) {
        // There is one task for each connection, and it is set once.
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
    buffered: Arc<Buffered>,
}

/// Bytes that all connections buffer, as they last reported.
#[derive(Debug, Default)]
struct Buffered {
    bytes: AtomicUsize,
    /// The part of connections that are being closed. Their memory is freed a moment later.
    leaving: AtomicUsize,
}

/// A connection that was admitted. Dropping this makes room for another one.
pub(crate) struct Admitted {
    pub connections: Connections,
    number: u64,
    pub activity: Arc<Activity>,
}

impl Connections {
    pub fn new(max: usize) -> Self {
        Self {
            open: Arc::default(),
            max,
            buffered: Arc::default(),
        }
    }

    /// Admits the connection with this number. If there is no room, another connection is closed.
    /// `None` if none can be closed.
    pub fn admit(&self, number: u64, now: Instant) -> Option<Admitted> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.max && !evict(&mut open, now) {
            return None;
        }
        let activity = Arc::new(Activity::new(now));
        open.insert(number, Arc::clone(&activity));
        Some(Admitted {
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

    /// Whether the connections together buffer as much as they may.
    pub fn full(&self) -> bool {
        self.buffered.bytes.load(Relaxed) >= BUFFERED_BYTES_MAX
    }

    /// Notes how many bytes a connection buffers now. When all together buffer too much, this
    /// closes the connections that have held most for longest.
    pub fn buffer(&self, activity: &Activity, bytes: usize) {
        let before = activity.buffered.swap(bytes, Relaxed);
        let count = |all: &AtomicUsize| {
            all.fetch_add(bytes, Relaxed);
            all.fetch_sub(before, Relaxed);
        };
        count(&self.buffered.bytes);
        // A connection that is being closed may still be running.
        if activity.leaving.load(Relaxed) {
            count(&self.buffered.leaving);
        }
        if bytes > before && self.full() {
            self.shed(Instant::now());
        }
    }

    /// Closes connections that wait for their clients, until the others together do not buffer too
    /// much. Returns whether any connection is being closed: its memory is freed a moment later.
    pub fn shed(&self, now: Instant) -> bool {
        let Buffered { bytes, leaving } = &*self.buffered;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while bytes.load(Relaxed) >= BUFFERED_BYTES_MAX + leaving.load(Relaxed) {
            let weight = |activity: &Activity| {
                let since = activity.waiting_since()?;
                let micros = now.saturating_duration_since(since).as_micros();
                let bytes = activity.buffered.load(Relaxed);
                (bytes > 0).then_some((micros + 1) * bytes as u128)
            };
            let heavy = open.iter();
            let heavy = heavy.filter_map(|(number, activity)| Some((weight(activity)?, *number)));
            let Some((_, number)) = heavy.max() else {
                break;
            };
            if let Some(activity) = open.remove(&number) {
                leaving.fetch_add(activity.buffered.load(Relaxed), Relaxed);
                activity.leaving.store(true, Relaxed);
                activity.close();
            }
        }
        leaving.load(Relaxed) > 0
    }

    /// Closes one connection, if one is idle or slow.
    pub fn make_room(&self, now: Instant) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        evict(&mut open, now);
    }
}

/// Closes the connection that has been idle longest, or else the one whose client has kept its
/// answer waiting longest. Returns whether there was one.
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
    // Removed at once, so that the next newcomer evicts another connection.
    if let Some(activity) = open.remove(&number) {
        activity.close();
    }
    true
}

impl Drop for Admitted {
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
mod tests;
