//! What the readers of a collection share with its writer.

use std::{
    io,
    sync::{
        Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64,
    },
};

use crate::{error::CloseError, journal::Folding, memory::state::State};

/// The state of a collection and its counters.
pub(crate) struct Shared<M> {
    /// Only the writer changes it, and takes the write lock just to publish one batch. So
    /// no reader waits for input or output.
    state: RwLock<State<M>>,
    /// Writes that are durable.
    pub writes: AtomicU64,
    /// Why the store refuses writes; unset while it takes them.
    pub refusal: OnceLock<String>,
    folding: Mutex<Folding>,
    /// The result of the last fold, once the writer has ended.
    pub closed: OnceLock<Result<(), CloseError>>,
    /// The largest size in bytes that the JSON list of all records may have.
    pub bytes_max: u64,
}

impl<M> Shared<M> {
    pub fn new(state: State<M>, bytes_max: u64) -> Self {
        state.pins.set_collection_bytes(state.summary.array_bytes());
        Self {
            state: RwLock::new(state),
            writes: AtomicU64::new(0),
            refusal: OnceLock::new(),
            folding: Mutex::new(Folding::Works),
            closed: OnceLock::new(),
            bytes_max,
        }
    }

    /// Refuses all further writes. After a failure it is unknown what the disk holds,
    /// until a start reads it again.
    pub fn refuse(&self, error: &io::Error) {
        let reason = error.to_string();
        if self.refusal.set(reason.clone()).is_ok() {
            tracing::error!(
                error = reason,
                "writes are refused; remove the cause, then restart this service"
            );
        }
    }

    /// Whether the journal can be folded.
    pub fn folding(&self) -> Folding {
        *self.folding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether the journal can be folded.
    pub fn set_folding(&self, folding: Folding) {
        *self.folding.lock().unwrap_or_else(PoisonError::into_inner) = folding;
    }

    /// Sets the result of the last fold.
    pub fn set_closed(&self, closed: Result<(), CloseError>) {
        // The writer ends once.
        let _ = self.closed.set(closed);
    }

    /// The collection as readers see it. Readers drop the guard before input, output or
    /// `.await`. The writer keeps a read guard during its own disk work, which delays no
    /// reader: only the writer ever takes the write lock.
    pub fn state(&self) -> RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection, for the writer to publish a batch.
    pub fn state_mut(&self) -> RwLockWriteGuard<'_, State<M>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
