//! The collection that a service serves.

use std::{
    io,
    path::Path,
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
    author::Author,
    bound,
    error::{CloseError, OpenError, ReadError, WriteError},
    journal::{
        Folding,
        file::{
            disk::{Disk, FileSystem},
            file_journal::FileJournal,
            lock::WriteLock,
            recovery::recover_unlocked,
        },
        shared::Shared,
        writer::{Message, Writer},
    },
    json::Object,
    memory::{
        index::tally::{Counted, Tally},
        list::List,
        state::Record,
    },
    query::{Filter, Query},
    rules::body,
    write::{IdempotencyKey, KeyedRequest, Operation, Precondition, Written},
};

/// A collection of records, loaded from a `db.json`. Clones share it.
///
/// When a write returns, it is in the journal on the disk, and survives a crash of the
/// process and a power failure. Readers see only such writes.
///
/// A future of [`Store::create`], [`Store::replace`], [`Store::patch`] or [`Store::delete`]
/// must be polled until it is ready, or be dropped. Other writes of the same batch may get
/// their answers through it: they wait while it is kept without being polled.
///
/// The methods are asynchronous so that callers need not change when the collection moves
/// to a database.
pub struct Store<M: Model> {
    shared: Arc<Shared<M>>,
    /// `None` when the collection is only read.
    writer: Option<Arc<Sender<Message>>>,
    /// Held until the writer and the last reader have ended.
    lock: Option<Arc<WriteLock>>,
}

/// The size of a collection and the state of its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Records in the collection.
    pub records: usize,
    /// Bytes of the JSON list of all records.
    pub bytes: u64,
    /// The largest size in bytes that this list may have.
    pub bytes_max: u64,
    /// Whether the store was opened for writing.
    pub writable: bool,
    /// Durable writes since the start.
    pub writes: u64,
    /// Batches that made them durable, each with a sync.
    pub syncs: u64,
    /// Why writes are refused until the next start.
    pub refusal: Option<String>,
    /// Whether the journal can be folded into `db.json`.
    pub folding: Folding,
}

/// What came of a request to create a record.
#[derive(Debug, Clone)]
pub struct Created<M> {
    /// The record's id.
    pub id: Id<M>,
    /// The record as it is now.
    pub record: Record,
    /// Whether an earlier request with the same key made it, and this one did nothing.
    pub replayed: bool,
}

impl<M: Model> Clone for Store<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            writer: self.writer.clone(),
            lock: self.lock.clone(),
        }
    }
}

