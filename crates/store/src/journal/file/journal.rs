//! The files of a collection, for the process that may write them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::Model;

use crate::{
    document::{other_members::OtherMembers, text::Document},
    error::CloseError,
    journal::file::{
        append::JournalWriter,
        base_file::{BaseFile, sync_what_was_read},
        disk::{Disk, Identity},
        failure::{Failure, early, fatal, foreign, with_path},
        paths::journal_path,
        recovery::{RecoveredBase, RecoveredJournal},
    },
    memory::state::State,
    write::Change,
};

/// A `db.json` and its journal. A batch is durable when it is in the journal.
pub(crate) struct FileJournal {
    base: BaseFile,
    other_members: OtherMembers,
    journal: JournalWriter,
}

impl FileJournal {
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
            Some(journal) => Some(JournalWriter::reopen(&*disk, &at, journal).map_err(fatal(&at))?),
            None => None,
        };
        let (version, mut digest) =
            base.map_or_else(Default::default, |base| (base.version, base.digest));
        let mut base = BaseFile {
            disk,
            path: path.to_owned(),
            directory,
            version,
            locked_file,
        };
        if !complete {
            digest = base.replace(&document.state, &other_members, old.as_mut())?;
        }
        let journal = base.begin_journal(M::COLLECTION, digest)?;
        Ok(Self {
            base,
            other_members,
            journal,
        })
    }

    /// Checks that the files are still this writer's, since a write on top of somebody
    /// else's files would be lost. `state` is the collection that the files hold.
    ///
    /// # Errors
    /// When they are not, or the disk cannot tell.
    pub fn check<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        self.base.check()?;
        self.check_journal(state)
    }

    /// Appends a batch. When this returns, the batch is durable and the files are still
    /// this writer's.
    ///
    /// # Errors
    /// Any error of the disk. It is then unknown whether the batch is durable, and
    /// nothing may be appended behind it.
    pub fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
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
        self.check(state)?;
        let journal = Some(&mut self.journal);
        let digest = self.base.replace(state, &self.other_members, journal)?;
        self.journal.saved();
        self.journal = self.base.begin_journal(M::COLLECTION, digest)?;
        Ok(())
    }

    /// Before the writer ends: if the journal was removed, saves its batches in `db.json`.
    /// If the lock was removed as well, they are saved unless another process may have
    /// begun to write: only this process has them.
    ///
    /// # Errors
    /// When the batches of a removed journal are lost.
    pub fn save_if_removed<M: Model>(&mut self, state: &State<M>) -> Result<(), CloseError> {
        let at = journal_path(&self.base.path);
        if self.is_folded() || !matches!(self.base.disk.identity(&at), Ok(None)) {
            return Ok(());
        }
        let unsaved = self.journal.unsaved();
        let saved = match self.base.retake_lock() {
            // Holds the lock until `db.json` is written.
            Ok(Some(_lock)) => self.save(state).map_err(io::Error::from),
            Ok(None) => Err(io::Error::other("another process may write the collection")),
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
        self.journal.unsaved() == 0
    }

    /// The `db.json`.
    pub fn base_path(&self) -> &Path {
        &self.base.path
    }

    /// Bytes of the journal's lines.
    pub fn bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// Bytes of `db.json`.
    pub fn base_bytes(&self) -> u64 {
        self.base.bytes()
    }

    /// Checks that the journal's name still leads to this writer's file. If the journal
    /// was removed or replaced, saves its batches in `db.json`.
    fn check_journal<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        let at = journal_path(&self.base.path);
        let (what, remedy) = match self.base.disk.identity(&at).map_err(early(&at))? {
            Some(found) if found == self.journal.identity() => {
                return self.check_journal_length(state, &at);
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
    fn check_journal_length<M: Model>(
        &mut self,
        state: &State<M>,
        at: &Path,
    ) -> Result<(), Failure> {
        let version = self.base.disk.version(at).map_err(early(at))?;
        if version.is_some_and(|version| version.bytes == self.journal.length()) {
            return Ok(());
        }
        let saved = self.base.replace(state, &self.other_members, None);
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

    /// Writes the batches of a removed or replaced journal to `db.json`.
    fn save<M: Model>(&mut self, state: &State<M>) -> Result<(), Failure> {
        if self.is_folded() {
            return Ok(());
        }
        self.base.replace(state, &self.other_members, None)?;
        self.journal.saved();
        Ok(())
    }
}
