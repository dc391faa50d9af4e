//! A simulated disk for tests. It loses any subset of the sectors and names that were not
//! synced, and can fail or stop at any call.

mod fault;
mod handle;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use fault::Wants;
pub(crate) use fault::{EARLY, EARLY_ERRORS, FULL, Fault};
use handle::Handle;

use crate::journal::file::{
    disk::{Directory, Disk, DiskFile, Identity, Version},
    entry::SECTOR,
};

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Simulated(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    files: Vec<Contents>,
    /// Names as the system shows them.
    names: BTreeMap<PathBuf, usize>,
    /// Names as they were last synced. `renames` has the changes since.
    durable_names: BTreeMap<PathBuf, usize>,
    renames: Vec<Naming>,
    calls: usize,
    fault: Option<(usize, Fault)>,
    /// Whether the process has crashed. All calls then fail until the next start.
    dead: bool,
    /// Kinds of sync that were requested.
    syncs: BTreeSet<String>,
    /// A kind of sync that reports success but does nothing.
    ignored: Option<String>,
    /// Whether the last sync was one that only a start makes.
    starting: bool,
    /// Whether syncs of files wait.
    held: bool,
    rng: fastrand::Rng,
}

/// A file's contents.
#[derive(Default)]
struct Contents {
    /// As the system shows them.
    current: Vec<u8>,
    /// As they are on the disk.
    durable: Vec<u8>,
    /// What was written since the last sync.
    pending: Vec<(usize, Vec<u8>)>,
    /// The number of changes, which serves as modification time.
    modified: i64,
}

/// A change of names that is not durable yet.
enum Naming {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
}

