//! The clients' connections: how many there may be, and how many bytes they may hold together.
//!
//! Whatever clients do, at most [`Limits::connections`] of them are open: for one more, the one that
//! has been idle for longest makes room. What a connection holds beyond the buffers that each one
//! needs, long heads, bodies and answers not yet taken, is counted, and all together hold at most
//! [`Limits::bytes`]: for more, the one that holds most makes room.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Connections that a load balancer has by default: they fit into the 64 MiB of its container,
/// whatever they send.
pub const CONNECTIONS_MAX: NonZeroUsize = NonZeroUsize::new(500).unwrap();

/// How long a client may keep others waiting, for the rest of its request or to take its answer,
/// when another one needs its place.
const SLOW: Duration = Duration::from_secs(1);

/// Connections whose bytes differ by less hold about as much.
const ABOUT_BYTES: usize = 4 * 1024;

/// Descriptors that are not for clients and their requests: listeners, pipes of tasks, checks.
const OTHER_DESCRIPTORS: u64 = 256;

/// How much clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Bytes that all of them hold together beyond what each connection costs.
    pub bytes: usize,
}

impl Limits {
    /// So many connections, or as many as there are descriptors for: a request takes a second one,
    /// to its target.
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
    /// Held for a look at each of them at most, never across an await.
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    /// The number of the next one.
    next: AtomicU64,
    /// What all of them hold.
    held: AtomicUsize,
}

/// What one connection is doing.
pub struct Activity {
    shared: Arc<Shared>,
    opened: Instant,
    /// Microseconds after `opened` at which something last happened: it opened, a request began to
    /// arrive, bytes of one or of its answer passed, an answer was over. The further bytes of a
    /// head do not count: whoever sends them one by one gains nothing.
    moved: AtomicU64,
    /// Requests whose answers are not wholly handed over.
    requests: AtomicUsize,
    /// Bytes received of a head that is not whole.
    head: AtomicUsize,
    /// Whether bytes of an answer wait for the client to read.
    blocked: AtomicBool,
    /// Whether a request's body is on its way to a target, perhaps still when it is answered.
    uploading: AtomicBool,
    /// Whether the target waits for more of it.
    owes: AtomicBool,
    /// Whether a client could take the end of the connection for the end of its answer.
    cut_off: AtomicBool,
    held: AtomicUsize,
    /// Whether it had to make room; what it held counts no more.
    closed: AtomicBool,
    task: OnceLock<AbortHandle>,
}

/// A connection's place among the open ones; dropped, it is free again.
pub struct Place {
    number: u64,
    /// What the connection is doing.
    pub activity: Arc<Activity>,
}

/// Bytes that a connection holds, until this is dropped.
pub struct Hold {
    activity: Arc<Activity>,
    bytes: usize,
}

/// One request whose answer is not wholly handed over.
pub struct Answering(Arc<Activity>);

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// A place for a new connection, if need be another one's. Nothing when none can be spared.
    #[must_use]
    pub fn admit(&self) -> Option<Place> {
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
            owes: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            held: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            task: OnceLock::new(),
        });
        open.insert(number, Arc::clone(&activity));
        Some(Place { number, activity })
    }

    /// Closes one connection, if any can be spared.
    pub fn make_room(&self) {
        self.0.make_room(&mut self.0.open());
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that has been idle for longest, or else the one whose client has kept
    /// others waiting for longest. Whether there was either.
    fn make_room(&self, open: &mut HashMap<u64, Arc<Activity>>) -> bool {
        let still = |activity: &Activity| Reverse(activity.moved_at());
        self.close_first(open, Activity::idle, still)
            || self.close_first(open, Activity::is_slow, still)
    }

    /// Closes connections until what the others hold is within the limit: those that hold most, and
    /// of those that hold about as much the one that has stood still for longest.
    fn make_bytes(&self) {
        let mut open = self.open();
        let holds = |activity: &Activity| activity.held.load(Relaxed) > 0;
        let most = |activity: &Activity| {
            let about = activity.held.load(Relaxed) / ABOUT_BYTES;
            (about, Reverse(activity.moved_at()))
        };
        while self.held.load(Relaxed) > self.limits.bytes
            && self.close_first(&mut open, holds, most)
        {}
    }

    /// Closes the one of these that comes first by `rank`, the highest.
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
        // Out of the map at once, so that the next newcomer gets another one's place.
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
    /// Names the task that serves the connection.
    pub fn runs_as(&self, task: AbortHandle) {
        // There is one task for a connection, and it is named once.
        let _ = self.task.set(task);
    }

    /// A request begins: its head is whole.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Relaxed);
        self.head.store(0, Relaxed);
        self.moved();
        Answering(Arc::clone(self))
    }

    /// Whether an answer is not wholly handed over.
    pub fn answering(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// Takes note of bytes from the client; returns how many there are of a head that is not whole.
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

    /// The client has taken bytes of its answer.
    pub fn sent(&self) {
        self.blocked.store(false, Relaxed);
        self.moved();
    }

    /// Whether a request's body is on its way to a target.
    pub fn uploading(&self, uploading: bool) {
        self.uploading.store(uploading, Relaxed);
    }

    /// Whether the target waits for more of the request's body.
    pub fn owes(&self, owes: bool) {
        self.owes.store(owes, Relaxed);
    }

    /// The client keeps its answer waiting.
    pub fn blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// The answer breaks off where nothing else than the connection tells its end.
    pub fn cut_off(&self) {
        self.cut_off.store(true, Relaxed);
    }

    /// Whether the client must see that the connection ends too early.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Relaxed)
    }

    /// Counts bytes as held by this connection. If all together hold too many now, one of them is
    /// closed, perhaps this one.
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

    /// Whether its client has kept others waiting for too long.
    fn is_slow(&self) -> bool {
        let waits = self.blocked.load(Relaxed) || self.owes.load(Relaxed);
        waits && self.moved_at().elapsed() >= SLOW
    }

    /// Whether no answer is lost with it. True of half a head.
    fn idle(&self) -> bool {
        !self.answering() && !self.blocked.load(Relaxed)
    }
}

impl Hold {
    /// Counts more bytes, if it is more.
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
            shared.make_bytes();
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

    /// The answer breaks off where nothing else than the connection tells its end.
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

impl Drop for Place {
    fn drop(&mut self) {
        self.activity.shared.open().remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
