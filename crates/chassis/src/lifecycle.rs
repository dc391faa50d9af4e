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

    /// Moves on to `phase`, unless the service is there or further.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let forward = *now < phase;
            *now = phase.max(*now);
            forward
        });
    }

    /// Completes once the service has reached `phase`.
    pub async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}

/// SIGTERM, SIGINT and what else asks the service to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Completes with the end of standard input, if that counts.
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Takes the signals over from the system's default, which as PID 1 would
    /// be to ignore them.
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

/// Watches standard input from a thread: what it is, a pipe, a file or a
/// terminal, decides how it could be read in any other way.
fn watch_stdin() -> io::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel::<()>();
    let watch = move || {
        // What cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(end);
    };
    thread::Builder::new().name("stdin".into()).spawn(watch)?;
    Ok(ended)
}

/// Completes when standard input ends, once.
async fn ended(stdin: &mut Option<oneshot::Receiver<()>>) {
    match stdin {
        Some(end) => {
            // Nothing is ever sent: the sender is dropped.
            let _ = end.await;
            *stdin = None;
        }
        None => std::future::pending().await,
    }
}

/// Takes the service through its end: the first signal lets it drain for
/// `drain_delay` and then stop, the second one returns at once.
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