impl<M: Model> Store<M> {
    /// Loads the collection of `M` from the file at `path`, only for reading. Takes no lock
    /// and changes nothing on disk. The JSON list of all records may have `bytes_max` bytes.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or is not a collection of `M` within the
    /// bound, and when its journal is damaged or belongs to another file.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, OpenError> {
        let (recovered, _) = recover_unlocked::<M>(&FileSystem, path, bytes_max)?;
        let state = recovered.document.state;
        Ok(Self {
            shared: Arc::new(Shared::new(state, bytes_max)),
            writer: None,
            lock: None,
        })
    }

    /// Opens the collection of `M` in a locked file for reading and writing. Creates an empty
    /// collection when there is no file. On a full disk all writes are refused. The JSON list
    /// of all records may have `bytes_max` bytes.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not a collection of `M` within the bound,
    /// and when the journal is damaged or belongs to another file.
    pub fn open_writable(lock: WriteLock, bytes_max: u64) -> Result<Self, OpenError> {
        let path = lock.path().to_owned();
        bound::check_file(&path, bytes_max)?;
        Self::open_on(Arc::new(FileSystem), &path, Some(Arc::new(lock)), bytes_max)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        lock: Option<Arc<WriteLock>>,
        bytes_max: u64,
    ) -> Result<Self, OpenError> {
        let (shared, writer) = open_writer(disk, path, lock.clone(), bytes_max)?;
        let (sender, messages) = mpsc::channel();
        let sender = Arc::new(sender);
        if let Some(writer) = writer {
            let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
                let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
                spawned.map(drop).map_err(|cause| OpenError::Write {
                    path: path.to_owned(),
                    cause,
                })
            };
            let worker = writer.journal().worker();
            // The writer ends when the stores are gone, whoever helps it.
            let to_writer = Arc::downgrade(&sender);
            let help = move || {
                while worker.work() {
                    if let Some(sender) = to_writer.upgrade() {
                        // The writer may have ended.
                        let _ = sender.send(Message::Helped);
                    }
                }
            };
            spawn("store-folder", Box::new(help))?;
            spawn("store-writer", Box::new(move || writer.run(&messages)))?;
        }
        Ok(Self {
            shared,
            writer: Some(sender),
            lock,
        })
    }

    /// Creates a record with a client's members. Where they name no owner, it is the author, if
    /// that is a user. Poll the future until it is ready, or drop it: see [`Store`].
    ///
    /// # Errors
    /// Any but [`WriteError::NotFound`] and [`WriteError::PreconditionFailed`].
    pub async fn create(
        &self,
        author: Author,
        members: Object,
    ) -> Result<(Id<M>, Record), WriteError> {
        let created = self.create_once(author, None, members).await?;
        Ok((created.id, created.record))
    }

    /// As [`Store::create`], for a request that the author may send several times with the same
    /// key: within 24 hours only the first one creates a record. Others with the same members get
    /// that record as it is now. Without a key every request creates one.
    ///
    /// # Errors
    /// As [`Store::create`], [`WriteError::KeyReused`] and [`WriteError::MadeAndDeleted`]. A
    /// request that is refused may be sent again with the same key and other members.
    pub async fn create_once(
        &self,
        author: Author,
        key: Option<IdempotencyKey>,
        members: Object,
    ) -> Result<Created<M>, WriteError> {
        let keyed = key.map(|key| KeyedRequest::new(key, body::digest(&members)));
        let create = Operation::Create(members, keyed);
        let written = self.write(author, create).await?;
        Ok(Created {
            id: Id::new(written.id).map_err(|_| WriteError::NoMoreIds)?,
            record: written.record.ok_or(WriteError::NotFound)?,
            replayed: written.replayed,
        })
    }

    /// Replaces a record's members. The owner and members that the model does not know stay,
    /// unless the client names them. Poll the future until it is ready, or drop it: see [`Store`].
    ///
    /// # Errors
    /// Any but [`WriteError::NoMoreIds`].
    pub async fn replace(
        &self,
        author: Author,
        id: Id<M>,
        members: Object,
        precondition: Precondition,
    ) -> Result<Record, WriteError> {
        let written = self
            .write(author, Operation::Replace(id.get(), members, precondition))
            .await?;
        written.record.ok_or(WriteError::NotFound)
    }

    /// Applies a JSON merge patch (RFC 7396) to a record. Poll the future until it is ready,
    /// or drop it: see [`Store`].
    ///
    /// # Errors
    /// As [`Store::replace`].
    pub async fn patch(
        &self,
        author: Author,
        id: Id<M>,
        patch: Value,
        precondition: Precondition,
    ) -> Result<Record, WriteError> {
        let written = self
            .write(author, Operation::Patch(id.get(), patch, precondition))
            .await?;
        written.record.ok_or(WriteError::NotFound)
    }

    /// Deletes a record. Its id is never given again. Poll the future until it is ready, or
    /// drop it: see [`Store`].
    ///
    /// # Errors
    /// [`WriteError::NotFound`], [`WriteError::NotAllowed`], [`WriteError::PreconditionFailed`],
    /// [`WriteError::PutOff`], [`WriteError::InDoubt`], [`WriteError::Refused`].
    pub async fn delete(
        &self,
        author: Author,
        id: Id<M>,
        precondition: Precondition,
    ) -> Result<(), WriteError> {
        self.write(author, Operation::Delete(id.get(), precondition))
            .await
            .map(drop)
    }

    /// Folds the journal into `db.json`, which then holds the whole collection. Later writes
    /// are refused.
    ///
    /// # Errors
    /// When the journal could not be folded. Then a backup needs the journal as well.
    pub async fn close(&self) -> Result<(), CloseError> {
        let Some(writer) = &self.writer else {
            return Ok(());
        };
        let (answer, closed) = oneshot::channel();
        if writer.send(Message::Close(answer)).is_ok() {
            // An error means that the writer has ended, and this waits for nothing else.
            let _ = closed.await;
        }
        let closed = self.shared.closed.get().cloned();
        closed.unwrap_or_else(|| Err(CloseError::ended()))
    }

    async fn write(&self, author: Author, operation: Operation) -> Result<Written, WriteError> {
        let writer = self.writer.as_ref().ok_or(WriteError::Refused)?;
        let (answer, answered) = oneshot::channel();
        writer
            .send(Message::Write((author, operation, answer)))
            .map_err(|_| WriteError::Refused)?;
        let Ok(answer) = answered.await else {
            // The writer has ended with the service, or by a bug.
            self.shared
                .refuse(&io::Error::other("the writer has ended"));
            return Err(WriteError::InDoubt);
        };
        answer.into_outcome()
    }
}

