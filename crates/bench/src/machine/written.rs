//! What a service has written to its disk.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use anyhow::Context;

/// Bytes of a sector in the block layer's account, whatever the disk's own sectors are.
const SECTOR_BYTES: u64 = 512;

/// Bytes that the store's threads of a service have handed to `write` and its kin (`wchar` in
/// `/proc/PID/io`): the journal's lines and room, and each new `db.json`. The store's are all
/// threads with a name of their own, also those that have ended: those that answer requests and
/// write the log have the process's. A wake-up of the thread that answers requests adds eight
/// bytes.
///
/// This counts neither whole blocks nor what the file system writes about the files.
/// `write_bytes` would count every byte of a large folio of which one line was changed.
pub fn by_the_store(pid: u32) -> io::Result<u64> {
    let mut written = wchar(Path::new(&format!("/proc/{pid}/io")))?;
    let own_name = fs::read_to_string(format!("/proc/{pid}/comm"))?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))? == own_name {
            written = written.saturating_sub(wchar(&task.join("io"))?);
        }
    }
    Ok(written)
}

/// Bytes that the block layer has written to the disk that holds `path`: for all processes, in
/// whole blocks, and with what the file system writes about its files.
pub fn by_the_block_layer(path: &Path) -> anyhow::Result<u64> {
    let device = fs::metadata(path)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = format!("/sys/dev/block/{major}:{minor}/stat");
    let text = fs::read_to_string(&stat)
        .with_context(|| format!("{} is on no disk: cannot read {stat}", path.display()))?;
    let sectors = text.split_whitespace().nth(6);
    let sectors: u64 = sectors.context("no sectors written")?.parse()?;
    Ok(sectors * SECTOR_BYTES)
}

fn wchar(file: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    value
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("{} has no wchar", file.display())))
}
