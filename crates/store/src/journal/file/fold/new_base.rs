//! The next `db.json`.

use std::{
    io::{self, BufWriter, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    digest::Digest,
    document::{other_members::OtherMembers, write::write},
    journal::file::{
        base_file::BaseFile,
        disk::{DiskFile, Kept, Version},
        failure::{Failure, early, fatal},
        open_journal::{OpenJournal, Reserved},
        paths::{journal_path, new_path},
    },
    memory::image::Image,
};

/// Bytes that are written before they are synced. The writer's syncs wait for what the
/// disk has been given before them: a whole file at once would keep them waiting.
const PIECE: u64 = if cfg!(test) { 1024 } else { 1024 * 1024 };

/// A complete `db.json.new`.
pub(crate) struct NewBase {
    pub digest: Digest,
    pub version: Version,
    /// The contents of the `db.json` before: to be freed where nobody waits for it.
    pub old: Option<Kept>,
}

impl NewBase {
    /// Writes `db.json.new`, which is durable when this returns. Ends early with an error
    /// when `stopped` says so. After an error the file is removed.
    ///
    /// # Errors
    /// Any error of the disk. No start reads that file: nothing is in doubt.
    pub fn write(
        base: &BaseFile,
        image: Image,
        other_members: &OtherMembers,
        stopped: &AtomicBool,
    ) -> Result<Self, Failure> {
        let BaseFile { disk, path, .. } = base;
        let new = new_path(path);
        // Right before the file is created: it could be another writer's.
        base.check_lock()?;
        let file = disk.create(&new, path).map_err(early(&new))?;
        let written = write_all(&*file, image, other_members, stopped).and_then(|digest| {
            // Read before the rename: after it, another program could replace the file,
            // and its version would be taken for this one.
            let version = disk.version(&new)?.ok_or(io::ErrorKind::NotFound)?;
            Ok((digest, version))
        });
        let (digest, version) = written.map_err(|error| {
            // The disk may be full.
            base.discard(&new, &*file);
            early(&new)(error)
        })?;
        let old = disk.keep(path);
        Ok(Self {
            digest,
            version,
            old,
        })
    }
}

/// Replaces `db.json` by a file of these records, which is durable when this returns.
/// At every instant `db.json` is the complete old or new file. `journal`, if given, then
/// says that this file holds all its batches.
///
/// # Errors
/// Any error of the disk. `db.json` is then the old or the new file.
pub(crate) fn replace(
    base: &mut BaseFile,
    image: Image,
    other_members: &OtherMembers,
    journal: Option<&mut OpenJournal>,
) -> Result<Digest, Failure> {
    let at = journal_path(&base.path);
    let mut noted: Option<(&mut OpenJournal, Reserved)> = None;
    if let Some(journal) = journal {
        let reserved = journal.reserve().map_err(fatal(&at))?;
        noted = Some((journal, reserved));
    }
    let new = NewBase::write(base, image, other_members, &AtomicBool::new(false))?;
    if let Some((journal, reserved)) = &noted {
        journal.note(reserved, new.digest).map_err(fatal(&at))?;
    }
    base.install(new.version)?;
    base.sync_names()?;
    if let Some((journal, reserved)) = noted {
        journal.folded(&reserved);
    }
    Ok(new.digest)
}

/// Writes all to this file and makes it durable. Returns the digest of the contents.
fn write_all(
    file: &dyn DiskFile,
    image: Image,
    other_members: &OtherMembers,
    stopped: &AtomicBool,
) -> io::Result<Digest> {
    let pieces = Pieces {
        file,
        offset: 0,
        synced: 0,
        digest: Xxh3::new(),
        stopped,
    };
    let mut out = BufWriter::with_capacity(256 * 1024, pieces);
    write(image, other_members, &mut out)?;
    out.flush()?;
    let digest = out.into_parts().0.digest;
    file.sync()?;
    Ok(digest.digest128().into())
}

/// Appends to a file, piece by piece, and computes the digest of the bytes.
struct Pieces<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    synced: u64,
    digest: Xxh3,
    stopped: &'a AtomicBool,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopped.load(Relaxed) {
            return Err(io::Error::other("the fold was stopped"));
        }
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        self.digest.update(bytes);
        if self.offset - self.synced >= PIECE {
            self.file.sync()?;
            self.synced = self.offset;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
