//! The signals that end the program.

use std::future::poll_fn;
use std::task::Poll;

use anyhow::{Context, Result};
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a program unless it handles them. Signals of a fault in the program itself, such
/// as SIGSEGV, are left out, because no orderly stop is possible after them. SIGPIPE is ignored already.
const ENDING: [Number; 12] = [
    Number::HUP,
    Number::INT,
    Number::QUIT,
    Number::ABORT,
    Number::USR1,
    Number::USR2,
    Number::ALARM,
    Number::TERM,
    Number::XCPU,
    Number::XFSZ,
    Number::VTALARM,
    Number::PROF,
];

/// Handles Ctrl-C, SIGTERM, the end of the terminal and the other signals that end a program. While this
/// exists, none of them ends the program by itself, which would cut requests off.
pub struct Signals(Vec<Signal>);

impl Signals {
    /// Begins to handle the signals.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> Result<Self> {
        let take = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
        let taken = ENDING.into_iter().map(take).collect::<Result<_, _>>();
        Ok(Self(taken.context("cannot handle signals")?))
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        poll_fn(|cx| {
            let arrived = self.0.iter_mut().any(|one| one.poll_recv(cx).is_ready());
            if arrived {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
