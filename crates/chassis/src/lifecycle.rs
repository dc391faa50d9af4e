//! The life of a service, from its start to its end.

use std::{io, thread, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{oneshot, watch},
};

/// Where a service is in its life. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The collection is being loaded.
    Starting,
    /// Serving.
    Ready,
    /// Still serving, while the load balancer learns that it should not send more.
    Draining,
    /// The listener is closed; requests in flight are finished.
    Stopping,
}

/// The phase of a service, shared by all who act on it.
#[derive(Debug, Clone)]
pub struct Lifecycle(watch::Sender<Phase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Starting))
    }
}

impl Lifecycle {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Moves on to `phase`. Does nothing if the service has reached it already.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let forward = *now < phase;
            *now = phase.max(*now);
            forward
        });
    }

    /// Completes once the service has reached `phase`.
    pub async fn reached(&self, phase: Phase) {
        // Waiting fails only without a sender, and `self` is one.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}

/// What asks the service to stop: SIGTERM, SIGINT or, if configured, the end of standard input.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Completes when standard input ends. `None` if that does not count.
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Installs handlers for the signals. Without them, the system would ignore the signals if
    /// this process is PID 1.
    pub fn new(exit_with_stdin: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin: exit_with_stdin.then(watch_stdin).transpose()?,
        })
    }

    /// The name of the next signal.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = ended(&mut self.stdin) => "the end of standard input",
        }
    }
}

/// Watches standard input from a thread. A blocking read works for a pipe, a file and a terminal
/// alike.
fn watch_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel::<()>();
    let watch = move || {
        // An input that cannot be read counts as ended.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(end);
    };
    thread::Builder::new().name("stdin".into()).spawn(watch)?;
    Ok(ended)
}

/// Completes when standard input ends; completes only once.
async fn ended(stdin: &mut Option<oneshot::Receiver<()>>) {
    match stdin {
        Some(end) => {
            // Nothing is sent: waiting ends when the sender is dropped.
            let _ = end.await;
            *stdin = None;
        }
        None => std::future::pending().await,
    }
}

/// Ends the service. After the first signal it drains for `drain_delay` and then stops. A second
/// signal makes this return at once.
pub(crate) async fn end(lifecycle: &Lifecycle, mut signals: Signals, drain_delay: Duration) {
    let signal = signals.next().await;
    tracing::info!(signal, ?drain_delay, "draining");
    lifecycle.advance(Phase::Draining);
    let drain = async {
        tokio::time::sleep(drain_delay).await;
        lifecycle.advance(Phase::Stopping);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = drain => {}
        signal = signals.next() => tracing::warn!(signal, "stopping at once"),
    }
}
