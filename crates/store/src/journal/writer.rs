//! The one writer of a collection: a thread that owns the journal. It collects
//! the writes that have arrived, appends them, syncs once, publishes the new
//! state, and answers all.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use common::{Model, Timestamp};
use tokio::sync::oneshot;

use crate::{
    batch::{Batch, Changes},
    bound,
    error::{OpenError, WriteError},
    journal::{
        answers::{Answer, Answers},
        file::{
            disk::Disk,
            failure::{Failure, is_full},
            journal::FileJournal,
            lock::WriteLock,
            recovery::{Recovered, recover},
        },
        shared::Shared,
    },
    write::Operation,
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

/// What the writer is asked.
pub(crate) enum Message {
    Write(Operation, oneshot::Sender<Answer>),
    /// Fold the journal into `db.json` and end.
    Close(oneshot::Sender<()>),
}

/// The writer's own.
pub(crate) struct Writer<M> {
    shared: Arc<Shared<M>>,
    journal: FileJournal,
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
            mut document,
            base,
            journal,
            ..
        } = recover::<M>(&*disk, path)?;
        // Before anything is written.
        bound::check(path, &document.state, bytes_max)?;
        let locked_file = lock.as_ref().map(WriteLock::file);
        let begun = FileJournal::begin(disk, path, locked_file, &mut document, base, journal);
        let shared = Arc::new(Shared::new(document.state, lock, bytes_max));
        match begun.map_err(io::Error::from) {
            Ok(journal) => {
                let writer = Self {
                    shared: Arc::clone(&shared),
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
        let seconds = self.journal.base_bytes() / BYTES_PER_IDLE_SECOND;
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let dirty = !self.journal.is_folded() && self.shared.refusal.get().is_none();
        dirty.then(|| IDLE * (1 + seconds))
    }

    /// Decides these writes, makes what they change durable, and answers: all at
    /// once, or as many at a time as make up [`BATCH_BYTES`].
    pub fn write(&mut self, operations: Vec<(Operation, oneshot::Sender<Answer>)>) {
        let mut operations = operations.into_iter();
        while operations.len() > 0 {
            self.write_batch(&mut operations);
            let waits = self.fold_again.is_some_and(|at| Instant::now() < at);
            if self.journal.bytes() > JOURNAL_BYTES.max(self.journal.base_bytes()) && !waits {
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
            let checked = self.journal.check(&self.shared.state());
            let error = match checked.map(|()| self.journal.append(journalled)) {
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

    /// Folds the journal for the last time.
    fn close(&mut self) {
        self.checkpoint();
        self.journal.save_if_removed(&self.shared.state());
    }

    /// Lets readers see what is durable now.
    fn publish(&self, changes: Changes<M>) {
        self.shared.writes.fetch_add(changes.len() as u64, Relaxed);
        self.shared.syncs.fetch_add(1, Relaxed);
        let mut state = self.shared.state_mut();
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
        if self.journal.is_folded() || self.shared.refusal.get().is_some() {
            return;
        }
        self.fold_again = match self.journal.fold(&self.shared.state()) {
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
}
