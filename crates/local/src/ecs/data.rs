//! The data of a service: the `db.json` in the repository, or a writable copy of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The seed of a service; tasks only read it.
#[must_use]
pub fn seed(root: &Path, service: &str) -> PathBuf {
    root.join("services").join(service).join("db.json")
}

/// The writable copy of a service's seed, made when there is none yet.
///
/// # Errors
/// When it cannot be made.
pub fn writable(root: &Path, service: &str) -> Result<PathBuf> {
    let directory = root.join("data").join(service);
    let db = directory.join("db.json");
    if !db.exists() {
        let seed = seed(root, service);
        let fresh = directory.join("db.json.new");
        fs::create_dir_all(&directory)
            .and_then(|()| fs::copy(&seed, &fresh).map(drop))
            // The file gets its own name only when it is complete.
            .and_then(|()| fs::rename(&fresh, &db))
            .with_context(|| format!("cannot copy {} to {}", seed.display(), db.display()))?;
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_made_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        assert!(writable(root.path(), "users").is_err(), "no seed");
        let seed = seed(root.path(), "users");
        fs::create_dir_all(seed.parent().unwrap()).unwrap();
        fs::write(&seed, "seed").unwrap();

        let db = writable(root.path(), "users").unwrap();
        assert_eq!(fs::read_to_string(&db).unwrap(), "seed");
        fs::write(&db, "changed").unwrap();
        assert_eq!(writable(root.path(), "users").unwrap(), db);
        assert_eq!(fs::read_to_string(&db).unwrap(), "changed");
    }
}
