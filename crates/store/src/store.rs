//! The collection that a service serves.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use common::{Id, Model};

use crate::{
    document,
    error::OpenError,
    list::{List, Query},
    state::{Record, State},
};

/// A collection of records, loaded from a `db.json`. Clones share it.
///
/// The methods are asynchronous so that their callers need not change when the
/// collection moves to a database.
pub struct Store<M: Model> {
    /// Locked for one look-up or one change in memory, never across input or output.
    state: Arc<RwLock<State<M>>>,
}

impl<M: Model> Clone for Store<M> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
        }
    }
}

#[expect(
    clippy::unused_async,
    reason = "a database behind the same methods will wait"
)]
impl<M: Model> Store<M> {
    /// Loads the collection of `M` from the file at `path`, for reading alone:
    /// takes no lock, and changes nothing on disk.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or is not a collection of `M`.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let bytes = fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => OpenError::Missing {
                path: path.to_owned(),
            },
            _ => OpenError::Read {
                path: path.to_owned(),
                source,
            },
        })?;
        let state = document::parse(&bytes).map_err(|fault| OpenError::Document {
            path: path.to_owned(),
            fault,
        })?;
        Ok(Self {
            state: Arc::new(RwLock::new(state)),
        })
    }

    /// The record with this id.
    pub async fn get(&self, id: Id<M>) -> Option<Record> {
        self.state().get(id.get()).map(Record::new)
    }

    /// The records that a query asks for.
    pub async fn list(&self, query: &Query) -> List {
        self.state().list(query)
    }

    /// How many records there are.
    pub async fn count(&self) -> usize {
        self.state().summary.count
    }

    fn state(&self) -> RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}
