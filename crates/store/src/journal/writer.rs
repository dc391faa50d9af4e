//! The only writer of a collection: a thread that owns the journal. It collects
//! the writes that have arrived, decides them, appends them as one batch, publishes
//! the new state, and then answers the writes. Where the journal is does not matter here.

use std::sync::{
    Arc,
    atomic::Ordering::Relaxed,
    mpsc::{Receiver, RecvTimeoutError},
};

use common::{Model, Timestamp};
use tokio::sync::oneshot;

use crate::{
    author::Author,
    batch::Batch,
    error::WriteError,
    journal::{
        AppendError, Folding, Journal, Occasion,
        answers::{Answer, Answers},
        shared::Shared,
    },
    memory::{remembered::KeyChanges, state::StateChange},
    write::Operation,
};

/// The largest number of writes in a batch.
const BATCH_MAX: usize = 1024;

/// Bytes of changed records after which a batch takes no more writes. This bounds
/// memory: a batch holds several copies of each record, and a record may have 16 MiB.
const BATCH_BYTES: usize = 1024 * 1024;

/// A request to the writer.
pub(crate) enum Message {
    Write(Waiting),
    /// The thread that helps with a fold has done its part.
    Helped,
    /// Folds the journal and ends the writer.
    Close(oneshot::Sender<()>),
}

/// A write that somebody waits for.
pub(crate) type Waiting = (Author, Operation, oneshot::Sender<Answer>);

/// What the writer's thread owns.
pub(crate) struct Writer<M, J> {
    shared: Arc<Shared<M>>,
    journal: J,
}

impl<M: Model, J: Journal<M>> Writer<M, J> {
    /// A writer of the collection that `shared` has and `journal` holds.
    pub fn new(shared: Arc<Shared<M>>, journal: J) -> Self {
        Self { shared, journal }
    }

    /// The journal that this writer appends to.
    pub fn journal(&self) -> &J {
        &self.journal
    }

    /// Serves messages until one of them says to close, or all senders are gone.
    pub fn run(mut self, messages: &Receiver<Message>) {
        let mut batch = Vec::new();
        loop {
            let refusal = self.shared.refusal.get();
            let wait = self.journal.idle_wait().filter(|_| refusal.is_none());
            let first = match wait {
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
                Err(RecvTimeoutError::Timeout) => self.fold(Occasion::Idle),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
            let mut closed = None;
            let mut operations = Vec::with_capacity(batch.len());
            for message in batch.drain(..) {
                match message {
                    Message::Write(write) => operations.push(write),
                    Message::Helped => self.fold(Occasion::Helped),
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

    /// Decides these writes, makes their changes durable, and answers them. They are
    /// split into several batches if they change more than [`BATCH_BYTES`].
    pub fn write(&mut self, operations: Vec<Waiting>) {
        let mut operations = operations.into_iter();
        while operations.len() > 0 {
            self.write_batch(&mut operations);
            self.fold(Occasion::Batch);
        }
    }

    fn write_batch(&mut self, operations: &mut impl Iterator<Item = Waiting>) {
        let mut outcomes = Vec::new();
        let folding = self.journal.folding();
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
        if !changes.is_empty() {
            let keys = journalled.keys.clone();
            let appended = self.journal.append(&state, journalled);
            drop(state);
            let error = match appended {
                Ok(()) => {
                    self.publish(&changes, &keys);
                    None
                }
                Err(AppendError::PutOff(error)) => {
                    tracing::warn!(%error, "writes had to be put off");
                    Some(WriteError::PutOff)
                }
                Err(AppendError::Refused(error)) => {
                    self.shared.refuse(&error);
                    Some(WriteError::Refused)
                }
                Err(AppendError::InDoubt(error)) => {
                    self.shared.refuse(&error);
                    Some(WriteError::InDoubt)
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

    /// Folds the journal for the last time, unless writes are refused, and checks that
    /// nothing is lost when this process ends.
    pub fn close(&mut self) {
        self.fold(Occasion::Closing);
        let refusal = self.shared.refusal.get();
        let closed = self.journal.close(&self.shared.state(), refusal);
        self.shared.set_closed(closed);
    }

    /// Gives the journal the occasion to fold itself, unless writes are refused.
    pub fn fold(&mut self, occasion: Occasion) {
        if self.shared.refusal.get().is_none() {
            let folded = self.journal.fold(&self.shared.state(), occasion);
            if let Err(error) = folded {
                self.shared.refuse(&error);
            }
        }
        self.shared.set_folding(self.journal.folding());
    }

    /// Shows readers the changes, which are durable now.
    fn publish(&self, changes: &[StateChange<M>], keys: &KeyChanges) {
        self.shared.writes.fetch_add(changes.len() as u64, Relaxed);
        let mut state = self.shared.state_mut();
        state.apply(changes);
        state.position += 1;
        state.apply_keys(keys);
        state.pins.set_collection_bytes(state.summary.array_bytes());
        let pins = Arc::clone(&state.pins);
        drop(state);
        pins.bound();
    }
}

#[cfg(test)]
mod tests;
