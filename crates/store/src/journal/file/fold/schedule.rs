//! When the journal is folded, and when a fold that failed is tried again.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::journal::{Folding, file::failure::Failure};

/// The journal is folded into `db.json` when it has more bytes than this and half as many
/// again as `db.json`.
const JOURNAL_BYTES: u64 = 1024 * 1024;

/// Bytes by which the journal may grow beyond that while it cannot be folded. A start reads the
/// whole journal into memory.
const OVERDUE_BYTES: u64 = 8 * 1024 * 1024;

/// How long after the last write the journal is folded, if it is a fair share of `db.json`.
const IDLE: Duration = Duration::from_secs(1);

/// A journal is a fair share of a `db.json` that has at most so many times its bytes.
/// Otherwise rare writes to a large file would keep the disk busy with rewriting it.
const IDLE_SHARE: u64 = 16;

/// Any journal is a fair share of a `db.json` of so many bytes: the room of the new
/// journal has as many.
const IDLE_BYTES: u64 = 256 * 1024;

/// A fold that failed is tried again after [`IDLE`], and after so many times the time that
/// it took.
const WAIT_PER_FAILURE: u32 = 8;

/// Bytes of the files of a collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Of `db.json`.
    pub base: u64,
    /// Of the journal's lines.
    pub journal: u64,
}

impl Sizes {
    /// Whether the journal is so long that it is folded while writes arrive.
    pub fn is_long(self) -> bool {
        self.journal > self.long()
    }

    /// Whether the journal is folded when no writes arrive.
    pub fn is_fair_share(self) -> bool {
        self.base <= IDLE_BYTES || self.journal >= self.base / IDLE_SHARE
    }

    fn is_overdue(self) -> bool {
        self.journal > self.long() + OVERDUE_BYTES
    }

    fn long(self) -> u64 {
        JOURNAL_BYTES.max(self.base + self.base / 2)
    }
}

/// How the folds of a journal went, and so when the next one may begin.
pub(crate) struct Schedule {
    /// Why the last fold failed, until one succeeds.
    failure: Option<FoldFailure>,
    /// When the last fold began.
    begun: Instant,
}

/// A fold that failed and may be tried again.
struct FoldFailure {
    reason: String,
    /// Until when the size of the journal does not cause another.
    again: Instant,
}

impl Schedule {
    pub fn new() -> Self {
        Self {
            failure: None,
            begun: Instant::now(),
        }
    }

    /// How long to wait for a write before a fold begins.
    pub fn idle_wait(&self) -> Duration {
        let again = self.failure.as_ref().map_or(Duration::ZERO, |failure| {
            failure.again.saturating_duration_since(Instant::now())
        });
        IDLE.max(again)
    }

    /// Whether a fold has failed so recently that the next one must wait.
    pub fn waits(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| Instant::now() < failure.again)
    }

    /// Whether a journal of this size can be folded, and whether it may grow on if not.
    pub fn folding(&self, sizes: Sizes) -> Folding {
        if self.failure.is_none() {
            Folding::Works
        } else if sizes.is_overdue() {
            Folding::Overdue
        } else {
            Folding::Fails
        }
    }

    /// Why the last fold failed, if it may be tried again.
    pub fn failure(&self) -> Option<&String> {
        self.failure.as_ref().map(|failure| &failure.reason)
    }

    /// Notes that a fold begins.
    pub fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Notes how a step of a fold went. A fold that failed early is tried again after a while.
    ///
    /// # Errors
    /// When it failed in a way after which nothing may be written.
    pub fn note(&mut self, step: Result<(), Failure>, last: bool) -> io::Result<()> {
        match step {
            Ok(()) if last => {
                if self.failure.take().is_some() {
                    tracing::info!("the journal is folded again");
                }
            }
            Ok(()) => {}
            Err(Failure::Early(error)) => {
                let reason = error.to_string();
                let before = self.failure.take();
                // Once for each reason: it is tried often.
                if before.is_none_or(|before| before.reason != reason) {
                    tracing::warn!(%error, "the journal grows on: it cannot be folded now");
                }
                // A large file that cannot be written to its end must not keep the disk busy.
                let wait = IDLE.max(WAIT_PER_FAILURE * self.begun.elapsed());
                let again = Instant::now() + wait;
                self.failure = Some(FoldFailure { reason, again });
            }
            Err(Failure::Final(error)) => return Err(error),
        }
        Ok(())
    }
}
