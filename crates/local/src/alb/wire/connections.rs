//! The clients' connections: how many may be open, and how many bytes they may hold together.
//!
//! At most [`Limits::connections`] are open. When one more arrives, the one that has been idle for
//! longest is closed. Each connection needs some buffers; what it holds beyond them is counted: long
//! heads, bodies, and answers that the client has not read. All connections together hold at most
//! [`Limits::bytes`]. When they would hold more, the one that holds most is closed.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The default limit of connections. That many fit into the 64 MiB of the container, whatever clients
/// send.
pub const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(500).unwrap();

/// When a new client needs a connection, one is closed whose client has been slow for longer than
/// this: slow to send the rest of its request, or to read its answer.
const SLOW: Duration = Duration::from_secs(1);

/// Two connections hold about the same amount when their bytes differ by less than this.
const ABOUT_BYTES: usize = 4 * 1024;

/// Descriptors kept free for everything but clients and their requests: listeners, the tasks' pipes,
/// health checks.
const OTHER_DESCRIPTORS: u64 = 256;

/// Limits for all clients together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections that may be open at the same time.
    pub connections: usize,
    /// Bytes that all of them may hold together, beyond the buffers that each connection needs.
    pub bytes: usize,
}

impl Limits {
    /// Allows `connections`, or fewer when the descriptors do not suffice: each request needs a second
    /// descriptor, for the connection to its target.
    #[must_use]
    pub fn new(connections: NonZeroUsize) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2;
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self {
            connections: connections.get().min(most),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX.get(),
            bytes: 10 * 1024 * 1024,
        }
    }
}

/// All connections that are open.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    limits: Limits,
    /// The lock is held for one pass over the connections at most, never across an await.
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    /// The number of the next one.
    next: AtomicU64,
    /// The bytes that all of them hold.
    held: AtomicUsize,
}

/// What one connection is doing.
pub struct Activity {
    shared: Arc<Shared>,
    opened: Instant,
    /// When something last happened, in microseconds after `opened`: the connection opened, a request
    /// began to arrive, bytes of a body or an answer passed, or an answer ended. Later bytes of a head
    /// do not count, so that a client gains nothing by sending them one by one.
    moved: AtomicU64,
    /// Requests whose answers have not been written completely.
    requests: AtomicUsize,
    /// Bytes received of a head that is not complete.
    head: AtomicUsize,
    /// Whether bytes of an answer wait for the client to read.
    blocked: AtomicBool,
    /// Whether a request's body is being sent to a target. That may go on after the answer.
    uploading: AtomicBool,
    /// Whether the target waits for more of that body.
    body_awaited: AtomicBool,
    /// Whether the client could mistake the end of the connection for the end of its answer.
    cut_off: AtomicBool,
    held: AtomicUsize,
    /// Whether it was closed to make room. What it held no longer counts.
    closed: AtomicBool,
    task: OnceLock<AbortHandle>,
}

/// A connection that was admitted. Dropping this makes room for another one.
pub struct Admitted {
    number: u64,
    /// What the connection is doing.
    pub activity: Arc<Activity>,
}

/// Bytes that a connection holds. They count until this is dropped.
pub struct Hold {
    activity: Arc<Activity>,
    bytes: usize,
}

/// A request whose answer has not been written completely.
pub struct Answering(Arc<Activity>);

impl Connections {
    /// No connection is open yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Admits a new connection. If there is no room, another connection is closed. Returns `None` if
    /// none may be closed.
    #[must_use]
    pub fn admit(&self) -> Option<Admitted> {
        let mut open = self.0.open();
        if open.len() >= self.0.limits.connections && !self.0.make_room(&mut open) {
            return None;
        }
        let number = self.0.next.fetch_add(1, Relaxed);
        let activity = Arc::new(Activity {
            shared: Arc::clone(&self.0),
            opened: Instant::now(),
            moved: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            uploading: AtomicBool::new(false),
            body_awaited: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            task: OnceLock::new(),
        });
        open.insert(number, Arc::clone(&activity));
        Some(Admitted { number, activity })
    }

