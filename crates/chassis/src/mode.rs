//! Whether this process writes, and why not.

mod mount;

use store::{OpenError, WriteLock};

use crate::{config::Config, identity::caller::Identity};

/// Whether this process writes. Who may ask it to is the matter of [`Identity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It takes writes, and no other process may write the file.
    Writable,
    /// It takes no writes.
    ReadOnly(ReadOnly),
}

/// Why a process takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// Neither a key nor an issuer of user tokens is configured, so nobody may write.
    NoToken,
    /// The collection's file is on a read-only file system.
    FileSystem,
}

impl Mode {
    /// Whether this process takes writes.
    #[must_use]
    pub fn writable(self) -> bool {
        self == Self::Writable
    }

    /// The mode's name, for health checks and the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Writable => "writable",
            Self::ReadOnly(_) => "read-only",
        }
    }
}

/// Chooses the mode, with the right to the file if it is writable.
///
/// # Errors
/// When somebody may write and the file cannot be written, or would be lost.
pub(crate) fn choose(
    config: &Config,
    identity: &Identity,
) -> anyhow::Result<(Mode, Option<WriteLock>)> {
    if !identity.writers().any() {
        return Ok((Mode::ReadOnly(ReadOnly::NoToken), None));
    }
    mount::check_replaceable(&config.db)?;
    match WriteLock::take(&config.db) {
        Err(error @ OpenError::ReadOnlyFileSystem { .. }) => {
            tracing::warn!(%error, "serving read-only in spite of the write token");
            Ok((Mode::ReadOnly(ReadOnly::FileSystem), None))
        }
        taken => {
            // This check comes before any error of the lock: if the file is in the wrong place,
            // the error says so.
            mount::check_outlives_task(&config.db)?;
            Ok((Mode::Writable, Some(taken?)))
        }
    }
}
