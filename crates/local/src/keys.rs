//! The files of the keys that a writable cluster makes at each start.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The directory of the files. It is not with the data, whose disk may be full.
#[must_use]
pub fn directory(root: &Path) -> PathBuf {
    root.join("target/local")
}

/// Makes a new write token for a service, in a file in the [`directory`]. Only this user can read the
/// file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_token(root: &Path, service: &str) -> Result<(String, PathBuf)> {
    let token = random_hex().context("cannot make a write token")?;
    let file = directory(root).join(format!("{service}.token"));
    let fresh = file.with_extension("new");
    let written = || {
        fs::create_dir_all(directory(root))?;
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
    fn only_this_user_can_read_a_token() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory(root.path())).unwrap();
        fs::write(directory(root.path()).join("users.token"), "readable").unwrap();
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
