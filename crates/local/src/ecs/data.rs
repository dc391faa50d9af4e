//! The data of a service: the `db.json` in the repository, or a writable copy of it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
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

/// The directory of the keys that a writable cluster makes at each start. It is not with the data,
/// whose disk may be full.
#[must_use]
pub fn keys(root: &Path) -> PathBuf {
    root.join("target/local")
}

/// Makes a new write token for a service, in a file among the [`keys`]. Only this user can read the
/// file, unlike the environment of a task.
///
/// # Errors
/// When the file cannot be written.
pub fn write_token(root: &Path, service: &str) -> Result<(String, PathBuf)> {
    let token = random_hex().context("cannot make a write token")?;
    let file = keys(root).join(format!("{service}.token"));
    let fresh = file.with_extension("new");
    let written = || {
        fs::create_dir_all(keys(root))?;
        // A file that is left over could be readable by others.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?
            .write_all(token.as_bytes())?;
        fs::rename(&fresh, &file)
    };
    written().with_context(|| format!("cannot write the token to {}", file.display()))?;
    Ok((token, file))
}

/// 128 random bits as hexadecimal digits.
///
/// # Errors
/// When the system has no randomness.
pub fn random_hex() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

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

    #[test]
    fn only_this_user_can_read_a_token() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(keys(root.path())).unwrap();
        fs::write(keys(root.path()).join("users.token"), "readable").unwrap();
        let (token, file) = write_token(root.path(), "users").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), token);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn tokens_differ() {
        assert_eq!(random_hex().unwrap().len(), 32);
        assert_ne!(random_hex().unwrap(), random_hex().unwrap());
    }
}
