//! The only writer of a collection: a thread that owns the journal. It collects
//! the writes that have arrived, appends them, syncs once, publishes the new
//! state, and then answers the writes.

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
    author::Author,
    batch::Batch,
    bound,
    error::{CloseError, OpenError, WriteError},
    journal::{
        answers::{Answer, Answers},
        file::{
            disk::Disk,
            failure::{Failure, is_full},
            files::CollectionFiles,
            fold::helper::Worker,
            lock::WriteLock,
            paths::journal_path,
            recovery::{Recovered, recover},
        },
        shared::{Folding, Shared},
    },
    memory::state::StateChange,
    write::Operation,
};

/// The largest number of writes that share one sync.
const BATCH_MAX: usize = 1024;

/// Bytes of changed records after which a batch takes no more writes. This bounds
/// memory: a batch holds several copies of each record, and a record may have 16 MiB.
const BATCH_BYTES: usize = 1024 * 1024;

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

/// A request to the writer.
pub(crate) enum Message {
    Write(Waiting),
    /// The thread that helps with a fold has done its part.
    Folded,
    /// Folds the journal into `db.json` and ends the writer.
    Close(oneshot::Sender<()>),
}

/// A write that somebody waits for.
pub(crate) type Waiting = (Author, Operation, oneshot::Sender<Answer>);

/// What the writer's thread owns.
pub(crate) struct Writer<M> {
    shared: Arc<Shared<M>>,
    files: CollectionFiles,
    /// Why the last fold failed, until one succeeds.
    fold_failure: Option<FoldFailure>,
    /// When the last fold began.
    fold_begun: Instant,
}

/// A fold that failed and may be tried again.
struct FoldFailure {
    reason: String,
    /// Until when the size of the journal does not cause another.
    again: Instant,
}

