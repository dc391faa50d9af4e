//! The one writer of a collection: a thread that owns the journal. It collects
//! the writes that have arrived, appends them, syncs once, publishes the new
//! state, and answers all.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use common::{Model, Timestamp};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3;

use crate::{
    answers::{Answer, Answers},
    batch::{Batch, Changes, Operation},
    digest::Digest,
    disk::{Disk, DiskFile, Version},
    document::{Document, Others},
    error::{OpenError, WriteError},
    journal_writer::JournalWriter,
    lock::WriteLock,
    recovery::{Recovered, about, beside, journal_path, recover},
    state::State,
};

/// Writes that one sync makes durable at most.
const BATCH_MAX: usize = 1024;

/// Bytes of journal after which it is folded into `db.json`, if that is not larger.
const JOURNAL_BYTES: u64 = 1024 * 1024;

/// How long after the last write the journal is folded into a small `db.json`.
const IDLE: Duration = Duration::from_secs(1);

/// Bytes of `db.json` for which an idle writer waits another second, so that
/// now and then a write does not keep the disk busy with rewriting.
const BYTES_PER_IDLE_SECOND: u64 = 10 * 1024 * 1024;

/// What readers and the writer share.
pub(crate) struct Shared<M> {
    /// Locked for one look-up or for publishing one batch, never across input or output.
    pub state: RwLock<State<M>>,
    /// Writes that are durable.
    pub writes: AtomicU64,
    /// Syncs that made them durable.
    pub syncs: AtomicU64,
    /// Why no more writes are taken.
    pub refusal: OnceLock<String>,
    _lock: Option<WriteLock>,
}

