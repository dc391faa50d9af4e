//! The files of a collection, for the process that may write them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::Model;

use crate::{
    digest::Digest,
    document::{load::Document, other_members::OtherMembers},
    error::CloseError,
    journal::file::{
        base_file::{BaseFile, sync_what_was_read},
        disk::{Disk, Identity},
        failure::{Failure, early, fatal, foreign, with_path},
        fold::{
            helper::{Helper, Worker},
            new_base::{NewBase, replace},
            new_journal::NewJournal,
            schedule::Sizes,
            task::{Done, Task},
        },
        open_journal::{OpenJournal, Reserved},
        paths::journal_path,
        recovery::{RecoveredBase, RecoveredJournal},
    },
    memory::state::State,
    write::Changes,
};

/// A `db.json` and its journal. A batch is durable when it is in the journal.
pub(crate) struct CollectionFiles {
    base: BaseFile,
    other_members: Arc<OtherMembers>,
    journal: OpenJournal,
    helper: Helper,
}

impl CollectionFiles {
    /// Writes to `db.json` what was recovered from the journal, and begins a new journal.
    ///
    /// # Errors
    /// Any error of the disk. No acknowledged write is lost.
    pub fn begin<M: Model>(
        disk: Arc<dyn Disk>,
        path: &Path,
        locked_file: Option<(PathBuf, Identity)>,
        document: &mut Document<M>,
        base: Option<RecoveredBase>,
        journal: Option<RecoveredJournal>,
    ) -> Result<Self, Failure> {
        let other_members = std::mem::take(&mut document.other_members);
        let journal = journal.filter(|journal| journal.changes > 0);
        let complete = base.is_some() && !document.numbered && journal.is_none();
        let directory = disk.directory_of(path).map_err(early(path))?;
        sync_what_was_read(&*disk, path, &*directory, base.is_some())?;
        let at = journal_path(path);
        let mut old = match journal {
            Some(journal) => Some(OpenJournal::reopen(&*disk, &at, journal).map_err(fatal(&at))?),
            None => None,
        };
        let (version, mut digest) =
            base.map_or_else(Default::default, |base| (base.version, base.digest));
        let mut base = BaseFile {
            disk,
            path: path.to_owned(),
            directory: directory.into(),
            version,
            locked_file,
        };
        if !complete {
            let image = document.state.image();
            digest = replace(&mut base, image, &other_members, old.as_mut())?;
        }
        let journal = begin_journal(&base, M::COLLECTION, digest)?;
        Ok(Self {
            base,
            other_members: other_members.into(),
            journal,
            helper: Helper::default(),
        })
    }

