//! A memory limit like that of a container.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// A control group (version 1 or 2) with a memory limit. Only root can create one. The system
/// kills a process in it that takes more memory. Dropping it removes it: drop its processes first.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// A new group whose processes may together take so many bytes.
    ///
    /// # Panics
    /// When the system has no memory controller, or this is not root.
    #[must_use]
    pub fn with_memory(bytes: usize) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        let parent = if unified {
            // An error is no fault: the controller may be enabled already.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
            root.to_owned()
        } else {
            root.join("memory")
        };
        let dir = parent.join(format!("forum-{}-{number}", process::id()));
        fs::create_dir(&dir).expect("root can make a memory cgroup");
        let group = Self { dir, unified };
        let [limit, with_swap] = if unified {
            ["memory.max", "memory.swap.max"]
        } else {
            ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        };
        let set = |name: &str, bytes: usize| fs::write(group.file(name), bytes.to_string());
        set(limit, bytes).expect("a memory cgroup has a limit");
        // The file does not exist on systems without swap accounting.
        let _ = set(with_swap, if unified { 0 } else { bytes });
        group
    }

    /// The most bytes that its processes have taken, including the system's caches for them.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        let peak = self.file(if self.unified {
            "memory.peak"
        } else {
            "memory.max_usage_in_bytes"
        });
        let peak = fs::read_to_string(peak).expect("a memory cgroup knows its peak");
        peak.trim().parse().expect("a number")
    }

    /// How many of its processes were killed because they exceeded the limit.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn kills(&self) -> usize {
        let events = self.file(if self.unified {
            "memory.events"
        } else {
            "memory.oom_control"
        });
        let events = fs::read_to_string(events).expect("a memory cgroup counts");
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        kills
            .and_then(|kills| kills.parse().ok())
            .expect("the number of kills")
    }

    /// The file to which a process writes its id to enter the group.
    #[must_use]
    pub fn entrance(&self) -> PathBuf {
        self.file("cgroup.procs")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The group is busy for a moment after its last process has ended.
        for _ in 0..100 {
            match fs::remove_dir(&self.dir) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}
