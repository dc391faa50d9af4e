//! The memory that this process may use.

use std::{fs, path::Path};

/// Bytes of memory that this process may use: the memory of the machine, the limits of the
/// control groups or the limits of the process (`ulimit -v`, `ulimit -d`), whichever is least.
/// `None` on systems without `/proc`.
pub(crate) fn limit() -> Option<u64> {
    limit_under(Path::new("/"))
}

fn limit_under(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = first_number(&read("proc/meminfo"), "MemTotal:").map(|kib| kib * 1024);
    let limits = read("proc/self/limits");
    let own = ["Max address space", "Max data size"].map(|name| first_number(&limits, name));
    let groups = read("proc/self/cgroup");
    let groups = groups.lines().filter_map(|line| of_group(root, line));
    groups.chain(machine).chain(own.into_iter().flatten()).min()
}

/// The number behind this name at the start of a line.
fn first_number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least limit of the process's control groups and of their parents. A line is
/// `number:controllers:path` (cgroups(7)); in version 2 it is `0::path`.
fn of_group(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // In a container, the path may be the host's while the mount is the container's own.
    let groups = Path::new(path).ancestors().filter_map(|group| {
        let group = group.strip_prefix("/").unwrap_or(group);
        let limit = fs::read_to_string(root.join(mount).join(group).join(file)).ok()?;
        limit.trim().parse().ok()
    });
    groups.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit on a machine of 8 GiB with these files.
    fn limit_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        let machine = (
            "proc/meminfo",
            "MemTotal:        8388608 kB\nMemFree: 1 kB\n",
        );
        for (path, text) in files.iter().chain([&machine]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        limit_under(root.path())
    }

    #[test]
    fn the_least_limit_counts() {
        let group = ("proc/self/cgroup", "0::/forum/users\n");
        let max = |text| ("sys/fs/cgroup/forum/users/memory.max", text);
        let above = ("sys/fs/cgroup/forum/memory.max", "5000\n");
        let own = "Limit  Soft Limit  Hard Limit  Units\n\
                   Max data size             4000  unlimited  bytes\n\
                   Max address space         unlimited  unlimited  bytes\n";
        for (files, limit) in [
            (&[][..], 8 << 30),
            (&[group, max("max\n")], 8 << 30),
            (&[group, max("67108864\n")], 64 << 20),
            (&[group, max("67108864\n"), above], 5000),
            (&[group, max("67108864\n"), ("proc/self/limits", own)], 4000),
            // In a container, the path is `/` or one that only the host has.
            (
                &[
                    ("proc/self/cgroup", "0::/\n"),
                    ("sys/fs/cgroup/memory.max", "6000\n"),
                ],
                6000,
            ),
            (
                &[
                    ("proc/self/cgroup", "9:cpu:/docker/1\n3:memory:/docker/1\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n"),
                ],
                7000,
            ),
        ] {
            assert_eq!(limit_with(files), Some(limit), "{files:?}");
        }
    }

    #[test]
    fn this_machine_has_a_limit() {
        assert!(limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
