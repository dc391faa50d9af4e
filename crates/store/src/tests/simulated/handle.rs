//! Open files of a simulated disk.

use std::io;

use super::{Simulated, fault::Wants, has, identity};
use crate::journal::file::{
    disk::{DiskFile, Identity},
    entry::SECTOR,
};

/// An open file.
pub(super) struct Handle {
    pub disk: Simulated,
    pub file: usize,
    pub name: String,
}

impl DiskFile for Handle {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
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

    fn sync(&mut self) -> io::Result<()> {
        let kind = match self.disk.inner().files[self.file].pending.last() {
            _ if !self.name.contains("journal") => self.name.clone(),
            Some((0, bytes)) if has(bytes, "\"batch\"") => "journal: as it was read".to_owned(),
            Some((_, bytes)) if has(bytes, "\"changes\"") => "journal: a batch".to_owned(),
            Some((_, bytes)) if has(bytes, "\"checkpoint\"") => "journal: a checkpoint".to_owned(),
            Some((_, bytes)) if has(bytes, "\"journal\"") => "journal: its header".to_owned(),
            _ => "journal: its room".to_owned(),
        };
        self.disk.sync_file(self.file, &kind)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity(self.file))
    }
}
