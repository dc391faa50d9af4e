//! Durable writes: what the disk, the store and the service reach.

pub mod callers;

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use common::Post;
use serde_json::json;
use store::{Author, Store, WriteLock};
use tempfile::TempDir;

use crate::{
    client::{Client, Traffic, Until},
    company::beside,
    context::Context,
    pairs::Spread,
    peers::Build,
    report::Table,
    server::{Server, root},
};

/// About the length of a write's line in the journal.
const RECORD_BYTES: usize = 200;

/// The token of a service that writes.
pub const TOKEN: &str = "bench-0123456789";

/// A directory in memory, whose syncs do nothing.
const MEMORY: &str = "/dev/shm";

/// Measures writes a second by the clock, because the disk decides.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    in_the_store(context)?;
    over_http(context)?;
    readers_meanwhile(context)
}

/// A way to write, and the rates that it reached.
struct Way<'a> {
    name: String,
    rate: Box<dyn Fn() -> anyhow::Result<f64> + 'a>,
    rates: Vec<f64>,
}

fn way<'a>(name: &str, rate: impl Fn() -> anyhow::Result<f64> + 'a) -> Way<'a> {
    Way {
        name: name.to_owned(),
        rate: Box::new(rate),
        rates: Vec::new(),
    }
}

/// Lets all ways write in turn, round by round.
fn take_turns(ways: &mut [Way<'_>], rounds: usize) -> anyhow::Result<()> {
    for _ in 0..rounds {
        for way in &mut *ways {
            way.rates.push((way.rate)()?);
        }
    }
    Ok(())
}

fn table(title: &str, text: &str, ways: &[Way<'_>], base: usize) -> Table {
    let head = ["", "writes/s", &format!("× {}", ways[base].name)];
    let mut table = Table::new(title, text, &head);
    for way in ways {
        let ratios = way
            .rates
            .iter()
            .zip(&ways[base].rates)
            .map(|(one, base)| one / base);
        table.row([
            way.name.clone(),
            Spread::of(way.rates.iter().copied()).show(0),
            Spread::of(ratios).show(2),
        ]);
    }
    table
}

fn in_the_store(context: &Context) -> anyhow::Result<()> {
    let time = context.amount(Duration::from_secs(1), Duration::from_millis(50));
    let rounds = context.amount(7, 1);
    let dir = context.dir();
    let mut ways = vec![
        way("append + fdatasync", || appends(dir, 1, time)),
        way("64 appends + fdatasync", || appends(dir, 64, time)),
        way("overwrite + fdatasync", || overwrites(dir, time)),
        way("overwrite + fdatasync by a thread that is asked", || {
            context.cores.on_server(|| handed_over(dir, time))?
        }),
        way("store, 1 writer", || in_store(context, dir, 1, time)),
        way("store, 8 writers", || in_store(context, dir, 8, time)),
        way("store, 64 writers", || in_store(context, dir, 64, time)),
        way("store, 256 writers", || in_store(context, dir, 256, time)),
    ];
    let script = root().join("crates/bench/peers/sqlite.py");
    let python = Command::new("python3")
        .args(["-c", "import sqlite3"])
        .output();
    if python.is_ok_and(|output| output.status.success()) {
        ways.insert(
            2,
            way("SQLite (WAL, synchronous=FULL), 1 writer", move || {
                sqlite(&script, dir, time)
            }),
        );
    } else {
        context.skip("SQLite", "apt-get install python3");
    }
    take_turns(&mut ways, rounds)?;
    let text = format!(
        "Appends of {RECORD_BYTES} bytes to a growing file are the disk's limit. Overwriting \
         needs no new blocks. SQLite is driven \
         by Python's module."
    );
    context.add(table("Durable writes in the store", &text, &ways, 0));
    Ok(())
}

/// Appended records a second, with one sync for each `group`.
#[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
fn appends(dir: &Path, group: usize, time: Duration) -> anyhow::Result<f64> {
    let mut file = File::create(dir.join("appends"))?;
    let bytes = vec![b'x'; RECORD_BYTES * group];
    let began = Instant::now();
    let mut records = 0;
    while began.elapsed() < time {
        file.write_all(&bytes)?;
        file.sync_data()?;
        records += group;
    }
    Ok(records as f64 / began.elapsed().as_secs_f64())
}

/// A file whose blocks are there already, as those of the store's journal are.
struct Room {
    file: File,
    written: u64,
}

impl Room {
    const BYTES: u64 = 4 * 1024 * 1024;

    fn new(dir: &Path) -> anyhow::Result<Self> {
        let mut file = File::create(dir.join("room"))?;
        file.write_all(&vec![b'\n'; usize::try_from(Self::BYTES)?])?;
        file.sync_all()?;
        Ok(Self { file, written: 0 })
    }

    fn write(&mut self) -> std::io::Result<()> {
        let length = RECORD_BYTES as u64;
        let at = self.written * length % (Self::BYTES - length);
        self.file.write_all_at(&[b'x'; RECORD_BYTES], at)?;
        self.file.sync_data()?;
        self.written += 1;
        Ok(())
    }
}

/// Overwritten records a second, each with its own sync.
#[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
fn overwrites(dir: &Path, time: Duration) -> anyhow::Result<f64> {
    let mut room = Room::new(dir)?;
    let began = Instant::now();
    while began.elapsed() < time {
        room.write()?;
    }
    Ok(room.written as f64 / began.elapsed().as_secs_f64())
}

/// The same by another thread, which is asked for each record and answers.
#[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
fn handed_over(dir: &Path, time: Duration) -> anyhow::Result<f64> {
    let mut room = Room::new(dir)?;
    let (ask, asked) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    std::thread::spawn(move || {
        for () in asked {
            if answer.send(room.write()).is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    let mut written = 0_u64;
    while began.elapsed() < time {
        ask.send(())?;
        answers.recv()??;
        written += 1;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}

fn sqlite(script: &Path, dir: &Path, time: Duration) -> anyhow::Result<f64> {
    let dir = tempfile::tempdir_in(dir)?;
    let output = Command::new("python3")
        .arg(script)
        .arg(dir.path().join("posts.db"))
        .arg(time.as_secs_f64().to_string())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim()
        .parse()
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Writes a second that so many writers reach, each waiting for its own.
#[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
fn in_store(context: &Context, dir: &Path, writers: usize, time: Duration) -> anyhow::Result<f64> {
    let dir = tempfile::tempdir_in(dir)?;
    let path = dir.path().join("db.json");
    // The store's thread stays on the core on which it is started.
    context.cores.on_server(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let store = Store::<Post>::open_writable(WriteLock::take(&path)?, u64::MAX)?;
        let (written, took) = runtime.block_on(async {
            let store = Arc::new(store);
            let began = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..writers {
                let store = Arc::clone(&store);
                tasks.spawn(async move {
                    let mut written = 0;
                    while began.elapsed() < time {
                        let post = json!({"thread": 1, "text": "x".repeat(50), "user": 1});
                        let post = post.as_object().cloned().unwrap_or_default();
                        store.create(Author::Service, post).await?;
                        written += 1;
                    }
                    anyhow::Ok(written)
                });
            }
            let mut written = 0_usize;
            while let Some(task) = tasks.join_next().await {
                written += task??;
            }
            let took = began.elapsed();
            ensure!(
                store.status().await?.records == written,
                "not all writes are there"
            );
            store.close().await?;
            anyhow::Ok((written, took))
        })?;
        Ok(written as f64 / took.as_secs_f64())
    })?
}

/// A service that writes to a new file in `dir`.
fn writable(context: &Context, dir: &Path) -> anyhow::Result<(Server, TempDir)> {
    let dir = tempfile::tempdir_in(dir)?;
    let server = context.ours_with("ours", "posts", &dir.path().join("db.json"), |command| {
        command.env("WRITE_TOKEN", TOKEN);
    })?;
    Ok((server, dir))
}

/// A build's `posts` that writes to a copy of this file, in a directory of its own.
pub fn writable_copy(
    context: &Context,
    build: &Build,
    file: &Path,
    set: impl FnOnce(&mut Command),
) -> anyhow::Result<(Server, TempDir)> {
    let dir = tempfile::tempdir_in(context.dir())?;
    let db = dir.path().join("db.json");
    fs::copy(file, &db)?;
    let server = context.start_build(build, "posts", &db, |command| {
        command.env("WRITE_TOKEN", TOKEN);
        set(command);
    })?;
    Ok((server, dir))
}

/// A request that creates a small post in thread 1.
pub fn post(target: &str) -> Vec<u8> {
    post_in(target, 1, 50)
}

/// A request that creates a post of so many characters.
pub fn post_in(target: &str, thread: u64, length: usize) -> Vec<u8> {
    let body = json!({"thread": thread, "text": "x".repeat(length), "user": 1});
    request("POST", target, &body.to_string())
}

/// The same as [`post`], on behalf of who has this token.
pub fn post_by(token: &str) -> Vec<u8> {
    let body = json!({"thread": 1, "text": "x".repeat(50), "user": 1});
    request_by(token, "POST", "/api/posts", &body.to_string())
}

/// A request that writes.
pub fn request(method: &str, target: &str, body: &str) -> Vec<u8> {
    request_by(TOKEN, method, target, body)
}

fn request_by(token: &str, method: &str, target: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn over_http(context: &Context) -> anyhow::Result<()> {
    let time = context.amount(Duration::from_secs(1), Duration::from_millis(50));
    let (disk, _disk_dir) = writable(context, context.dir())?;
    let (memory, _memory_dir) = writable(context, Path::new(MEMORY))?;
    let empty = context.dir().join("empty.json");
    fs::write(&empty, "{\"posts\":[]}")?;
    let json_server = context.json_server(&empty)?;
    let rate = |server: &Server, target: &str, connections| {
        let traffic = Traffic::new(&[post(target)], connections, 1, 201);
        let outcome = Client::connect(server.addr, &traffic)?.run(Until::Elapsed(time))?;
        server.forget_output()?;
        #[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
        Ok(outcome.requests as f64 / outcome.elapsed.as_secs_f64())
    };
    let rate = &rate;
    let (disk, memory) = (&disk, &memory);
    for connections in [1, 8, 64, 256] {
        let mut ways = vec![
            way("ours, not synced (tmpfs)", || {
                rate(memory, "/api/posts", connections)
            }),
            way("ours", || rate(disk, "/api/posts", connections)),
        ];
        if let Some(server) = json_server.as_ref().filter(|_| connections <= 64) {
            let name = "json-server, not synced";
            ways.push(way(name, || rate(server, "/posts", connections)));
        }
        take_turns(&mut ways, context.amount(7, 1))?;
        let title = format!("Durable writes over HTTP, {connections} at a time");
        context.add(table(&title, "", &ways, 0));
    }
    Ok(())
}

fn readers_meanwhile(context: &Context) -> anyhow::Result<()> {
    let time = context.amount(Duration::from_secs(1), Duration::from_millis(50));
    let (server, _dir) = writable(context, context.dir())?;
    let twenty = crate::client::get("/api/posts?limit=20", "");
    let reads = Traffic::new(std::slice::from_ref(&twenty), 4, 1, 200);
    let others = [
        ("alone", None),
        (
            "while 64 others read",
            Some(Traffic::new(&[twenty], 64, 1, 200)),
        ),
        (
            "while 64 others write",
            Some(Traffic::new(&[post("/api/posts")], 64, 1, 201)),
        ),
    ];
    let p99 = |others: Option<&Traffic>| {
        let outcome = beside(server.addr, &reads, others, time)?;
        server.forget_output()?;
        anyhow::Ok(outcome.quantile(0.99).as_secs_f64() * 1e6)
    };
    // The records that are read exist from the start.
    p99(others[2].1.as_ref())?;
    let mut waits = vec![Vec::new(); others.len()];
    for _ in 0..context.amount(7, 1) {
        for ((_, others), waits) in others.iter().zip(&mut waits) {
            waits.push(p99(others.as_ref())?);
        }
    }
    let mut table = Table::new(
        "Readers while others write",
        "p99 of four connections that read 20 posts.",
        &["", "p99 µs", "× alone", "× while 64 others read"],
    );
    let [alone, reading, _] = &waits[..] else {
        unreachable!("three kinds of company");
    };
    for ((name, _), of) in others.iter().zip(&waits) {
        let ratio = |base: &Vec<f64>| Spread::of(of.iter().zip(base).map(|(one, base)| one / base));
        table.row([
            (*name).to_owned(),
            Spread::of(of.iter().copied()).show(0),
            ratio(alone).show(2),
            ratio(reading).show(2),
        ]);
    }
    context.add(table);
    Ok(())
}
