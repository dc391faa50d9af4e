//! Whether this process writes, and why not.

use std::{env, path::Path};

use anyhow::bail;
use store::{OpenError, WriteLock, mount_point};

use crate::{config::Config, identity::caller::Identity};

/// Set by ECS in every task's containers.
const TASK_METADATA: [&str; 2] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
];

/// Whether this process writes. Who may ask it to is the matter of [`Identity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It takes writes, and it alone has the right to the file.
    Writable,
    /// It takes none.
    ReadOnly(ReadOnly),
}

/// Why a process takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOnly {
    /// No token is configured, so nobody may write.
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
    if !identity.knows_writers() {
        return Ok((Mode::ReadOnly(ReadOnly::NoToken), None));
    }
    match WriteLock::take(&config.db) {
        Err(error @ OpenError::ReadOnlyFileSystem { .. }) => {
            tracing::warn!(%error, "serving read-only in spite of the write token");
            Ok((Mode::ReadOnly(ReadOnly::FileSystem), None))
        }
        taken => {
            // Checked before other errors are told: a file in the wrong place is the cause to mend.
            check_outlives_task(&config.db)?;
            Ok((Mode::Writable, Some(taken?)))
        }
    }
}

/// Refuses a file that an ECS task would lose: the task's own file system ends with the task.
fn check_outlives_task(path: &Path) -> anyhow::Result<()> {
    let in_task = TASK_METADATA.iter().any(|name| env::var_os(name).is_some());
    let real = path.canonicalize().or_else(|_| std::path::absolute(path))?;
    if in_task && mount_point(&real)? == Path::new("/") {
        bail!(
            "{} would be lost with this ECS task; mount a volume and name the file there with \
             --db or DB_PATH, or remove the write token to serve read-only",
            path.display()
        );
    }
    Ok(())
}