impl Simulated {
    pub fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.inner().rng.seed(seed);
        disk
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap()
    }

    /// Writes a file without syncing it, as another program may do.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let file = inner.create(path);
        inner.write(file, 0, bytes);
    }

    /// The `after`-th call from now on meets this fault, or the next one that can.
    pub fn arm(&self, after: usize, fault: Fault) {
        let mut inner = self.inner();
        inner.fault = Some((inner.calls + after, fault));
    }

    /// From now on this kind of sync reports success but does nothing.
    pub fn ignore(&self, kind: &str) {
        self.inner().ignored = Some(kind.to_owned());
    }

    /// The kinds of sync that were requested so far.
    pub fn syncs(&self) -> BTreeSet<String> {
        self.inner().syncs.clone()
    }

    /// Makes syncs of files wait, or lets them continue.
    pub fn hold_syncs(&self, held: bool) {
        self.inner().held = held;
        self.0.changed.notify_all();
    }

    pub fn dead(&self) -> bool {
        self.inner().dead
    }

    /// The process crashes and is started again. If the power fails, too, any part of what was
    /// not synced is lost.
    pub fn restart(&self, power_lost: bool) {
        let mut inner = self.inner();
        inner.dead = false;
        inner.fault = None;
        if power_lost {
            inner.lose();
        }
    }

    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.inner();
        let file = inner.names.get(path)?;
        Some(inner.files[*file].current.clone())
    }

    /// Removes a name without syncing, as another program may do.
    pub fn remove(&self, path: &Path) {
        self.inner().names.remove(path);
    }

    /// Counts a call. `Err` when the call must fail.
    fn call(
        &self,
        wants: Wants,
    ) -> Result<MutexGuard<'_, Inner>, (MutexGuard<'_, Inner>, io::Error)> {
        let mut inner = self.inner();
        inner.calls += 1;
        if inner.dead {
            return Err((inner, io::Error::other("the process has ended")));
        }
        match inner.fault {
            Some((at, fault)) if at <= inner.calls && wants.meets(fault) => {
                inner.fault = None;
                inner.dead = fault == Fault::Kill;
                let error = match fault {
                    Fault::Kill => io::Error::other("the process ends"),
                    Fault::Fails(kind) => kind.into(),
                    Fault::Early(error) => error.into(),
                };
                Err((inner, error))
            }
            _ => Ok(inner),
        }
    }

    fn sync_file(&self, file: usize, kind: &str) -> io::Result<()> {
        let mut inner = self.inner();
        while inner.held {
            inner = self.0.changed.wait(inner).unwrap();
        }
        drop(inner);
        let (mut inner, error) = match self.call(Wants::Nothing) {
            Ok(inner) => (inner, None),
            Err((inner, error)) => (inner, Some(error)),
        };
        match error {
            None if inner.asked(kind) => inner.files[file].sync(),
            None => {}
            Some(error) => {
                if !inner.dead {
                    // After a failed sync, the system takes the lost pages for written
                    // (Rebello et al., "Can Applications Recover from fsync Failures?").
                    inner.lose_some_of(file);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Disk for Simulated {
    fn reader(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>> {
        let inner = self.call(Wants::Access).map_err(|(_, error)| error)?;
        let Some(file) = inner.names.get(path) else {
            return Ok(None);
        };
        let contents = inner.files[*file].current.clone();
        Ok(Some(Box::new(Cursor::new(contents))))
    }

    fn create(&self, path: &Path, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.call(Wants::Both).map_err(|(_, error)| error)?;
        let file = inner.create(path);
        Ok(self.handle(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inner = self.call(Wants::Access).map_err(|(_, error)| error)?;
        let file = *inner.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(file, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.call(Wants::Nothing).map_err(|(_, error)| error)?;
        let file = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), file);
        let naming = Naming::Rename(from.to_owned(), to.to_owned(), file);
        inner.renames.push(naming);
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let file = *self
            .inner()
            .names
            .get(path)
            .ok_or(io::ErrorKind::NotFound)?;
        self.sync_file(file, &format!("{} at the start", name(path)))?;
        self.inner().starting = true;
        Ok(())
    }

    fn directory_of(&self, _: &Path) -> io::Result<Box<dyn Directory>> {
        drop(self.call(Wants::Access).map_err(|(_, error)| error)?);
        Ok(Box::new(self.clone()))
    }

    fn version(&self, path: &Path) -> io::Result<Option<Version>> {
        let inner = self.call(Wants::Access).map_err(|(_, error)| error)?;
        let version = |file: &usize| Version {
            identity: identity(*file),
            bytes: inner.files[*file].current.len() as u64,
            modified: (inner.files[*file].modified, 0),
        };
        Ok(inner.names.get(path).map(version))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        let inner = self.call(Wants::Access).map_err(|(_, error)| error)?;
        Ok(inner.names.get(path).map(|file| identity(*file)))
    }
}

/// The disk has only one directory.
impl Directory for Simulated {
    fn sync(&self) -> io::Result<()> {
        let mut inner = self.call(Wants::Nothing).map_err(|(_, error)| error)?;
        let starting = std::mem::take(&mut inner.starting);
        let kind = match inner.renames.last() {
            Some(Naming::Rename(_, to, _)) if !starting => {
                format!("directory with a new {}", name(to))
            }
            _ => "directory at the start".to_owned(),
        };
        if inner.asked(&kind) {
            inner.sync_names();
        }
        Ok(())
    }
}

impl Simulated {
    fn handle(&self, file: usize, path: &Path) -> Box<dyn DiskFile> {
        let (disk, name) = (self.clone(), name(path));
        Box::new(Handle { disk, file, name })
    }
}

impl Inner {
    /// Notes that this kind of sync was requested. Returns whether to do it.
    fn asked(&mut self, kind: &str) -> bool {
        self.syncs.insert(kind.to_owned());
        self.ignored.as_deref() != Some(kind)
    }

    fn create(&mut self, path: &Path) -> usize {
        // Always a new file, as the file system does: it removes the old one first.
        self.files.push(Contents::default());
        let file = self.files.len() - 1;
        self.names.insert(path.to_owned(), file);
        self.renames.push(Naming::Create(path.to_owned(), file));
        file
    }

    fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) {
        let file = &mut self.files[file];
        overwrite(&mut file.current, offset, bytes);
        file.pending.push((offset, bytes.to_vec()));
        file.modified += 1;
    }

    fn sync_names(&mut self) {
        self.renames.clear();
        self.durable_names = self.names.clone();
    }

    /// The power fails: any part of what is not durable is lost.
    fn lose(&mut self) {
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
            }
        }
        self.names = self.durable_names.clone();
        for file in 0..self.files.len() {
            self.lose_some_of(file);
            self.files[file].current = self.files[file].durable.clone();
        }
    }

    /// Some of the pending sectors become durable; the others are lost.
    fn lose_some_of(&mut self, file: usize) {
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
    fn sync(&mut self) {
        for (offset, bytes) in self.pending.drain(..) {
            overwrite(&mut self.durable, offset, &bytes);
        }
    }
}

fn identity(file: usize) -> Identity {
    let (device, inode) = (0, file as u64);
    Identity { device, inode }
}

fn overwrite(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}

fn has(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|found| found == part.as_bytes())
}

fn name(path: &Path) -> String {
    let name = path.file_name().and_then(OsStr::to_str);
    name.unwrap_or_default().to_owned()
}
