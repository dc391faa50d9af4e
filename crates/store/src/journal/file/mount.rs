//! The mount point of a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The mount point above this absolute path: `/` for the root file system, the path
/// itself for a file that is a mount of its own.
///
/// # Errors
/// When `/proc/self/mountinfo` cannot be read.
pub fn mount_point(path: &Path) -> io::Result<PathBuf> {
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
