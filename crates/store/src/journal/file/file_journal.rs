//! The journal beside `db.json`, as the writer sees it.

use std::{io, path::Path, sync::Arc, time::Duration};

use common::Model;

use crate::{
    bound,
    error::{CloseError, OpenError},
    journal::{
        AppendError, Folding, Journal, Occasion,
        file::{
            disk::Disk,
            failure::{Failure, is_full},
            files::CollectionFiles,
            fold::{helper::Worker, schedule::Schedule},
            lock::WriteLock,
            paths::journal_path,
            recovery::{Recovered, recover},
        },
    },
    memory::state::State,
    write::Changes,
};

/// The journal beside `db.json`, which is folded into that file.
pub(crate) struct FileJournal {
    files: CollectionFiles,
    schedule: Schedule,
    /// The position of the last batch. The start has position 0.
    position: u64,
    /// Dropped after the files: until then, a helper may write.
    _lock: Option<Arc<WriteLock>>,
}

/// The disk has no room for a new journal.
pub(crate) struct FullDisk {
    /// What the system said.
    pub error: io::Error,
    /// Whether `db.json` holds all that was recovered.
    pub closed: Result<(), CloseError>,
}

impl FileJournal {
    /// Recovers the collection in the file at `path`, writes to `db.json` what the
    /// journal adds to it, and begins a new journal. On a full disk there is none: the
    /// recovered collection can only be read.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is invalid. No acknowledged write
    /// is lost.
    pub fn open<M: Model>(
        disk: Arc<dyn Disk>,
        path: &Path,
        lock: Option<Arc<WriteLock>>,
        bytes_max: u64,
    ) -> Result<(State<M>, Result<Self, FullDisk>), OpenError> {
        let Recovered {
            mut document,
            base,
            journal,
            ..
        } = recover::<M>(&*disk, path)?;
        // A collection that is too large is refused before anything is written.
        bound::check(path, &document.state, bytes_max)?;
        let unfolded = journal.as_ref().is_some_and(|journal| journal.changes > 0);
        let locked_file = lock.as_ref().map(|lock| lock.file());
        let begun = CollectionFiles::begin(disk, path, locked_file, &mut document, base, journal);
        let journal = match begun.map_err(io::Error::from) {
            Ok(files) => Ok(Self {
                files,
                schedule: Schedule::new(),
                position: document.state.position,
                _lock: lock,
            }),
            Err(error) if is_full(&error) => {
                let closed = if unfolded {
                    let cause = error.to_string();
                    Err(CloseError::unfolded(
                        path,
                        &journal_path(path),
                        Some(&cause),
                    ))
                } else {
                    Ok(())
                };
                Err(FullDisk { error, closed })
            }
            Err(cause) => {
                return Err(OpenError::Write {
                    path: path.to_owned(),
                    cause,
                });
            }
        };
        Ok((document.state, journal))
    }

    /// The part of the folds that another thread is to do. After each task the writer is to
    /// take [`Occasion::Helped`].
    pub fn worker(&self) -> Worker {
        self.files.worker()
    }

    /// Folds the journal, if there is anything to fold, and appends nothing meanwhile.
    fn fold_at_once<M: Model>(&mut self, state: &State<M>) -> io::Result<()> {
        if self.files.is_folded() {
            return Ok(());
        }
        self.schedule.begin();
        let folded = self.files.fold(state);
        self.schedule.note(folded, true)
    }

    /// Begins to fold the journal with the help of the other thread, if there is anything
    /// to fold and no fold is under way.
    fn begin_fold<M: Model>(&mut self, state: &State<M>) -> io::Result<()> {
        let needless = self.files.is_folded() && !self.files.sizes().is_long();
        if needless || self.files.is_folding() {
            return Ok(());
        }
        self.schedule.begin();
        let begun = self.files.begin_fold(state);
        self.schedule.note(begun, false)
    }

    /// Goes on with the fold that is under way, once the other thread has done its part.
    fn go_on_folding<M: Model>(&mut self, state: &State<M>) -> io::Result<()> {
        let went_on = self.files.go_on_folding(state);
        self.schedule.note(went_on, !self.files.is_folding())
    }
}

impl<M: Model> Journal<M> for FileJournal {
    fn append(&mut self, state: &State<M>, batch: Changes) -> Result<(), AppendError> {
        if state.position != self.position {
            let why = format!(
                "a batch was decided at position {}, and the journal is at {}: this is a fault of \
                 the service",
                state.position, self.position
            );
            return Err(AppendError::Refused(io::Error::other(why)));
        }
        self.files.check_or_save(state)?;
        self.files.append(batch).map_err(AppendError::InDoubt)?;
        self.position += 1;
        Ok(())
    }

    fn idle_wait(&self) -> Option<Duration> {
        let due = self.files.sizes().is_fair_share()
            && !self.files.is_folded()
            && !self.files.is_folding();
        due.then(|| self.schedule.idle_wait())
    }

    fn fold(&mut self, state: &State<M>, occasion: Occasion) -> io::Result<()> {
        match occasion {
            Occasion::Batch if self.files.sizes().is_long() && !self.schedule.waits() => {
                self.begin_fold(state)
            }
            Occasion::Batch => Ok(()),
            Occasion::Idle => self.begin_fold(state),
            Occasion::Helped => self.go_on_folding(state),
            Occasion::Closing => self.fold_at_once(state),
        }
    }

    fn folding(&self) -> Folding {
        self.schedule.folding(self.files.sizes())
    }

    fn close(&mut self, state: &State<M>, refusal: Option<&String>) -> Result<(), CloseError> {
        // If the journal was removed or replaced, its batches are saved.
        self.files.check_or_save_at_end(state)?;
        if self.files.is_folded() {
            return Ok(());
        }
        let cause = refusal.or(self.schedule.failure());
        let path = self.files.base_path();
        Err(CloseError::unfolded(path, &journal_path(path), cause))
    }
}

impl From<Failure> for AppendError {
    /// For a failure before the batch was appended.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Early(error) => Self::PutOff(error),
            Failure::Final(error) => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::User;

    use super::*;
    use crate::{tests::simulated::Simulated, write::JournalChange};

    #[test]
    fn a_batch_that_was_decided_on_another_state_is_not_appended() {
        let disk = Simulated::new(0);
        let path = Path::new("/data/db.json");
        let opened = FileJournal::open::<User>(Arc::new(disk.clone()), path, None, u64::MAX);
        let (mut state, Ok(mut journal)) = opened.unwrap() else {
            panic!("the disk has room");
        };
        let lines = || disk.contents(&journal_path(path)).unwrap();
        let empty = lines();
        let batch = || Changes {
            records: vec![JournalChange::Delete(1)],
            ..Changes::default()
        };
        journal.append(&state, batch()).unwrap();
        let one = lines();
        assert_ne!(one, empty);
        let again = journal.append(&state, batch());
        assert!(matches!(again, Err(AppendError::Refused(_))), "{again:?}");
        assert_eq!(lines(), one);
        state.position += 1;
        journal.append(&state, batch()).unwrap();
        assert_ne!(lines(), one);
    }
}
