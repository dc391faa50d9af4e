//! A simulated disk for tests. It loses any subset of the sectors and names that were not
//! synced, and can fail or stop at any call.

mod fault;
mod handle;
mod loss;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::{self, Cursor, Read},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use fault::Wants;
pub(crate) use fault::{EARLY, EARLY_ERRORS, FULL, Fault};
use handle::Handle;
use loss::overwrite;

use crate::journal::file::disk::{Directory, Disk, DiskFile, Identity, Kept, Version};

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
    /// Kinds of sync that begin so wait.
    held: Option<&'static str>,
    /// Whether one of them may go on.
    one_passes: bool,
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
    Remove(PathBuf, usize),
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

    /// The calls so far.
    pub fn calls(&self) -> usize {
        self.inner().calls
    }

    /// The kinds of sync that were requested so far.
    pub fn syncs(&self) -> BTreeSet<String> {
        self.inner().syncs.clone()
    }

    /// Makes syncs of files wait, or lets them continue.
    pub fn hold_syncs(&self, held: bool) {
        self.inner().held = held.then_some("");
        self.0.changed.notify_all();
    }

    /// Makes syncs of this kind wait.
    pub fn hold_syncs_of(&self, kind: &'static str) {
        self.inner().held = Some(kind);
    }

    /// Lets one sync that waits, or the next one, continue.
    pub fn let_one_sync_pass(&self) {
        self.inner().one_passes = true;
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

    /// Takes a name away without syncing, as another program may do.
    pub fn take_away(&self, path: &Path) {
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
        while inner.held.is_some_and(|held| kind.starts_with(held))
            && !mem::take(&mut inner.one_passes)
        {
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

    fn keep(&self, _: &Path) -> Option<Kept> {
        // Not counted as a call: nothing depends on it.
        Some(Box::new(()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.call(Wants::Nothing).map_err(|(_, error)| error)?;
        if let Some(file) = inner.names.remove(path) {
            inner.renames.push(Naming::Remove(path.to_owned(), file));
        }
        Ok(())
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
        let starting = mem::take(&mut inner.starting);
        let renamed = inner.renames.iter().rev().find_map(|naming| match naming {
            Naming::Rename(_, to, _) => Some(name(to)),
            Naming::Create(..) | Naming::Remove(..) => None,
        });
        let kind = match renamed {
            Some(to) if !starting => format!("directory with a new {to}"),
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

    /// Whether the file has this name.
    fn is_named(&self, file: usize, own: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|(path, named)| *named == file && name(path) == own)
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
}

fn identity(file: usize) -> Identity {
    let (device, inode) = (0, file as u64);
    Identity { device, inode }
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
