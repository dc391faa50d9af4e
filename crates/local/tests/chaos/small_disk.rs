//! A small disk that a test can fill.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a few megabytes, in memory. Only root can mount one.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Creates the directory `path` and mounts one there. Returns `None` when the system refuses.
    pub fn mount(path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]);
        let mounted = mount.arg(path).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(path.to_owned()))
    }

    /// Fills the disk.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [64 * 1024, 512] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Frees the disk.
    pub fn free(&self) {
        // Fails when the disk was never filled.
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // `--lazy`, because a task that is ending may still use it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
