//! Collections of any size, the same on every machine.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// How many posts each user has written.
pub const POSTS_PER_USER: u64 = 20;

/// The thread of a forum that has half of all posts.
pub const POPULAR: u64 = 1;

/// The user of a forum who wrote a tenth of the posts of [`POPULAR`].
pub const BUSY: u64 = 1;

const WORDS: [&str; 16] = [
    "the", "trail", "was", "dry", "until", "noon", "and", "then", "rain", "came", "over", "ridge",
    "so", "we", "turned", "back",
];

/// Writes a `db.json` of `count` posts of some 100 bytes each. Every user has
/// 20 of them, spread over the whole file.
pub fn posts(dir: &Path, count: u64) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("posts-{count}.json"));
    write(&path, count, |id| (id / 50 + 1, user_of(id, count)))?;
    Ok(path)
}

/// Writes a `db.json` of `count` posts, of which [`POPULAR`] has every second
/// one, and [`BUSY`] every tenth of that thread. Every other
/// user has about 20 posts, half of them in that thread.
pub fn forum(dir: &Path, count: u64) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("forum-{count}.json"));
    write(&path, count, |id| {
        let thread = if id % 2 == 1 { POPULAR } else { id / 50 + 2 };
        let user = match id % 20 {
            1 => BUSY,
            // Of two neighbours, one is in the popular thread.
            _ => user_of(id / 2, count),
        };
        (thread, user)
    })?;
    Ok(path)
}

/// Writes posts whose thread and user `of` tells.
fn write(path: &Path, count: u64, of: impl Fn(u64) -> (u64, u64)) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1024 * 1024, File::create(path)?);
    out.write_all(b"{\n  \"posts\": [\n")?;
    for id in 1..=count {
        let (thread, user) = of(id);
        let end = if id < count { "," } else { "" };
        write!(out, "    {{\"id\":{id},\"thread\":{thread},\"text\":\"")?;
        for word in 0..10 {
            let word = WORDS[usize::try_from((id * 31 + word * word * 7) % 16)?];
            write!(out, "{word} ")?;
        }
        writeln!(out, "\",\"user\":{user}}}{end}")?;
    }
    out.write_all(b"  ]\n}\n")?;
    out.flush()?;
    Ok(())
}

/// How many users have written `count` posts.
pub fn users(count: u64) -> u64 {
    (count / POSTS_PER_USER).max(1)
}

fn user_of(id: u64, count: u64) -> u64 {
    id % users(count) + 1
}

/// Some of the users of `count` posts, in no particular order.
pub fn some_users(count: u64) -> impl Iterator<Item = u64> {
    // A prime step reaches users all over the file.
    (0..users(count).min(499)).map(move |n| n * 7919 % users(count) + 1)
}