    /// Checks that the files are still this writer's, since a write on top of somebody
    /// else's files would be lost. If only the journal is not, saves its batches in `db.json`.
    /// `state` is the collection that the files hold.
    ///
    /// # Errors
    /// When they are not, or the disk cannot tell.
    pub fn check_or_save<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        self.base.check()?;
        self.check_or_save_journal(state)
    }

    /// Appends a batch. When this returns, the batch is durable and the files are still
    /// this writer's.
    ///
    /// # Errors
    /// Any error of the disk. It is then unknown whether the batch is durable, and
    /// nothing may be appended behind it.
    pub fn append(&mut self, changes: Changes) -> io::Result<()> {
        let at = journal_path(&self.base.path);
        self.journal.append(changes).map_err(with_path(&at))?;
        // If another process has taken the lock meanwhile, it may have read the journal
        // before this batch was written.
        self.base.check_lock().map_err(io::Error::from)
    }

    /// Folds the journal into `db.json` and begins a new journal. `state` is the
    /// collection that the files hold.
    ///
    /// # Errors
    /// Any error of the disk. After an early failure batches may still be appended.
    pub fn fold<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        self.check_or_save(state)?;
        self.stop_fold()?;
        let journal = Some(&mut self.journal);
        let digest = replace(&mut self.base, state.image(), &self.other_members, journal)?;
        self.journal = begin_journal(&self.base, M::COLLECTION, digest)?;
        Ok(())
    }

    /// Begins to fold the journal with the help of another thread. None may be under way.
    /// `state` is the collection that the files hold.
    ///
    /// # Errors
    /// As [`CollectionFiles::fold`].
    pub fn begin_fold<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        self.check_or_save(state)?;
        let at = journal_path(&self.base.path);
        let reserved = self.journal.reserve().map_err(fatal(&at))?;
        self.helper.ask(Task::Base {
            reserved,
            base: self.base.clone(),
            image: state.image(),
            other_members: Arc::clone(&self.other_members),
        });
        Ok(())
    }

    /// Goes on with the fold if the other thread has done its part.
    ///
    /// # Errors
    /// As [`CollectionFiles::fold`]. The fold is then over.
    pub fn go_on_folding<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        match self.helper.take().transpose()? {
            Some(Done::Base(reserved, new)) => self.install_base(&reserved, new, state),
            Some(Done::Journal(new)) => self.install_journal(new, state),
            Some(Done::Freed) | None => Ok(()),
        }
    }

    /// Whether a fold is under way.
    pub fn is_folding(&self) -> bool {
        self.helper.is_busy()
    }

    /// The other side of the folds, for another thread.
    pub fn worker(&self) -> Worker {
        self.helper.worker()
    }

    fn install_base<M: Model>(
        &mut self,
        reserved: &Reserved,
        new: NewBase,
        state: &State<M>,
    ) -> Result<(), Failure> {
        self.check_or_save(state)?;
        let NewBase {
            digest,
            version,
            old,
        } = new;
        let at = journal_path(&self.base.path);
        self.journal.note(reserved, digest).map_err(fatal(&at))?;
        self.base.install(version)?;
        self.journal.folded(reserved);
        self.helper.ask(Task::Journal {
            base: self.base.clone(),
            collection: M::COLLECTION,
            digest,
            old_base: old,
            from: Arc::clone(self.journal.file()),
            range: reserved.end()..self.journal.bytes(),
        });
        Ok(())
    }

    fn install_journal<M: Model>(
        &mut self,
        mut new: NewJournal,
        state: &State<M>,
    ) -> Result<(), Failure> {
        new.catch_up(&self.base, &**self.journal.file(), self.journal.bytes())?;
        self.check_or_save(state)?;
        self.base.install_journal()?;
        let old = std::mem::replace(&mut self.journal, new.journal);
        self.helper.ask(Task::Free(Arc::clone(old.file())));
        Ok(())
    }

    /// Stops the fold that is under way, if there is one: its files are about to be
    /// written otherwise.
    ///
    /// # Errors
    /// When it has failed in a way after which nothing may be written.
    fn stop_fold(&mut self) -> Result<(), Failure> {
        match self.helper.stop() {
            Some(Err(failure @ Failure::Final(_))) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Before the writer ends: checks that the journal's name still leads to this writer's
    /// file. If the journal was removed, saves its batches in `db.json`, because only this
    /// process has them. They are saved even if the lock was removed as well, unless another
    /// process may have begun to write.
    ///
    /// # Errors
    /// When the batches of a removed or replaced journal are lost, and when the next start
    /// will find another file in the journal's place.
    pub fn check_or_save_at_end<M: Model>(&mut self, state: &State<M>) -> Result<(), CloseError> {
        let at = journal_path(&self.base.path);
        let removed = match self.base.disk.identity(&at) {
            Ok(None) => true,
            Ok(Some(found)) if found != self.journal.identity() => false,
            _ => return Ok(()),
        };
        if self.is_folded() {
            return if removed {
                Ok(())
            } else {
                Err(CloseError::replaced(&at))
            };
        }
        let unsaved = self.journal.unfolded();
        let other = "another process may write the collection";
        let saved = match self.base.retake_lock() {
            // Holds the lock until `db.json` is written.
            Ok(Some(_lock)) if removed => self.save(state).map_err(io::Error::from),
            Ok(_) => Err(io::Error::other(other)),
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            return Err(CloseError::lost(&at, unsaved, &error));
        }
        tracing::warn!(
            batches = unsaved,
            "the journal was removed; db.json holds all that it did"
        );
        Ok(())
    }

    /// Whether `db.json` holds every batch of the journal.
    pub fn is_folded(&self) -> bool {
        self.journal.unfolded() == 0
    }

    /// The `db.json`.
    pub fn base_path(&self) -> &Path {
        &self.base.path
    }

    /// Bytes of both files.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            base: self.base.bytes(),
            journal: self.journal.bytes(),
        }
    }

    /// Checks that the journal's name still leads to this writer's file. If the journal
    /// was removed or replaced, saves its batches in `db.json`.
    fn check_or_save_journal<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        let at = journal_path(&self.base.path);
        let (what, remedy) = match self.base.disk.identity(&at).map_err(early(&at))? {
            Some(found) if found == self.journal.identity() => {
                return self.check_or_save_length(state, &at);
            }
            // It is left where it is: nobody knows what it is for.
            Some(_) => (
                "was replaced by someone else",
                "move the file that is there now away, then restart this service",
            ),
            None => ("was removed", "restart this service"),
        };
        let what = match self.save(state) {
            Ok(()) => format!("{what}; db.json holds all that it did; {remedy}"),
            // The next write tries again: the batches are only in this process's memory.
            Err(early @ Failure::Early(_)) => return Err(early),
            Err(Failure::Final(error)) => {
                format!("{what}, and what it held could not be saved in db.json: {error}")
            }
        };
        Err(foreign(&at, what))
    }

    /// Checks that the journal has the length that this writer gave it. If someone else
    /// has written to it, saves its batches in `db.json` and replaces it by an empty one.
    fn check_or_save_length<M: Model>(
        &mut self,
        state: &State<M>,
        at: &Path,
    ) -> Result<(), Failure> {
        let version = self.base.disk.version(at).map_err(early(at))?;
        if version.is_some_and(|version| version.bytes == self.journal.length()) {
            return Ok(());
        }
        let saved = self
            .replace(state)
            .and_then(|digest| begin_journal(&self.base, M::COLLECTION, digest));
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

    /// Writes the batches of a removed or replaced journal to `db.json`.
    fn save<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        if self.is_folded() {
            return Ok(());
        }
        self.replace(state)?;
        self.journal.saved();
        Ok(())
    }

    /// Replaces `db.json` without that the journal says so. Returns its digest.
    fn replace<M: Model>(&mut self, state: &State<M>) -> Result<Digest, Failure> {
        self.stop_fold()?;
        replace(&mut self.base, state.image(), &self.other_members, None)
    }
}

/// Replaces the journal by an empty one. `digest` is that of this `db.json`.
///
/// # Errors
/// Any error of the disk. After an early failure the old journal may be appended to: its
/// checkpoint line says which batches are in `db.json`.
fn begin_journal(
    base: &BaseFile,
    collection: &str,
    digest: Digest,
) -> Result<OpenJournal, Failure> {
    let new = NewJournal::write(base, collection, digest, None)?;
    base.install_journal()?;
    Ok(new.journal)
}
