//! Collections of any size, the same on every machine.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

/// How many posts each user has written.
pub const POSTS_PER_USER: u64 = 20;

const WORDS: [&str; 16] = [
    "the", "trail", "was", "dry", "until", "noon", "and", "then", "rain", "came", "over", "ridge",
    "so", "we", "turned", "back",
];

/// Writes a `db.json` of `count` posts of some 100 bytes each. Every user has
/// 20 of them, spread over the whole file.
pub fn posts(dir: &Path, count: u64) -> anyhow::Result<PathBuf> {
    let path = dir.join(format!("posts-{count}.json"));
    let mut out = BufWriter::with_capacity(1024 * 1024, File::create(&path)?);
    out.write_all(b"{\n  \"posts\": [\n")?;
    for id in 1..=count {
        let (thread, user) = (id / 50 + 1, user_of(id, count));
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
    Ok(path)
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
