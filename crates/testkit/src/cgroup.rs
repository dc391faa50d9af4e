//! A memory limit, as containers have it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// A control group with a memory limit, of either version. Only root can make one. A process in
/// it that takes more is killed by the system. Removed when dropped: drop its processes first.
#[derive(Debug)]
pub struct Cgroup {
    dir: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// A new group whose processes may take so many bytes.
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
            // It may be on already, or not be ours to switch.
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
        // Not there where the system cannot swap.
        let _ = set(with_swap, if unified { 0 } else { bytes });
        group
    }

    /// The most bytes that its processes and what the system keeps for them have taken.
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

    /// How many of its processes were killed for want of memory.
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

    /// The file that a process writes its number to, to get in.
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
        // It takes the system a moment to let go of the last process.
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