    /// Closes one connection, if there is one that may be closed.
    pub fn make_room(&self) {
        self.0.make_room(&mut self.0.open());
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that has been idle for longest. If none is idle, closes the one whose
    /// client has been slow for longest. Returns whether there was one.
    fn make_room(&self, open: &mut HashMap<u64, Arc<Activity>>) -> bool {
        let still = |activity: &Activity| Reverse(activity.moved_at());
        self.close_first(open, Activity::idle, still)
            || self.close_first(open, Activity::is_slow, still)
    }

    /// Closes connections until the rest hold no more than the limit. It begins with the one that holds
    /// most; among those that hold about the same, with the one that has been still for longest.
    fn free_bytes(&self) {
        let mut open = self.open();
        let holds = |activity: &Activity| activity.held.load(Relaxed) > 0;
        let most = |activity: &Activity| {
            let rounded = activity.held.load(Relaxed) / ABOUT_BYTES;
            (rounded, Reverse(activity.moved_at()))
        };
        while self.held.load(Relaxed) > self.limits.bytes
            && self.close_first(&mut open, holds, most)
        {}
    }

    /// Closes the connection with the highest `rank`.
    fn close_first<R: Ord>(
        &self,
        open: &mut HashMap<u64, Arc<Activity>>,
        of: impl Fn(&Activity) -> bool,
        rank: impl Fn(&Activity) -> R,
    ) -> bool {
        let of = open.iter().filter(|(_, activity)| of(activity));
        let Some((&number, _)) = of.max_by_key(|(_, activity)| rank(activity)) else {
            return false;
        };
        // Removed from the map at once, so that the next new client does not choose it again.
        if let Some(activity) = open.remove(&number) {
            activity.closed.store(true, Relaxed);
            self.held.fetch_sub(activity.held.swap(0, Relaxed), Relaxed);
            if let Some(task) = activity.task.get() {
                task.abort();
            }
        }
        true
    }
}

impl Activity {
    /// Remembers the task that serves the connection, which is what closing it aborts.
    pub fn runs_as(&self, task: AbortHandle) {
        // A connection has one task, so this is called once.
        let _ = self.task.set(task);
    }

    /// Called when the head of a request is complete.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(0, Relaxed);
        self.moved();
        Answering(Arc::clone(self))
    }

    /// Whether an answer has not been written completely.
    pub fn answering(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// Counts bytes from the client. Returns how many belong to a head that is not complete.
    pub fn received(&self, bytes: usize) -> usize {
        if self.answering() || self.uploading.load(Relaxed) {
            self.moved();
            return 0;
        }
        let before = self.head.fetch_add(bytes, Relaxed);
        if before == 0 {
            self.moved();
        }
        before + bytes
    }

    /// Whether a head has begun to arrive.
    pub fn within_head(&self) -> bool {
        self.head.load(Relaxed) > 0
    }

    /// Called when the client has read bytes of its answer.
    pub fn sent(&self) {
        self.blocked.store(false, Relaxed);
        self.moved();
    }

    /// Says whether a request's body is being sent to a target.
    pub fn uploading(&self, uploading: bool) {
        self.uploading.store(uploading, Relaxed);
    }

    /// Says whether the target waits for more of the request's body.
    pub fn body_awaited(&self, body_awaited: bool) {
        self.body_awaited.store(body_awaited, Relaxed);
    }

    /// Called when the client does not read its answer.
    pub fn blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// The answer broke off, and only the end of the connection shows the client where it ends.
    pub fn cut_off(&self) {
        self.cut_off.store(true, Relaxed);
    }

    /// Whether the client must see that the connection ends too early.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Relaxed)
    }

    /// Counts bytes as held by this connection. When all connections together now hold too many, one
    /// of them is closed, which may be this one.
    #[must_use]
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Hold {
        let mut hold = Hold {
            activity: Arc::clone(self),
            bytes: 0,
        };
        hold.grow_to(bytes);
        hold
    }

    fn moved(&self) {
        let micros = self.opened.elapsed().as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        self.moved.store(micros, Relaxed);
    }

    fn moved_at(&self) -> Instant {
        self.opened + Duration::from_micros(self.moved.load(Relaxed))
    }

    /// Whether its client has been slow for too long.
    fn is_slow(&self) -> bool {
        let waits = self.blocked.load(Relaxed) || self.body_awaited.load(Relaxed);
        waits && self.moved_at().elapsed() >= SLOW
    }

    /// Whether closing it loses no answer. That also holds when half a head has arrived.
    fn idle(&self) -> bool {
        !self.answering() && !self.blocked.load(Relaxed)
    }
}

impl Hold {
    /// Raises the number of bytes to `bytes`. Never lowers it.
    pub fn grow_to(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 || self.activity.closed.load(Relaxed) {
            return;
        }
        self.bytes = bytes;
        self.activity.held.fetch_add(more, Relaxed);
        let shared = &self.activity.shared;
        let held = shared.held.fetch_add(more, Relaxed) + more;
        if held > shared.limits.bytes {
            shared.free_bytes();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.activity.closed.load(Relaxed) {
            self.activity.held.fetch_sub(self.bytes, Relaxed);
            self.activity.shared.held.fetch_sub(self.bytes, Relaxed);
        }
    }
}

impl Answering {
    /// What the connection is doing.
    #[must_use]
    pub fn activity(&self) -> &Arc<Activity> {
        &self.0
    }

    /// The answer broke off, and only the end of the connection shows the client where it ends.
    pub fn cut_off(&self) {
        self.0.cut_off();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
        self.0.moved();
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.activity.shared.open().remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
