//! The collection that a service serves.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{self, Sender},
    },
    thread,
};

use common::{Id, Model};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{
    batch::{Operation, Precondition, Written},
    disk::{Disk, FileSystem, directory_of},
    edit::Object,
    error::{OpenError, WriteError},
    list::{List, Query},
    mount::mount_point,
    recovery::{beside, recover},
    state::Record,
    writer::{Message, Shared, Writer},
};

/// How often a reader looks again when a writer changed the files between two looks.
const LOOKS: usize = 5;

/// A collection of records, loaded from a `db.json`. Clones share it.
///
/// When a write returns, it is in the journal on the disk, and survives the end
/// of the process and of the power. Readers see only such writes.
///
/// The methods are asynchronous so that their callers need not change when the
/// collection moves to a database.
pub struct Store<M: Model> {
    shared: Arc<Shared<M>>,
    /// `None` when the collection is only read.
    writer: Option<Sender<Message>>,
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Records in the collection.
    pub records: usize,
    /// Whether it takes writes at all.
    pub writable: bool,
    /// Writes since the start.
    pub writes: u64,
    /// Syncs that made them durable.
    pub syncs: u64,
    /// Why writes are refused until the next start.
    pub refusal: Option<String>,
}

impl<M: Model> Clone for Store<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            writer: self.writer.clone(),
        }
    }
}

impl<M: Model> Store<M> {
    /// Loads the collection of `M` from the file at `path`, for reading alone:
    /// takes no lock, and changes nothing on disk.
    ///
    /// # Errors
    /// When the file is missing, cannot be read or is not a collection of `M`,
    /// and when its journal is damaged or another file's.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut looks = 1;
        let recovered = loop {
            match recover::<M>(&FileSystem, path) {
                // A writer may have put both files in place between our two looks.
                Err(OpenError::ForeignJournal { .. }) if looks < LOOKS => looks += 1,
                recovered => break recovered?,
            }
        };
        if recovered.base.is_none() {
            return Err(OpenError::Missing {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            shared: Arc::new(Shared::new(recovered.document.state)),
            writer: None,
        })
    }

    /// Opens the collection of `M` in the file at `path` for reading and
    /// writing; begins an empty one when there is no file.
    ///
    /// # Errors
    /// As [`Store::open`], and when another process writes the file or this one cannot.
    pub fn open_writable(path: &Path) -> Result<Self, OpenError> {
        let path = real_path(path)?;
        let lock = lock(&path)?;
        if mount_point(&path).is_ok_and(|mount| mount == path) {
            return Err(OpenError::SingleFileMount { path });
        }
        Self::open_on(Arc::new(FileSystem), &path, Some(lock))
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let recovered = recover::<M>(&*disk, path)?;
        let writer = Writer::begin(disk, path.to_owned(), recovered, lock).map_err(|source| {
            OpenError::Write {
                path: path.to_owned(),
                source,
            }
        })?;
        let shared = Arc::clone(writer.shared());
        let (sender, messages) = mpsc::channel();
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(|source| OpenError::Write {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            writer: Some(sender),
        })
    }

    /// Creates a record of a client's members.
    ///
    /// # Errors
    /// [`WriteError::Invalid`], [`WriteError::Conflict`], [`WriteError::NoMoreIds`],
    /// [`WriteError::Refused`].
    pub async fn create(&self, members: Object) -> Result<(Id<M>, Record), WriteError> {
        let written = self.write(Operation::Create(members)).await?;
        let id = Id::new(written.id).map_err(|_| WriteError::NoMoreIds)?;
        Ok((id, written.record.ok_or(WriteError::NotFound)?))
    }

    /// Replaces a record's members. Members that only the file knows stay
    /// unless the client names them.
    ///
    /// # Errors
    /// Any but [`WriteError::NoMoreIds`].
    pub async fn replace(
        &self,
        id: Id<M>,
        members: Object,
        precondition: Precondition,
    ) -> Result<Record, WriteError> {
        let written = self
            .write(Operation::Replace(id.get(), members, precondition))
            .await?;
        written.record.ok_or(WriteError::NotFound)
    }

    /// Applies a JSON merge patch (RFC 7396) to a record.
    ///
    /// # Errors
    /// As [`Store::replace`].
    pub async fn patch(
        &self,
        id: Id<M>,
        patch: Value,
        precondition: Precondition,
    ) -> Result<Record, WriteError> {
        let written = self
            .write(Operation::Patch(id.get(), patch, precondition))
            .await?;
        written.record.ok_or(WriteError::NotFound)
    }

    /// Deletes a record. Its id is never given again.
    ///
    /// # Errors
    /// [`WriteError::NotFound`], [`WriteError::PreconditionFailed`], [`WriteError::Refused`].
    pub async fn delete(&self, id: Id<M>, precondition: Precondition) -> Result<(), WriteError> {
        self.write(Operation::Delete(id.get(), precondition))
            .await
            .map(drop)
    }

    /// Folds the journal into `db.json`, which is then all there is to back up.
    /// Later writes are refused.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if let Some(writer) = &self.writer
            && writer.send(Message::Close(answer)).is_ok()
        {
            // An error says that the writer has ended, which is what is waited for.
            let _ = closed.await;
        }
    }

    async fn write(&self, operation: Operation) -> Result<Written, WriteError> {
        let writer = self.writer.as_ref().ok_or(WriteError::Refused)?;
        let (answer, answered) = oneshot::channel();
        writer
            .send(Message::Write(operation, answer))
            .map_err(|_| WriteError::Refused)?;
        answered.await.unwrap_or(Err(WriteError::Refused))
    }
}

#[expect(
    clippy::unused_async,
    reason = "a database behind the same methods will wait"
)]
impl<M: Model> Store<M> {
    /// The record with this id.
    pub async fn get(&self, id: Id<M>) -> Option<Record> {
        // Bound first, so that the lock is released before the digest is taken.
        let json = self.shared.state().get(id.get());
        json.map(Record::new)
    }

    /// The records that a query asks for.
    pub async fn list(&self, query: &Query) -> List {
        self.shared.state().list(query)
    }

    /// What the store says of itself.
    pub async fn status(&self) -> Status {
        Status {
            records: self.shared.state().summary.count,
            writable: self.writer.is_some(),
            writes: self.shared.writes.load(Relaxed),
            syncs: self.shared.syncs.load(Relaxed),
            refusal: self.shared.refusal.get().cloned(),
        }
    }
}

/// The file itself, so that a link to it is not what gets replaced.
fn real_path(path: &Path) -> Result<PathBuf, OpenError> {
    let read = |source| OpenError::Read {
        path: path.to_owned(),
        source,
    };
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory_of(path).canonicalize().map_err(read)?;
            Ok(directory.join(path.file_name().ok_or(error).map_err(read)?))
        }
        real => real.map_err(read),
    }
}

/// Takes the lock that one writer holds on a file for its lifetime.
fn lock(path: &Path) -> Result<File, OpenError> {
    let at = beside(path, ".lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&at);
    let file = opened.map_err(|source| match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => OpenError::ReadOnlyFileSystem {
            path: path.to_owned(),
        },
        _ => OpenError::Write {
            path: at.clone(),
            source,
        },
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Write { path: at, source }),
    }
}