impl<M: Model> Writer<M> {
    /// Recovers the collection in the file at `path`, writes to `db.json` what the
    /// journal adds to it, and begins a new journal. On a full disk there is no
    /// writer: the recovered collection can be read, and writes are refused.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is invalid. No acknowledged write
    /// is lost.
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
        // A collection that is too large is refused before anything is written.
        bound::check(path, &document.state, bytes_max)?;
        let unfolded = journal.as_ref().is_some_and(|journal| journal.changes > 0);
        let locked_file = lock.as_ref().map(WriteLock::file);
        let begun = CollectionFiles::begin(disk, path, locked_file, &mut document, base, journal);
        let shared = Arc::new(Shared::new(document.state, lock, bytes_max));
        match begun.map_err(io::Error::from) {
            Ok(files) => {
                let writer = Self {
                    shared: Arc::clone(&shared),
                    files,
                    fold_failure: None,
                    fold_begun: Instant::now(),
                };
                Ok((shared, Some(writer)))
            }
            Err(error) if is_full(&error) => {
                shared.refuse(&error);
                shared.set_closed(if unfolded {
                    Err(CloseError::unfolded(
                        path,
                        &journal_path(path),
                        shared.refusal.get(),
                    ))
                } else {
                    Ok(())
                });
                Ok((shared, None))
            }
            Err(cause) => Err(OpenError::Write {
                path: path.to_owned(),
                cause,
            }),
        }
    }

    /// Serves messages until one of them says to close, or all senders are gone.
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
                Err(RecvTimeoutError::Timeout) => self.begin_fold(),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
            let mut closed = None;
            let mut operations = Vec::with_capacity(batch.len());
            for message in batch.drain(..) {
                match message {
                    Message::Write(write) => operations.push(write),
                    Message::Folded => self.go_on_folding(),
                    Message::Close(answer) => closed = Some(answer),
                }
            }
            self.write(operations);
            if let Some(answer) = closed {
                self.close();
                drop(self);
                // The one that asked may no longer wait.
                let _ = answer.send(());
                return;
            }
        }
    }

    /// How long to wait for a write before a fold begins; `None` when it need not.
    fn idle_wait(&self) -> Option<Duration> {
        let base = self.files.base_bytes();
        let fair = base <= IDLE_BYTES || self.files.journal_bytes() >= base / IDLE_SHARE;
        let due = fair && !self.files.is_folded() && !self.files.is_folding();
        let again = self
            .fold_failure
            .as_ref()
            .map_or(Duration::ZERO, |failure| {
                failure.again.saturating_duration_since(Instant::now())
            });
        (due && self.shared.refusal.get().is_none()).then(|| IDLE.max(again))
    }

    /// Decides these writes, makes their changes durable, and answers them. They are
    /// split into several batches if they change more than [`BATCH_BYTES`].
    pub fn write(&mut self, operations: Vec<Waiting>) {
        let mut operations = operations.into_iter();
        while operations.len() > 0 {
            self.write_batch(&mut operations);
            let failure = self.fold_failure.as_ref();
            let waits = failure.is_some_and(|failure| Instant::now() < failure.again);
            if self.files.journal_bytes() > self.fold_bytes() && !waits {
                self.begin_fold();
            }
        }
    }

    /// Bytes of journal after which it is folded.
    fn fold_bytes(&self) -> u64 {
        let base = self.files.base_bytes();
        JOURNAL_BYTES.max(base + base / 2)
    }

    /// Whether the journal can be folded, and whether it may grow on if not.
    fn folding(&self) -> Folding {
        if self.fold_failure.is_none() {
            Folding::Works
        } else if self.files.journal_bytes() > self.fold_bytes() + OVERDUE_BYTES {
            Folding::Overdue
        } else {
            Folding::Fails
        }
    }

    fn write_batch(&mut self, operations: &mut impl Iterator<Item = Waiting>) {
        let mut outcomes = Vec::new();
        let folding = self.folding();
        self.shared.set_folding(folding);
        let state = self.shared.state();
        let mut batch = Batch::new(&state, Timestamp::now()).within(self.shared.bytes_max);
        while batch.bytes() < BATCH_BYTES
            && let Some((author, operation, answer)) = operations.next()
        {
            let decided = match self.shared.refusal.get() {
                None if folding == Folding::Overdue => Err(WriteError::PutOff),
                None => batch.decide(author, operation),
                Some(_) => Err(WriteError::Refused),
            };
            outcomes.push((answer, decided));
        }
        let (changes, journalled) = batch.into_changes();
        drop(state);
        if !changes.is_empty() {
            let checked = self.files.check_or_save(&self.shared.state());
            let error = match checked.map(|()| self.files.append(journalled)) {
                Ok(Ok(())) => {
                    self.publish(&changes);
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
                // Refusals, too: they may depend on writes of the batch that do not exist now.
                for (_, decided) in &mut outcomes {
                    *decided = Err(error.clone());
                }
            }
        }
        Answers::new(outcomes).give();
    }

    /// Folds the journal for the last time, or saves its batches if it was removed or replaced.
    pub fn close(&mut self) {
        self.fold();
        let saved = self.files.check_or_save_at_end(&self.shared.state());
        self.shared.set_closed(saved.and_then(|()| self.folded()));
    }

    /// Whether `db.json` holds all that the journal does, and if not, why.
    fn folded(&self) -> Result<(), CloseError> {
        if self.files.is_folded() {
            return Ok(());
        }
        let failure = self.fold_failure.as_ref().map(|failure| &failure.reason);
        let cause = self.shared.refusal.get().or(failure);
        let path = self.files.base_path();
        Err(CloseError::unfolded(path, &journal_path(path), cause))
    }

    /// Shows readers the changes, which are durable now.
    fn publish(&self, changes: &[StateChange<M>]) {
        self.shared.writes.fetch_add(changes.len() as u64, Relaxed);
        self.shared.syncs.fetch_add(1, Relaxed);
        let mut state = self.shared.state_mut();
        state.apply(changes);
        state.pins.set_collection_bytes(state.summary.array_bytes());
        let pins = Arc::clone(&state.pins);
        drop(state);
        pins.bound();
    }

    /// Folds the journal into `db.json`, if there is anything to fold.
    pub fn fold(&mut self) {
        if self.files.is_folded() || self.shared.refusal.get().is_some() {
            return;
        }
        self.fold_begun = Instant::now();
        let folded = self.files.fold(&self.shared.state());
        self.note_fold(folded, true);
    }

    /// Begins to fold the journal with the help of the other thread, if there is anything
    /// to fold and no fold is under way.
    pub fn begin_fold(&mut self) {
        let needless = self.files.is_folded() && self.files.journal_bytes() <= self.fold_bytes();
        if needless || self.files.is_folding() || self.shared.refusal.get().is_some() {
            return;
        }
        self.fold_begun = Instant::now();
        let begun = self.files.begin_fold(&self.shared.state());
        self.note_fold(begun, false);
    }

    /// Goes on with the fold that is under way, once the other thread has done its part.
    pub fn go_on_folding(&mut self) {
        if self.shared.refusal.get().is_none() {
            let went_on = self.files.go_on_folding(&self.shared.state());
            self.note_fold(went_on, !self.files.is_folding());
        }
    }

    /// The part of the folds that another thread is to do.
    pub fn worker(&self) -> Worker {
        self.files.worker()
    }

    /// Notes how a step of a fold went. A fold that failed early is tried again after a while.
    fn note_fold(&mut self, step: Result<(), Failure>, last: bool) {
        match step {
            Ok(()) if last => {
                if self.fold_failure.take().is_some() {
                    tracing::info!("the journal is folded again");
                }
            }
            Ok(()) => {}
            Err(Failure::Early(error)) => {
                let reason = error.to_string();
                let before = self.fold_failure.take();
                // Once for each reason: it is tried often.
                if before.is_none_or(|before| before.reason != reason) {
                    tracing::warn!(%error, "the journal grows on: it cannot be folded now");
                }
                // A large file that cannot be written to its end must not keep the disk busy.
                let wait = IDLE.max(WAIT_PER_FAILURE * self.fold_begun.elapsed());
                let again = Instant::now() + wait;
                self.fold_failure = Some(FoldFailure { reason, again });
            }
            Err(Failure::Final(error)) => self.shared.refuse(&error),
        }
        self.shared.set_folding(self.folding());
    }
}
