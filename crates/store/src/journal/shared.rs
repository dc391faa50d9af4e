//! What the readers of a collection share with its writer.

use std::{
    io,
    sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64},
};

use crate::{journal::file::lock::WriteLock, memory::state::State};

/// What readers and the writer share.
pub(crate) struct Shared<M> {
    /// Only the writer changes it, and locks it then for publishing one batch: nobody
    /// who reads it waits for input or output.
    state: RwLock<State<M>>,
    /// Writes that are durable.
    pub writes: AtomicU64,
    /// Syncs that made them durable.
    pub syncs: AtomicU64,
    /// Why no more writes are taken.
    pub refusal: OnceLock<String>,
    /// Bytes that the list of all records may have.
    pub bytes_max: u64,
    /// Held until the last reader and the writer are gone.
    _lock: Option<WriteLock>,
}

impl<M> Shared<M> {
    pub fn new(state: State<M>, lock: Option<WriteLock>, bytes_max: u64) -> Self {
        state.pins.set_collection_bytes(state.summary.array_bytes());
        Self {
            state: RwLock::new(state),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            refusal: OnceLock::new(),
            bytes_max,
            _lock: lock,
        }
    }

    /// Takes no more writes: after a failure nobody knows what the disk holds
    /// until it is read again.
    pub fn refuse(&self, error: &io::Error) {
        let reason = error.to_string();
        if self.refusal.set(reason.clone()).is_ok() {
            tracing::error!(
                error = reason,
                "writes are refused; remove the cause, then restart this service"
            );
        }
    }

    /// The collection as readers see it.
    pub fn state(&self) -> RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection, to publish a batch.
    pub fn state_mut(&self) -> RwLockWriteGuard<'_, State<M>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
