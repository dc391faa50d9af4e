//! What a fold does beside the writer.

use std::{
    ops::Range,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    digest::Digest,
    document::other_members::OtherMembers,
    journal::file::{
        base_file::BaseFile,
        disk::{DiskFile, Kept},
        failure::Failure,
        fold::{new_base::NewBase, new_journal::NewJournal},
        open_journal::Reserved,
    },
    memory::image::Image,
};

/// A part of a fold that does not touch `db.json` nor the journal, only the files that are
/// to replace them.
pub(crate) enum Task {
    /// Writes `db.json.new`.
    Base {
        /// The line that will say what is in it.
        reserved: Reserved,
        base: BaseFile,
        image: Image,
        other_members: Arc<OtherMembers>,
    },
    /// Makes the new name of `db.json` durable, frees the old file, and writes
    /// `db.json.journal.new` with the batches that are behind the checkpoint.
    Journal {
        base: BaseFile,
        collection: &'static str,
        digest: Digest,
        old_base: Option<Kept>,
        from: Arc<dyn DiskFile>,
        range: Range<u64>,
    },
    /// Frees the old journal, which may be as large as `db.json`.
    Free(Arc<dyn DiskFile>),
}

/// What a task has made.
pub(crate) enum Done {
    Base(Reserved, NewBase),
    Journal(NewJournal),
    Freed,
}

impl Task {
    /// Does it. Ends early with an error, if that makes sense, when `stopped` says so.
    ///
    /// # Errors
    /// Any error of the disk.
    pub fn run(self, stopped: &AtomicBool) -> Result<Done, Failure> {
        match self {
            Self::Base {
                reserved,
                base,
                image,
                other_members,
            } => NewBase::write(&base, image, &other_members, stopped)
                .map(|new| Done::Base(reserved, new)),
            Self::Journal {
                base,
                collection,
                digest,
                old_base,
                from,
                range,
            } => {
                base.sync_names()?;
                drop(old_base);
                NewJournal::write(&base, collection, digest, Some((&*from, range)))
                    .map(Done::Journal)
            }
            Self::Free(file) => {
                drop(file);
                Ok(Done::Freed)
            }
        }
    }
}
