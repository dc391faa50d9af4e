//! A target: one address of a target group, its health and the requests under way to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::alb::health::{Health, HealthCheck, HealthState};
use crate::alb::wire::body::RequestBody;

/// An open connection to a target. Dropping it closes it, even when the target does not read what is
/// still to be sent.
pub struct Sender {
    requests: SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Sender {
    /// The connection that `driver` drives.
    #[must_use]
    pub fn new(requests: SendRequest<RequestBody>, driver: AbortHandle) -> Self {
        Self { requests, driver }
    }
}

impl Deref for Sender {
    type Target = SendRequest<RequestBody>;

    fn deref(&self) -> &Self::Target {
        &self.requests
    }
}

impl DerefMut for Sender {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.requests
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An idle connection is closed after this time (the ALB's idle timeout).
const IDLE_MAX: Duration = Duration::from_mins(1);

/// How many idle connections are kept. One more closes the one that was used longest ago.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The state of a registered target, in the ALB's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// No check decided yet.
    Initial,
    /// In rotation.
    Healthy,
    /// Out of rotation, unless every target is.
    Unhealthy,
    /// Deregistered: it finishes the requests under way and gets no new ones.
    Draining,
}

/// One registered address.
pub struct Target {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The lock is held for a few instructions at a time, never across an await.
    inner: Mutex<Inner>,
    /// How many requests are under way. The ALB calls a draining target without any `unused`.
    in_flight: watch::Sender<usize>,
    /// Cancelled when the target is given up. Every connection to it then closes.
    closed: CancellationToken,
}

struct Inner {
    health: Health,
    draining: bool,
    /// Open connections without a request, the one used last at the back, and when it became idle.
    idle: VecDeque<(Sender, Instant)>,
}

impl Target {
    /// A target that has just been registered.
    pub(crate) fn new(addr: SocketAddr, check: &HealthCheck) -> Self {
        let inner = Inner {
            health: Health::registered(Instant::now(), check),
            draining: false,
            idle: VecDeque::new(),
        };
        Self {
            addr,
            inner: Mutex::new(inner),
            in_flight: watch::Sender::new(0),
            closed: CancellationToken::new(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its state now.
    #[must_use]
    pub fn state(&self) -> TargetState {
        let inner = self.inner();
        match inner.health.state() {
            _ if inner.draining => TargetState::Draining,
            HealthState::Initial => TargetState::Initial,
            HealthState::Healthy => TargetState::Healthy,
            HealthState::Unhealthy => TargetState::Unhealthy,
        }
    }

    /// Takes the result of a health check; returns the new state when it changed.
    pub(crate) fn record_check(&self, passed: bool, check: &HealthCheck) -> Option<HealthState> {
        self.inner().health.record(passed, Instant::now(), check)
    }

    /// When the next check starts, counted from the start of the last.
    pub(crate) fn next_check(&self, check: &HealthCheck) -> Duration {
        self.inner().health.next_check(Instant::now(), check)
    }

    /// Stops new requests. Idle connections close; those in use are not kept afterwards.
    pub(crate) fn start_draining(&self) {
        let idle = {
            let mut inner = self.inner();
            inner.draining = true;
            std::mem::take(&mut inner.idle)
        };
        drop(idle);
    }

    /// Waits until no request is under way, for at most `delay`. Returns how many are left.
    pub(crate) async fn unused(&self, delay: Duration) -> usize {
        let mut in_flight = self.in_flight.subscribe();
        // The sender lives in `self`, so the wait cannot fail.
        let _ = timeout(delay, in_flight.wait_for(|&count| count == 0)).await;
        *in_flight.borrow()
    }

    /// Gives the target up: closes every connection to it and fails the requests under way.
    pub(crate) fn close(&self) {
        self.start_draining();
        self.closed.cancel();
    }

    /// Completes when the target is given up.
    pub(crate) fn closed(&self) -> WaitForCancellationFutureOwned {
        self.closed.clone().cancelled_owned()
    }

    /// An open connection, the one used last.
    pub(crate) fn take_idle(&self) -> Option<Sender> {
        let mut inner = self.inner();
        while let Some((sender, since)) = inner.idle.pop_back() {
            if since.elapsed() < IDLE_MAX && sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put_idle(&self, sender: Sender) {
        let mut inner = self.inner();
        if !inner.draining && sender.is_ready() {
            if inner.idle.len() >= IDLE_CONNECTIONS_MAX {
                inner.idle.pop_front();
            }
            inner.idle.push_back((sender, Instant::now()));
        }
    }

    /// Closes the connections that were idle for too long.
    pub(crate) fn close_idle(&self) {
        let mut inner = self.inner();
        while inner
            .idle
            .front()
            .is_some_and(|(sender, since)| since.elapsed() >= IDLE_MAX || sender.is_closed())
        {
            inner.idle.pop_front();
        }
    }
}

/// A request under way to a target. Dropping this ends it.
pub struct Lease(Arc<Target>);

impl Lease {
    pub(crate) fn new(target: Arc<Target>) -> Self {
        target.in_flight.send_modify(|count| *count += 1);
        Self(target)
    }
}

impl Deref for Lease {
    type Target = Arc<Target>;

    fn deref(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|count| *count -= 1);
    }
}
