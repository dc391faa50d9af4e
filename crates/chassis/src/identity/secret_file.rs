//! A small file that an operator names: a secret, or keys.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};

/// Longest wait for the file. It may be a pipe, such as that of `<(pass show forum)`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The text in the file at `path`, without white space at its end. A file with more than
/// `bytes_max` bytes, such as an endless device, is the wrong one.
///
/// # Errors
/// When the file cannot be read, does not end in time, or is too long.
pub(crate) fn read(path: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    let file = path.to_owned();
    // On a thread of its own: opening a pipe that nobody writes to never returns.
    thread::Builder::new().spawn(move || sender.send(read_bounded(&file, bytes_max)))?;
    let Ok(bytes) = receiver.recv_timeout(PATIENCE) else {
        bail!("nothing was written to it, or not all, within {PATIENCE:?}; is it a pipe?");
    };
    let bytes = bytes?;
    if bytes.len() as u64 > bytes_max {
        bail!("it has more than the {bytes_max} bytes that it may have; is it the right file?");
    }
    let text = String::from_utf8(bytes).ok().context("it is not text")?;
    Ok(text.trim_end().to_owned())
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
