//! Open files of a simulated disk.

use std::io;

use super::{Simulated, fault::Wants, has, identity};
use crate::{
    digest::Digest,
    journal::file::{
        disk::{DiskFile, Identity},
        format::SECTOR,
    },
};

/// An open file.
pub(super) struct Handle {
    pub disk: Simulated,
    pub file: usize,
    pub name: String,
}

impl DiskFile for Handle {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let inner = self.disk.call(Wants::Nothing).map_err(|(_, error)| error)?;
        let current = &inner.files[self.file].current;
        let read = current.get(offset..offset + bytes.len());
        bytes.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let grows = offset + bytes.len() > self.disk.inner().files[self.file].current.len();
        match self
            .disk
            .call(if grows { Wants::Room } else { Wants::Nothing })
        {
            Ok(mut inner) => inner.write(self.file, offset, bytes),
            Err((mut inner, error)) => {
                // A part of the bytes is written, up to the end of a sector.
                let end = offset + inner.rng.usize(..=bytes.len());
                let end = (end / SECTOR * SECTOR).max(offset);
                inner.write(self.file, offset, &bytes[..end - offset]);
                return Err(error);
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let kind = match &*self.name {
            "db.json.journal" | "db.json.journal.new" => self.kind_of_journal_sync().to_owned(),
            name => name.to_owned(),
        };
        self.disk.sync_file(self.file, &kind)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity(self.file))
    }
}

impl Handle {
    /// What of a journal is to be made durable.
    fn kind_of_journal_sync(&self) -> &'static str {
        let inner = self.disk.inner();
        let file = &inner.files[self.file];
        let Some((offset, last)) = file.pending.last() else {
            return "journal: nothing";
        };
        let new = !inner.is_named(self.file, "db.json.journal");
        let mut pending = file.pending.iter();
        if new && pending.any(|(_, bytes)| has(bytes, "\"journal\"")) {
            "new journal"
        } else if new {
            "new journal: the rest"
        } else if *offset == 0 && has(last, "\"batch\"") {
            "journal: as it was read"
        } else if has(last, &format!("\"checkpoint\":\"{}\"", Digest::default())) {
            "journal: a line for a checkpoint"
        } else if has(last, "\"checkpoint\"") {
            "journal: a checkpoint"
        } else if has(last, "\"changes\"") {
            "journal: a batch"
        } else {
            "journal: its room"
        }
    }
}
