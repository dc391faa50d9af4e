//! The one writer of a collection: a thread that owns the journal. It collects
//! the writes that have arrived, appends them, syncs once, publishes the new
//! state, and answers all.

use std::{
    io,
    path::Path,
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use common::{Model, Timestamp};
use tokio::sync::oneshot;

use crate::{
    batch::{Batch, Changes},
    bound,
    document::text::{Document, Others},
    error::{OpenError, WriteError},
    journal::file::{
        answers::{Answer, Answers},
        append::JournalWriter,
        base_file::{BaseFile, settle},
        disk::Disk,
        failure::{Failure, early, fatal, foreign},
        lock::WriteLock,
        recovery::{Recovered, about, journal_path, recover},
    },
    memory::state::State,
    write::{Change, Operation},
};

/// Writes that one sync makes durable at most.
const BATCH_MAX: usize = 1024;

/// Bytes of records after which a batch takes no more writes: it holds each
/// record several times, and a record may have 16 MiB.
const BATCH_BYTES: usize = 1024 * 1024;

/// Bytes of journal after which it is folded into `db.json`, if that is not larger.
const JOURNAL_BYTES: u64 = 1024 * 1024;

/// How long after the last write the journal is folded into a small `db.json`.
const IDLE: Duration = Duration::from_secs(1);

/// Bytes of `db.json` for which an idle writer waits another second, so that
/// now and then a write does not keep the disk busy with rewriting.
const BYTES_PER_IDLE_SECOND: u64 = 10 * 1024 * 1024;

/// What readers and the writer share.
pub(crate) struct Shared<M> {
    /// Only the writer changes it, and locks it then for publishing one batch: nobody
    /// who reads it waits for input or output.
    pub state: RwLock<State<M>>,
    /// Writes that are durable.
    pub writes: AtomicU64,
    /// Syncs that made them durable.
    pub syncs: AtomicU64,
    /// Why no more writes are taken.
    pub refusal: OnceLock<String>,
    /// Bytes that the list of all records may have.
    pub bytes_max: u64,
    lock: Option<WriteLock>,
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
            lock,
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
    base: BaseFile,
    others: Others,
    journal: JournalWriter,
    /// Until when writes do not have the journal folded, after a failure.
    fold_again: Option<Instant>,
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
        bytes_max: u64,
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
        // Before anything is written.
        bound::check(path, &state, bytes_max)?;
        let shared = Arc::new(Shared::new(state, lock, bytes_max));
        let replayed = journal.as_ref().is_some_and(|found| found.changes > 0);
        // Whether db.json does not say all that there is to say.
        let incomplete = base.is_none() || numbered || replayed;
        let begin = || -> Result<_, Failure> {
            let directory = disk.directory_of(path).map_err(early(path))?;
            settle(&*disk, path, &*directory, base.is_some())?;
            let at = journal_path(path);
            let mut old = match journal.filter(|found| found.changes > 0) {
                Some(found) => Some(JournalWriter::reopen(&*disk, &at, found).map_err(fatal(&at))?),
                None => None,
            };
            let (version, mut digest) =
                base.map_or_else(Default::default, |base| (base.version, base.digest));
            let mut base = BaseFile {
                disk,
                path: path.to_owned(),
                directory,
                version,
                lock: shared.lock.as_ref().map(WriteLock::file),
            };
            if incomplete {
                digest = base.replace(&shared.state(), &others, old.as_mut())?;
            }
            let journal = base.begin_journal(M::COLLECTION, digest)?;
            Ok((base, journal))
        };
        match begin().map_err(io::Error::from) {
            Ok((base, journal)) => {
                let writer = Self {
                    shared: Arc::clone(&shared),
                    base,
                    others,
                    journal,
                    fold_again: None,
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
                Err(RecvTimeoutError::Disconnected) => return self.close(),
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
                self.close();
                drop(self);
                // Nobody may be waiting any more.
                let _ = answer.send(());
                return;
            }
        }
    }

    /// How long without a write until the journal is folded; `None` when there is nothing to fold.
    fn idle_wait(&self) -> Option<Duration> {
        let seconds = self.base.bytes() / BYTES_PER_IDLE_SECOND;
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let dirty = self.journal.batches() > 0 && self.shared.refusal.get().is_none();
        dirty.then(|| IDLE * (1 + seconds))
    }

    /// Decides these writes, makes what they change durable, and answers: all at
    /// once, or as many at a time as make up [`BATCH_BYTES`].
    pub fn write(&mut self, operations: Vec<(Operation, oneshot::Sender<Answer>)>) {
        let mut operations = operations.into_iter();
        while operations.len() > 0 {
            self.write_batch(&mut operations);
            let waits = self.fold_again.is_some_and(|at| Instant::now() < at);
            if self.journal.bytes() > JOURNAL_BYTES.max(self.base.bytes()) && !waits {
                self.checkpoint();
            }
        }
    }

    fn write_batch(
        &mut self,
        operations: &mut impl Iterator<Item = (Operation, oneshot::Sender<Answer>)>,
    ) {
        let mut outcomes = Vec::new();
        let state = self.shared.state();
        let mut batch = Batch::new(&state, Timestamp::now()).within(self.shared.bytes_max);
        while batch.bytes() < BATCH_BYTES
            && let Some((operation, answer)) = operations.next()
        {
            let decided = match self.shared.refusal.get() {
                None => batch.decide(operation),
                Some(_) => Err(WriteError::Refused),
            };
            outcomes.push((answer, decided));
        }
        let (changes, journalled) = batch.into_changes();
        drop(state);
        if !changes.is_empty() {
            let error = match self.check_files().map(|()| self.append(journalled)) {
                Ok(Ok(())) => {
                    self.publish(changes);
                    None
                }
                Ok(Err(error)) => {
                    self.shared.refuse(&error);
                    Some(WriteError::InDoubt)
                }
                Err(Failure::Early(error)) => {
                    tracing::warn!(%error, "writes had to be put off");
                    Some(WriteError::PutOff)
                }
                Err(Failure::Final(error)) => {
                    self.shared.refuse(&error);
                    Some(WriteError::Refused)
                }
            };
            if let Some(error) = error {
                // Also what failed: it may have been decided on writes that are not there.
                for (_, decided) in &mut outcomes {
                    *decided = Err(error.clone());
                }
            }
        }
        Answers::new(outcomes).give();
    }

    /// Makes a batch durable, in files that are still this writer's afterwards.
    fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let at = journal_path(&self.base.path);
        self.journal.append(changes).map_err(about(&at))?;
        // Whoever has taken the right to write since may have read the journal before.
        self.base.check_lock().map_err(io::Error::from)
    }

    /// Whether the files are still this writer's: what is written on top of
    /// somebody else's is of no use.
    fn check_files(&mut self) -> Result<(), Failure> {
        self.base.check()?;
        self.check_journal()
    }

    /// Whether the journal is still found under its name. What it held is saved
    /// when it was removed.
    fn check_journal(&mut self) -> Result<(), Failure> {
        let at = journal_path(&self.base.path);
        match self.base.disk.identity(&at).map_err(early(&at))? {
            Some(found) if found == self.journal.identity() => self.check_journal_length(&at),
            Some(_) => {
                let what = "was replaced by someone else; restart this service to read it";
                Err(foreign(&at, what))
            }
            None => {
                let what = match self.save() {
                    Ok(()) => "was removed; db.json holds all that it did; restart this service"
                        .to_owned(),
                    // Tried again: nothing else has what the journal held.
                    Err(early @ Failure::Early(_)) => return Err(early),
                    Err(Failure::Final(error)) => format!(
                        "was removed, and what it held could not be saved in db.json: {error}"
                    ),
                };
                Err(foreign(&at, what))
            }
        }
    }

    /// Whether the journal is as long as it was written. A journal that someone has written to
    /// is put out of use: all that it held is saved, and an empty one takes its place.
    fn check_journal_length(&mut self, at: &Path) -> Result<(), Failure> {
        let version = self.base.disk.version(at).map_err(early(at))?;
        if version.is_some_and(|version| version.bytes == self.journal.length()) {
            return Ok(());
        }
        let state = self.shared.state();
        let saved = self.base.replace(&state, &self.others, None);
        drop(state);
        let saved = saved.and_then(|digest| self.base.begin_journal(M::COLLECTION, digest));
        let what = match saved {
            Ok(journal) => {
                self.journal = journal;
                "was changed by someone else; db.json holds all that it did; restart this service"
                    .to_owned()
            }
            Err(early @ Failure::Early(_)) => return Err(early),
            Err(Failure::Final(error)) => {
                format!("was changed by someone else, and what it held could not be saved: {error}")
            }
        };
        Err(foreign(at, what))
    }

    /// Folds the journal for the last time. When both the journal and the lock were removed,
    /// nothing but this process has the writes that were not folded: it saves them if no other
    /// has begun to write.
    fn close(&mut self) {
        self.checkpoint();
        let at = journal_path(&self.base.path);
        let unsaved = self.journal.batches();
        if unsaved == 0 || !matches!(self.base.disk.identity(&at), Ok(None)) {
            return;
        }
        let saved = match self.base.retake_lock() {
            // Held until all is written.
            Ok(Some(_lock)) => self.save().map_err(io::Error::from),
            Ok(None) => Err(io::Error::other("another process may write the collection")),
            Err(error) => Err(error),
        };
        match saved {
            Ok(()) => tracing::warn!(
                batches = unsaved,
                "the journal was removed; db.json holds all that it did"
            ),
            Err(error) => tracing::error!(
                %error,
                batches = unsaved,
                "the journal was removed, and what it held is lost"
            ),
        }
    }

    /// Writes all that the journal held to `db.json`.
    fn save(&mut self) -> Result<(), Failure> {
        if self.journal.batches() == 0 {
            return Ok(());
        }
        let state = self.shared.state();
        self.base.replace(&state, &self.others, None)?;
        self.journal.saved();
        Ok(())
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
        state.pins.set_collection_bytes(state.summary.array_bytes());
        let pins = Arc::clone(&state.pins);
        drop(state);
        pins.bound();
    }

    /// Folds the journal into `db.json`, if there is anything to fold. What could
    /// not be begun is tried again after a while.
    pub fn checkpoint(&mut self) {
        if self.journal.batches() == 0 || self.shared.refusal.get().is_some() {
            return;
        }
        self.fold_again = match self.fold() {
            Ok(()) => None,
            Err(Failure::Early(error)) => {
                tracing::warn!(%error, "the journal grows on: it cannot be folded now");
                Some(Instant::now() + IDLE)
            }
            Err(Failure::Final(error)) => {
                self.shared.refuse(&error);
                None
            }
        };
    }

    fn fold(&mut self) -> Result<(), Failure> {
        self.check_files()?;
        let state = self.shared.state();
        let journal = Some(&mut self.journal);
        let digest = self.base.replace(&state, &self.others, journal)?;
        self.journal = self.base.begin_journal(M::COLLECTION, digest)?;
        Ok(())
    }
}

/// Whether the disk, or the user's share of it, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
