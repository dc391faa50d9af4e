//! What a simulated disk loses of what was not synced.

use super::{Contents, Inner, Naming};
use crate::journal::file::format::SECTOR;

impl Inner {
    /// The power fails: any part of what is not durable is lost.
    pub fn lose(&mut self) {
        for naming in std::mem::take(&mut self.renames) {
            if self.rng.bool() {
                continue;
            }
            match naming {
                Naming::Create(path, file) => {
                    self.durable_names.insert(path, file);
                }
                Naming::Rename(from, to, file) => {
                    if self.durable_names.get(&from) == Some(&file) {
                        self.durable_names.remove(&from);
                    }
                    self.durable_names.insert(to, file);
                }
                Naming::Remove(path, file) => {
                    if self.durable_names.get(&path) == Some(&file) {
                        self.durable_names.remove(&path);
                    }
                }
            }
        }
        self.names = self.durable_names.clone();
        for file in 0..self.files.len() {
            self.lose_some_of(file);
            self.files[file].current = self.files[file].durable.clone();
        }
    }

    /// Some of the pending sectors become durable; the others are lost.
    pub fn lose_some_of(&mut self, file: usize) {
        let rng = &mut self.rng;
        let Contents {
            current,
            durable,
            pending,
            ..
        } = &mut self.files[file];
        // None of them, about half, or all.
        let chance = [0.0, 0.5, 1.0][rng.usize(..3)];
        let shortest = durable.len();
        for (offset, bytes) in pending.drain(..) {
            let mut at = offset;
            while at < offset + bytes.len() {
                let end = (offset + bytes.len()).min((at / SECTOR + 1) * SECTOR);
                if rng.f64() < chance {
                    overwrite(durable, at, &bytes[at - offset..end - offset]);
                }
                at = end;
            }
        }
        // The file's length becomes durable separately.
        let longest = current.len().max(shortest);
        match rng.usize(..3) {
            0 => durable.resize(longest, 0),
            1 => durable.truncate(rng.usize(shortest..=longest)),
            _ => {}
        }
    }
}

impl Contents {
    pub fn sync(&mut self) {
        for (offset, bytes) in self.pending.drain(..) {
            overwrite(&mut self.durable, offset, &bytes);
        }
    }
}

pub(super) fn overwrite(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}