impl<M> Shared<M> {
    pub fn new(state: State<M>, lock: Option<WriteLock>) -> Self {
        Self {
            state: RwLock::new(state),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            refusal: OnceLock::new(),
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

    pub fn state(&self) -> RwLockReadGuard<'_, State<M>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer is asked.
pub(crate) enum Message {
    Write(Operation, oneshot::Sender<Answer>),
    /// Fold the journal into `db.json` and end.
    Close(oneshot::Sender<()>),
}

/// The writer's own.
pub(crate) struct Writer<M> {
    shared: Arc<Shared<M>>,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    others: Others,
    journal: JournalWriter,
    /// The `db.json` that this writer has read or written.
    version: Option<Version>,
}

impl<M: Model> Writer<M> {
    /// Recovers the collection in the file at `path`, makes the files say what
    /// was recovered, and begins a new journal. There is no writer on a full
    /// disk: what was recovered can be read, and writes are refused.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not as it should be. Nothing
    /// that was acknowledged is lost.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        lock: Option<WriteLock>,
    ) -> Result<(Arc<Shared<M>>, Option<Self>), OpenError> {
        let Recovered {
            document,
            base,
            journal,
            ..
        } = recover::<M>(&*disk, path)?;
        let Document {
            state,
            others,
            numbered,
        } = document;
        let shared = Arc::new(Shared::new(state, lock));
        let replayed = journal.as_ref().is_some_and(|found| found.changes > 0);
        // Whether db.json does not say all that there is to say.
        let incomplete = base.is_none() || numbered || replayed;
        let begun = settle(&*disk, path, base.is_some()).and_then(|()| {
            let at = journal_path(path);
            let mut old = match journal.filter(|found| found.changes > 0) {
                Some(found) => Some(JournalWriter::reopen(&*disk, &at, found).map_err(about(&at))?),
                None => None,
            };
            let (version, digest) =
                base.map_or_else(Default::default, |base| (base.version, base.digest));
            let (version, digest) = if incomplete {
                let state = shared.state();
                checkpoint(&*disk, path, &state, &others, version, old.as_mut())?
            } else {
                (version, digest)
            };
            let journal = JournalWriter::create(&*disk, &at, path, M::COLLECTION, digest)
                .map_err(about(&at))?;
            Ok((version, journal))
        });
        match begun {
            Ok((version, journal)) => {
                let writer = Self {
                    shared: Arc::clone(&shared),
                    disk,
                    path: path.to_owned(),
                    others,
                    journal,
                    version,
                };
                Ok((shared, Some(writer)))
            }
            Err(error) if is_full(&error) => {
                shared.refuse(&error);
                Ok((shared, None))
            }
            Err(cause) => Err(OpenError::Write {
                path: path.to_owned(),
                cause,
            }),
        }
    }

    /// Serves messages until it is told to close or nobody is left to ask.
    pub fn run(mut self, messages: &Receiver<Message>) {
        let mut batch = Vec::new();
        loop {
            let first = match self.idle_wait() {
                Some(wait) => messages.recv_timeout(wait),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(first) => batch.extend(
                    [first]
                        .into_iter()
                        .chain(messages.try_iter())
                        .take(BATCH_MAX),
                ),
                Err(RecvTimeoutError::Timeout) => self.checkpoint(),
                Err(RecvTimeoutError::Disconnected) => return self.checkpoint(),
            }
            let mut closed = None;
            let mut operations = Vec::with_capacity(batch.len());
            for message in batch.drain(..) {
                match message {
                    Message::Write(operation, answer) => operations.push((operation, answer)),
                    Message::Close(answer) => closed = Some(answer),
                }
            }
            self.write(operations);
            if let Some(answer) = closed {
                self.checkpoint();
                drop(self);
                // Nobody may be waiting any more.
                let _ = answer.send(());
                return;
            }
            if self.journal.bytes() > JOURNAL_BYTES.max(self.base_bytes()) {
                self.checkpoint();
            }
        }
    }

    /// How long without a write until the journal is folded; `None` when there is nothing to fold.
    fn idle_wait(&self) -> Option<Duration> {
        let seconds = u32::try_from(self.base_bytes() / BYTES_PER_IDLE_SECOND).unwrap_or(u32::MAX);
        let dirty = self.journal.batches() > 0 && self.shared.refusal.get().is_none();
        dirty.then(|| IDLE * (1 + seconds))
    }

    fn base_bytes(&self) -> u64 {
        self.version.map_or(0, |version| version.bytes)
    }

    /// Decides these writes, makes what they change durable, and answers.
    pub fn write(&mut self, operations: Vec<(Operation, oneshot::Sender<Answer>)>) {
        let mut outcomes = Vec::with_capacity(operations.len());
        let state = self.shared.state();
        let mut batch = Batch::new(&state, Timestamp::now());
        for (operation, answer) in operations {
            let decided = match self.shared.refusal.get() {
                None => batch.decide(operation),
                Some(_) => Err(WriteError::Refused),
            };
            outcomes.push((answer, decided));
        }
        let (changes, journalled) = batch.into_changes();
        drop(state);
        if !changes.is_empty() {
            // A write on top of somebody else's db.json would be of no use.
            let appended = unchanged(&*self.disk, &self.path, self.version).and_then(|()| {
                let appended = self.journal.append(journalled);
                appended.map_err(about(&journal_path(&self.path)))
            });
            match appended {
                Ok(()) => self.publish(changes),
                Err(error) => {
                    self.shared.refuse(&error);
                    // Also what failed: it may have been decided on writes that are not there.
                    for (_, decided) in &mut outcomes {
                        *decided = Err(WriteError::Refused);
                    }
                }
            }
        }
        Answers::new(outcomes).give();
    }

    /// Lets readers see what is durable now.
    fn publish(&self, changes: Changes<M>) {
        self.shared.writes.fetch_add(changes.len() as u64, Relaxed);
        self.shared.syncs.fetch_add(1, Relaxed);
        let mut state = self
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for (id, record) in changes {
            match record {
                Some((json, record)) => state.put(id, &json, &record),
                None => state.remove(id),
            }
        }
    }

    /// Folds the journal into `db.json`.
    pub fn checkpoint(&mut self) {
        if self.journal.batches() == 0 || self.shared.refusal.get().is_some() {
            return;
        }
        let state = self.shared.state();
        let (disk, journal) = (&*self.disk, &mut self.journal);
        let written = checkpoint(
            disk,
            &self.path,
            &state,
            &self.others,
            self.version,
            Some(journal),
        );
        drop(state);
        let at = journal_path(&self.path);
        let renewed = written.and_then(|(version, digest)| {
            self.version = version;
            JournalWriter::create(disk, &at, &self.path, M::COLLECTION, digest).map_err(about(&at))
        });
        match renewed {
            Ok(journal) => self.journal = journal,
            Err(error) => self.shared.refuse(&error),
        }
    }
}

/// Makes durable what was read: it may only be in the system's memory, where a
/// process that was killed, or the one who put the file there, has left it.
fn settle(disk: &dyn Disk, path: &Path, base: bool) -> io::Result<()> {
    if base {
        disk.sync(path).map_err(about(path))?;
    }
    disk.sync_directory_of(path).map_err(about(path))
}

/// Whether the disk, or the user's share of it, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether the file is the one of this version.
///
/// # Errors
/// When it is not, and when the disk does not say.
fn unchanged(disk: &dyn Disk, path: &Path, version: Option<Version>) -> io::Result<()> {
    if disk.version(path).map_err(about(path))? == version {
        return Ok(());
    }
    let detail = "was changed by someone else; restart this service to serve what it says now";
    Err(about(path)(io::Error::other(detail)))
}

/// Writes `db.json` anew: durable when this returns, and whole at every instant
/// before. `journal`, if there is one, learns of it first.
fn checkpoint<M: Model>(
    disk: &dyn Disk,
    path: &Path,
    state: &State<M>,
    others: &Others,
    version: Option<Version>,
    journal: Option<&mut JournalWriter>,
) -> io::Result<(Option<Version>, Digest)> {
    let new = beside(path, ".new");
    let mut out = BufWriter::with_capacity(
        256 * 1024,
        Appender {
            file: disk.create(&new, path).map_err(about(&new))?,
            offset: 0,
            digest: Xxh3::new(),
        },
    );
    others
        .write(state, &mut out)
        .and_then(|()| out.flush())
        .map_err(about(&new))?;
    let Appender {
        mut file, digest, ..
    } = out.into_parts().0;
    file.sync().map_err(about(&new))?;
    let digest = Digest::from(digest.digest128());
    // Of the new file, and before it has its name: behind that, it could be
    // somebody else's version.
    let new_version = disk.version(&new).map_err(about(&new))?;
    if let Some(journal) = journal {
        journal
            .checkpoint(digest)
            .map_err(about(&journal_path(path)))?;
    }
    unchanged(disk, path, version)?;
    disk.rename(&new, path).map_err(about(path))?;
    disk.sync_directory_of(path).map_err(about(path))?;
    Ok((new_version, digest))
}

/// Appends to a file of the disk, and digests what it appends.
struct Appender {
    file: Box<dyn DiskFile>,
    offset: u64,
    digest: Xxh3,
}

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
