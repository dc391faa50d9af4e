//! Instructions, counted by callgrind: the same on a busy machine as on an idle one.

use std::{fs, path::Path};

use crate::{
    answers::Answer,
    client::{Client, Traffic, Until, get},
    context::Context,
    data,
    machine::callgrind::Callgrind,
    peers::Build,
    questions::{
        sizes::summaries,
        writes::{TOKEN, post},
    },
    report::Table,
    server::{Server, binary},
};
use anyhow::{Context as _, ensure};

/// The thread that writes the journal.
const WRITER: &str = "store-writer";

/// Instructions of loading a collection, and of the writer's thread for a write.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    if !Callgrind::installed() {
        context.skip("valgrind", "apt-get install valgrind");
        return Ok(());
    }
    loading(context)?;
    writing(context)?;
    summarizing(context)
}

fn loading(context: &Context) -> anyhow::Result<()> {
    let count = context.amount(100_000, 1_000);
    let db = data::posts(context.dir(), count)?;
    let serde = parsing(context, &db)?;
    let title = format!("Instructions: loading {count} posts");
    let text = "A whole start until it is ready, all threads, and `serde_json` reading the same \
                file into structs.";
    let mut table = Table::new(title, text, &["", "million", "× serde_json"]);
    for build in context.builds()? {
        let callgrind = Callgrind::new(context.dir())?;
        let program = build.binary("posts")?;
        let server = context.start_counted(build.name, &callgrind, &program, &db, |_| {})?;
        let counted = callgrind.all(server.pid())?;
        table.row(row(build.name, counted, serde));
    }
    table.row(row("serde_json", serde, serde));
    context.add(table);
    Ok(())
}

/// Instructions of a process that reads the file into structs.
fn parsing(context: &Context, db: &Path) -> anyhow::Result<u64> {
    let callgrind = Callgrind::new(context.dir())?;
    let mut command = callgrind.command(&binary("bench")?);
    let output = command.arg("parse").arg(db).output()?;
    ensure!(
        output.status.success(),
        "reading the file fails: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    callgrind.total()
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn row(name: &str, counted: u64, base: u64) -> [String; 3] {
    [
        name.to_owned(),
        format!("{:.1}", counted as f64 / 1e6),
        format!("{:.2}", counted as f64 / base as f64),
    ]
}

fn writing(context: &Context) -> anyhow::Result<()> {
    // So few that the journal, whose room is a mebibyte, is not folded.
    let (before, writes) = context.amount((640, 3_200), (64, 64));
    let title = "Instructions: the writer's thread, 64 writers";
    let text = format!(
        "A write of a small post over HTTP into a collection that was empty: {writes} writes \
         after {before} that are not counted. Without a fold. valgrind runs one thread at a time, \
         so that batches are not those of a run without it."
    );
    let mut table = Table::new(title, text, &["", "a write", "writes a sync"]);
    for build in context.builds()? {
        let (instructions, batch) = write(context, &build, before, writes)?;
        table.row([
            build.name.to_owned(),
            format!("{instructions:.0}"),
            format!("{batch:.1}"),
        ]);
    }
    context.add(table);
    Ok(())
}

/// Instructions of the writer's thread for a write, and how many writes shared a sync.
#[expect(clippy::cast_precision_loss, reason = "counts of writes are small")]
fn write(context: &Context, build: &Build, before: u64, writes: u64) -> anyhow::Result<(f64, f64)> {
    let dir = tempfile::tempdir_in(context.dir())?;
    let db = dir.path().join("db.json");
    fs::write(&db, "{\"posts\":[]}")?;
    let callgrind = Callgrind::new(context.dir())?;
    let program = build.binary("posts")?;
    let server = context.start_counted(build.name, &callgrind, &program, &db, |command| {
        command.env("WRITE_TOKEN", TOKEN);
    })?;
    let traffic = Traffic::new(&[post("/api/posts")], 64, 1, 201);
    let mut client = Client::connect(server.addr, &traffic)?;
    client.run(Until::Requests(before))?;
    let counts = Counts::of(&server)?;
    callgrind.reset(server.pid())?;
    client.run(Until::Requests(writes))?;
    let counted = callgrind.of_thread(server.pid(), WRITER)?;
    let after = Counts::of(&server)?;
    let written = (after.writes - counts.writes) as f64;
    Ok((
        counted as f64 / written,
        written / (after.syncs - counts.syncs) as f64,
    ))
}

/// Instructions of all threads for a summary, by the size of the collection.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn summarizing(context: &Context) -> anyhow::Result<()> {
    let counts = context.amount([1_000, 1_000_000], [1_000, 2_000]);
    let requests = context.amount(450, 9);
    let title = "Instructions: a summary of 50 users";
    let text = "A request over HTTP, all threads; its ratio is to that with the first collection.";
    let mut table = Table::new(title, text, &["posts", "a request", "×"]);
    let mut first = None;
    for count in counts {
        let db = data::posts(context.dir(), count)?;
        let callgrind = Callgrind::new(context.dir())?;
        let server = context.start_counted("ours", &callgrind, &binary("posts")?, &db, |_| {})?;
        let targets = summaries(count);
        let gets: Vec<_> = targets.iter().map(|target| get(target, "")).collect();
        let traffic = Traffic::new(&gets, 1, 1, 200);
        let mut client = Client::connect(server.addr, &traffic)?;
        callgrind.reset(server.pid())?;
        client.run(Until::Requests(requests))?;
        let counted = callgrind.all(server.pid())? as f64 / requests as f64;
        let first = *first.get_or_insert(counted);
        table.row([
            count.to_string(),
            format!("{counted:.0}"),
            format!("{:.2}", counted / first),
        ]);
    }
    context.add(table);
    Ok(())
}

/// What the service counts itself.
struct Counts {
    writes: u64,
    syncs: u64,
}

impl Counts {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let metrics = Answer::ask(server.addr, "/metrics", "")?.body;
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.trim().parse().ok());
            value.with_context(|| format!("no metric {name}"))
        };
        Ok(Self {
            writes: value("store_writes_total ")?,
            syncs: value("store_syncs_total ")?,
        })
    }
}
