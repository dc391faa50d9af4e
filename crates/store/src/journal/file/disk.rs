//! The file operations that the store needs.
//!
//! They are a trait because the tests use a second implementation: a simulated disk
//! that loses what was not synced, tears writes and fails on demand.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use rustix::fs::OFlags;

/// A disk. Files and their directory must be synced separately.
pub(crate) trait Disk: Send + Sync {
    /// Opens a regular file for reading; `None` when there is no such file.
    fn reader(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>>;
    /// Creates an empty file and removes the file that had its name. The new file gets
    /// the owner and the permissions of `like`, if that file exists.
    fn create(&self, path: &Path, like: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing; fails on a symbolic link.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Keeps the contents of a file, even when its name goes, until the returned value is
    /// dropped: freeing a large file takes long. `None` when that is not possible.
    fn keep(&self, path: &Path) -> Option<Kept>;
    /// Removes a file, if it is there.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file atomically; replaces the file that had the name `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a file's contents durable, whichever process wrote them.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Opens the directory of the file at `path`.
    fn directory_of(&self, path: &Path) -> io::Result<Box<dyn Directory>>;
    /// The version of a file, which shows whether someone else has changed it since.
    fn version(&self, path: &Path) -> io::Result<Option<Version>>;
    /// The identity of the file that has this name now. Does not follow a symbolic link.
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>>;
}

/// Holds a file's contents. Dropping it frees them if the file has no name any more.
pub(crate) type Kept = Box<dyn Send>;

/// An open directory. Dropping it closes it.
pub(crate) trait Directory: Send + Sync {
    /// Makes the names in the directory durable.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. Dropping it closes it.
pub(crate) trait DiskFile: Send + Sync {
    /// Reads as many bytes as `bytes` has, from this offset on.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at this offset.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&self) -> io::Result<()>;
    /// The identity of the open file.
    fn identity(&self) -> io::Result<Identity>;
}

/// Distinguishes a file from all others, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub device: u64,
    pub inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// A file's identity and last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub identity: Identity,
    pub bytes: u64,
    /// Seconds and nanoseconds of the last modification.
    pub modified: (i64, i64),
}

/// For [`OpenOptionsExt::custom_flags`]: opening a symbolic link fails.
pub(crate) const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// The system's file system.
pub(crate) struct FileSystem;

impl Disk for FileSystem {
    fn reader(&self, path: &Path) -> io::Result<Option<Box<dyn Read + Send>>> {
        match absent_is_none(fs::metadata(path))? {
            None => Ok(None),
            // Reading a device may never end, and reading a pipe may wait forever.
            Some(metadata) if !metadata.is_file() => {
                Err(io::Error::other("it is not a regular file"))
            }
            Some(_) => {
                let file = absent_is_none(File::open(path))?;
                Ok(file.map(|file| Box::new(file) as Box<dyn Read + Send>))
            }
        }
    }

    fn create(&self, path: &Path, like: &Path) -> io::Result<Box<dyn DiskFile>> {
        // Removes the name instead of opening it: it may be a link to somebody else's file.
        absent_is_none(remove(path))?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        if let Some(like) = absent_is_none(fs::metadata(like))? {
            // Only root may change a file's owner. For other users this fails, and they
            // own the file.
            let _ = fchown(&file, Some(like.uid()), Some(like.gid()));
            file.set_permissions(like.permissions())?;
        }
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).custom_flags(NO_LINK);
        Ok(Box::new(options.open(path)?))
    }

    fn keep(&self, path: &Path) -> Option<Kept> {
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(NO_LINK).open(path).ok()?;
        Some(Box::new(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        absent_is_none(fs::remove_file(path)).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn directory_of(&self, path: &Path) -> io::Result<Box<dyn Directory>> {
        Ok(Box::new(File::open(directory_of(path))?))
    }

    fn version(&self, path: &Path) -> io::Result<Option<Version>> {
        let metadata = absent_is_none(fs::metadata(path))?;
        Ok(metadata.map(|metadata| Version {
            identity: Identity::of(&metadata),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        let metadata = absent_is_none(fs::symlink_metadata(path))?;
        Ok(metadata.as_ref().map(Identity::of))
    }
}

impl Directory for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

impl DiskFile for File {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // fdatasync: of the metadata, it writes only what is needed to read the data.
        self.sync_data()
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::of(&self.metadata()?))
    }
}

/// Removes a file, a link or an empty directory.
fn remove(path: &Path) -> io::Result<()> {
    let Err(error) = fs::remove_file(path) else {
        return Ok(());
    };
    if !fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return Err(error);
    }
    fs::remove_dir(path).map_err(|error| {
        let what = format!("it is a directory and in the way; move it elsewhere ({error})");
        io::Error::new(error.kind(), what)
    })
}

/// The directory that holds the file at `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
