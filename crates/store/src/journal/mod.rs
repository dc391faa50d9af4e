//! Makes changes durable: one writer, and the journal that it appends to.

use std::{io, time::Duration};

use crate::{error::CloseError, memory::state::State, write::Changes};

pub(crate) mod answers;
pub(crate) mod file;
pub(crate) mod shared;
pub(crate) mod writer;

/// Where the batches of a collection become durable, one at each position.
///
/// Position `n` is that of the `n`th batch. A state has a position, too: that of the last
/// batch that it holds. Every state given here must be at the position of the journal.
pub(crate) trait Journal<M> {
    /// Appends a batch that was decided on this state, at the next position. When this
    /// returns, the batch is durable there, and nobody else has appended another.
    ///
    /// # Errors
    /// When that is not so, or is unknown.
    fn append(&mut self, state: &State<M>, batch: Changes) -> Result<(), AppendError>;

    /// How long to wait for a write before [`Occasion::Idle`]; `None` when the journal need
    /// not be folded then.
    fn idle_wait(&self) -> Option<Duration>;

    /// Takes the occasion to fold the journal: to write this state in one piece, so that a
    /// start need not read the batches before it. Does a part of that, all, or nothing.
    /// A fold that failed but may be tried again is no error.
    ///
    /// # Errors
    /// When nothing may be appended any more.
    fn fold(&mut self, state: &State<M>, occasion: Occasion) -> io::Result<()>;

    /// Whether the journal can be folded.
    fn folding(&self) -> Folding;

    /// Checks, after the last fold, that nothing is lost when this process ends. `refusal`
    /// says why nothing may be appended any more, if that is so.
    ///
    /// # Errors
    /// When something is, or when the last fold left a part to the journal.
    fn close(&mut self, state: &State<M>, refusal: Option<&String>) -> Result<(), CloseError>;
}

/// Why a batch is not durable, as far as is known.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// Nothing was appended. It may be tried again.
    PutOff(io::Error),
    /// Nothing was appended, and nothing may be any more.
    Refused(io::Error),
    /// It is unknown whether the batch is durable. Nothing may be appended behind it.
    InDoubt(io::Error),
}

/// An occasion to fold the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A batch was decided, and appended if it changed anything.
    Batch,
    /// No write has arrived for as long as [`Journal::idle_wait`] says.
    Idle,
    /// The thread that helps with a fold has done its part.
    Helped,
    /// The writer is about to end.
    Closing,
}

/// Whether the journal can be folded into `db.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folding {
    /// As it should.
    Works,
    /// Not now. The journal grows on, and it is tried again.
    Fails,
    /// The same, and the journal is as long as it may become: writes are put off.
    Overdue,
}
