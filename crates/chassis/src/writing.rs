//! Whether this service writes.

use std::{env, path::Path};

use anyhow::bail;
use store::{OpenError, WriteLock, mount_point};

use crate::{config::Config, identity::token::Token};

/// Set by ECS in every task's containers.
const TASK_METADATA: [&str; 2] = [
    "ECS_CONTAINER_METADATA_URI_V4",
    "ECS_CONTAINER_METADATA_URI",
];

/// What it takes to write: the only right to the file, and a token that clients
/// must show. `None` without a token, and on a read-only file system.
///
/// # Errors
/// When there is a token and the file cannot be written, or would be lost.
pub(crate) fn prepare(config: &Config) -> anyhow::Result<Option<(WriteLock, Token)>> {
    let Some(token) = Token::configured(config)? else {
        return Ok(None);
    };
    match WriteLock::take(&config.db) {
        Err(error @ OpenError::ReadOnlyFileSystem { .. }) => {
            tracing::warn!(%error, "serving read-only in spite of the write token");
            Ok(None)
        }
        result => {
            // Before any other error: that it is the wrong place comes first.
            check_outlives_task(&config.db)?;
            Ok(Some((result?, token)))
        }
    }
}

/// A task's own file system ends with the task, and its writes with it.
fn check_outlives_task(path: &Path) -> anyhow::Result<()> {
    let in_task = TASK_METADATA.iter().any(|name| env::var_os(name).is_some());
    let real = path.canonicalize().or_else(|_| std::path::absolute(path))?;
    if in_task && mount_point(&real)? == Path::new("/") {
        bail!(
            "{} would be lost with this ECS task; mount a volume and name the file there with \
             --db or DB_PATH, or take the write token away to serve read-only",
            path.display()
        );
    }
    Ok(())
}
