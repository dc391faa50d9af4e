//! Where the collection's file is mounted from, and what that means for writing it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::bail;

/// Set by ECS in every task's containers.
const TASK_METADATA: [&str; 2] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
];

/// Refuses a file that is a mount point itself: no other file can be renamed to its name.
pub(super) fn check_replaceable(path: &Path) -> anyhow::Result<()> {
    // An error is ignored here: taking the write lock reports it.
    let is_mount_point = |real: PathBuf| mount_point(&real).is_ok_and(|mount| mount == real);
    if real_path(path).is_ok_and(is_mount_point) {
        bail!(
            "{} is mounted as a single file and cannot be replaced; mount its directory instead, \
             and name the file there with --db or DB_PATH",
            path.display()
        );
    }
    Ok(())
}

/// Refuses a file that an ECS task would lose: the task's own file system ends with the task.
pub(super) fn check_outlives_task(path: &Path) -> anyhow::Result<()> {
    let in_task = TASK_METADATA.iter().any(|name| env::var_os(name).is_some());
    if in_task && mount_point(&real_path(path)?)? == Path::new("/") {
        bail!(
            "{} would be lost with this ECS task; mount a volume and name the file there with \
             --db or DB_PATH, or remove the write token to serve read-only",
            path.display()
        );
    }
    Ok(())
}

/// The absolute path, without symbolic links if the file exists.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize().or_else(|_| std::path::absolute(path))
}

/// The mount point above this absolute path: `/` for the root file system, the path
/// itself for a file that is a mount of its own.
///
/// # Errors
/// When `/proc/self/mountinfo` cannot be read.
fn mount_point(path: &Path) -> io::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    // proc(5): the fifth field is the mount point, with white space escaped in octal.
    let points = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape);
    let over = points.filter(|point| path.starts_with(point));
    Ok(over
        .max_by_key(|point| point.as_os_str().len())
        .unwrap_or_else(|| "/".into()))
}

fn unescape(field: &str) -> PathBuf {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |field, (octal, char)| {
        field.replace(octal, char)
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_above_a_path_is_its_own() {
        assert_eq!(
            mount_point(Path::new("/proc/self/status")).unwrap(),
            Path::new("/proc")
        );
        assert_eq!(
            mount_point(Path::new("/no such thing")).unwrap(),
            Path::new("/")
        );
        assert_eq!(unescape("/a\\040b"), Path::new("/a b"));
    }
}