#[expect(
    clippy::unused_async,
    reason = "a database behind the same methods will wait, and may be away"
)]
impl<M: Model> Store<M> {
    /// The record with this id, if there is one.
    ///
    /// # Errors
    /// When the collection cannot be read now.
    pub async fn get(&self, id: Id<M>) -> Result<Option<Record>, ReadError> {
        // The guard is dropped here, before the digest is computed.
        let json = self.shared.state().get(id.get());
        Ok(json.map(Record::new))
    }

    /// Bytes of the record with this id; 0 when there is none.
    ///
    /// # Errors
    /// When the collection cannot be read now.
    pub async fn record_bytes(&self, id: Id<M>) -> Result<usize, ReadError> {
        let json = self.shared.state().get(id.get());
        Ok(json.map_or(0, |json| json.len()))
    }

    /// The records that a query asks for.
    ///
    /// # Errors
    /// When the collection cannot be read now.
    pub async fn list(&self, query: &Query) -> Result<List, ReadError> {
        // The lock is released here, before the list is made.
        let selection = self.shared.state().select(query);
        Ok(selection.list(query))
    }

    /// For each filter, how many records pass it, and the last of them: all as of one instant.
    /// It takes no longer when there are more records.
    ///
    /// # Errors
    /// When the collection cannot be read now.
    pub async fn tally(&self, filters: &[Filter]) -> Result<Vec<Tally>, ReadError> {
        let state = self.shared.state();
        let counted: Vec<_> = filters.iter().map(|filter| state.count(filter)).collect();
        // The last records are read without the lock.
        drop(state);
        Ok(counted.into_iter().map(Counted::tally).collect())
    }

    /// The size of the collection and the state of its writes.
    ///
    /// # Errors
    /// When the collection cannot be read now.
    pub async fn status(&self) -> Result<Status, ReadError> {
        let state = self.shared.state();
        let (summary, syncs) = (state.summary, state.position);
        drop(state);
        Ok(Status {
            records: summary.count,
            bytes: summary.array_bytes() as u64,
            bytes_max: self.shared.bytes_max,
            writable: self.writer.is_some(),
            writes: self.shared.writes.load(Relaxed),
            syncs,
            refusal: self.shared.refusal.get().cloned(),
            folding: self.shared.folding(),
        })
    }
}

/// What readers share, and the writer, of a collection in a file. On a full disk there is no
/// writer: the collection can be read, and writes are refused.
type Opened<M> = (Arc<Shared<M>>, Option<Writer<M, FileJournal>>);

/// Recovers the collection in the file at `path`, and begins its journal.
///
/// # Errors
/// As [`FileJournal::open`].
pub(crate) fn open_writer<M: Model>(
    disk: Arc<dyn Disk>,
    path: &Path,
    lock: Option<Arc<WriteLock>>,
    bytes_max: u64,
) -> Result<Opened<M>, OpenError> {
    let (state, journal) = FileJournal::open(disk, path, lock, bytes_max)?;
    let shared = Arc::new(Shared::new(state, bytes_max));
    let writer = match journal {
        Ok(journal) => Some(Writer::new(Arc::clone(&shared), journal)),
        Err(full) => {
            shared.refuse(&full.error);
            shared.set_closed(full.closed);
            None
        }
    };
    Ok((shared, writer))
}
