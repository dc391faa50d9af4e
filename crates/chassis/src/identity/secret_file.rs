//! A file that holds a secret.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

/// Bytes that a secret may have. A longer file, such as an endless device, is the wrong one.
const BYTES_MAX: u64 = 8 * 1024;

/// Longest wait for the file. It may be a pipe, such as that of `<(pass show forum)`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The text in the file at `path`, without white space at its end.
///
/// # Errors
/// When the file cannot be read, does not end in time, or is too long for a secret.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    let file = path.to_owned();
    // On a thread of its own: opening a pipe that nobody writes to never returns.
    thread::Builder::new().spawn(move || sender.send(read_bounded(&file)))?;
    let Ok(bytes) = receiver.recv_timeout(PATIENCE) else {
        bail!("nothing was written to it, or not all, within {PATIENCE:?}; is it a pipe?");
    };
    let bytes = bytes?;
    if bytes.len() as u64 > BYTES_MAX {
        bail!(
            "it has more than the {BYTES_MAX} bytes that a token may have; is it the right file?"
        );
    }
    let text = String::from_utf8(bytes).ok().context("it is not text")?;
    Ok(text.trim_end().to_owned())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
