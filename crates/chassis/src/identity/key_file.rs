//! The file with the issuer's keys, which may change while the service runs.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;

use crate::identity::{keys::KeySet, secret_file};

/// How often the file is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Bytes that the file may have.
const BYTES_MAX: u64 = 64 * 1024;

/// The file with the issuer's keys, and what it held last.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    text: String,
    /// The last good keys.
    keys: Arc<KeySet>,
    /// What is wrong with the file since then.
    fault: Option<String>,
}

impl KeyFile {
    /// Reads the keys.
    ///
    /// # Errors
    /// When the file cannot be read, or is no key set that verifies tokens.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let opened = secret_file::read(&path, BYTES_MAX).and_then(|text| {
            let keys = Arc::new(KeySet::read(text.as_bytes())?);
            Ok(Last {
                text,
                keys,
                fault: None,
            })
        });
        let last = opened.with_context(|| {
            format!(
                "cannot take the issuer's keys from {} (--jwks-file or JWKS_FILE)",
                path.display()
            )
        })?;
        Ok(Self {
            path,
            last: Mutex::new(last),
        })
    }

    /// The last good keys.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.last().keys)
    }

    /// Whether the file has no good keys now, so that older ones are used.
    pub fn is_stale(&self) -> bool {
        self.last().fault.is_some()
    }

    /// Reads the file again. Where it has no good keys, the last good ones stay, and the log says so
    /// once.
    pub fn look_again(&self) {
        let path = self.path.display();
        let read = secret_file::read(&self.path, BYTES_MAX);
        let mut last = self.last();
        if read.as_ref().is_ok_and(|text| *text == last.text) {
            last.fault = None;
            return;
        }
        match read.and_then(|text| Ok((KeySet::read(text.as_bytes())?, text))) {
            Ok((keys, text)) => {
                tracing::info!(%path, keys = keys.len(), "new keys for user tokens");
                (last.text, last.keys, last.fault) = (text, Arc::new(keys), None);
            }
            Err(error) => {
                let fault = format!("{error:#}");
                if last.fault.as_ref() != Some(&fault) {
                    tracing::warn!(%path, error = fault, "bad keys for user tokens: the last good ones stay");
                    last.fault = Some(fault);
                }
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        // What is behind the lock is assigned whole, so a panic leaves it whole.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use testkit::issuer::{SigningKey, key_set};

    use super::*;

    /// How many lines a call logs.
    fn lines_logged(call: impl FnOnce()) -> usize {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = Mutex::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        tracing::subscriber::with_default(subscriber, call);
        fs::read_to_string(log.path()).unwrap().lines().count()
    }

    #[test]
    fn a_bad_file_is_stale_and_logged_once_until_it_is_good_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        let good = key_set(&[&SigningKey::p256("k", 0)]);
        fs::write(&path, &good).unwrap();
        let file = KeyFile::open(path.clone()).unwrap();
        let keys = file.keys();
        let look_at = |text: &str| {
            fs::write(&path, text).unwrap();
            let lines = lines_logged(|| file.look_again());
            (lines, file.is_stale())
        };
        assert_eq!(look_at("{ broken"), (1, true));
        assert_eq!(look_at("{ broken"), (0, true));
        assert_eq!(look_at("{}"), (1, true), "it is bad in another way");
        assert_eq!(look_at(&good), (0, false));
        assert_eq!(look_at("{}"), (1, true), "it is bad again");
        assert!(Arc::ptr_eq(&keys, &file.keys()), "the last good keys stay");
        let new = key_set(&[&SigningKey::p256("k", 1)]);
        assert_eq!(look_at(&new), (1, false));
        assert!(!Arc::ptr_eq(&keys, &file.keys()));
    }
}
