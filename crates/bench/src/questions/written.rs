//! What the disk is given for a byte that was acknowledged.

use std::{thread::sleep, time::Duration};

use tempfile::TempDir;

use crate::{
    client::{Client, Traffic, Until},
    context::Context,
    data,
    machine::written::{by_the_block_layer, by_the_store},
    peers::Build,
    questions::{
        folds::Folds,
        writes::{post_in, writable_copy},
    },
    report::Table,
    server::Server,
};

/// Folds after which a steady load ends: what a journal costs when it is folded is counted whole.
const FOLDS: u32 = 2;

/// Bytes written for bytes acknowledged: a few writes far apart, and a steady load.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let mut head = vec!["", "acknowledged KiB", "written KiB", "×"];
    if context.own_disk {
        head.extend(["by the block layer KiB", "×"]);
    }
    idle(context, &head)?;
    steady(context, &head)
}

fn idle(context: &Context, head: &[&str]) -> anyhow::Result<()> {
    const WRITES: usize = 5;
    let count = context.amount(100_000, 1_000);
    let interval = context.amount(Duration::from_secs(2), Duration::from_millis(10));
    let text = format!(
        "Bytes that the store hands to the system for its files, and the bytes of the records \
         that it answers with. The count ends {interval:?} after the last write: what the journal \
         costs when it is folded later is not in it."
    );
    let title = format!("{WRITES} writes, one every {interval:?}, to {count} posts");
    let mut table = Table::new(title, text, head);
    let traffic = Traffic::new(&[post_in("/api/posts", 1, 50)], 1, 1, 201);
    for build in context.builds()? {
        let subject = Subject::start(context, &build, count)?;
        let mut client = Client::connect(subject.server.addr, &traffic)?;
        sleep(interval);
        let before = subject.written(context)?;
        let mut acknowledged = 0;
        for _ in 0..WRITES {
            acknowledged += client.run(Until::Requests(1))?.body_bytes;
            sleep(interval);
        }
        let after = subject.written(context)?;
        table.row(row(build.name, acknowledged, before, after));
    }
    context.add(table);
    Ok(())
}

fn steady(context: &Context, head: &[&str]) -> anyhow::Result<()> {
    let count = context.amount(100_000, 1_000);
    let length = context.amount(50, 5_000);
    let text = format!(
        "As above, from the start until the journal has been folded {FOLDS} times, at 64 \
         connections."
    );
    let title = format!("A steady load of writes to {count} posts");
    let mut table = Table::new(title, text, head);
    let traffic = Traffic::new(&[post_in("/api/posts", 1, length)], 64, 1, 201);
    for build in context.builds()? {
        let subject = Subject::start(context, &build, count)?;
        let mut folds = Folds::of(&subject.dir.path().join("db.json"))?;
        let before = subject.written(context)?;
        // Connecting sends a request on each connection, which are too few to matter.
        let mut client = Client::connect(subject.server.addr, &traffic)?;
        let (mut acknowledged, mut folded) = (0, 0);
        while folded < FOLDS {
            let slice = client.run(Until::Elapsed(Duration::from_millis(20)))?;
            acknowledged += slice.body_bytes;
            folded += u32::from(folds.happened()?);
        }
        let after = subject.written(context)?;
        table.row(row(build.name, acknowledged, before, after));
    }
    context.add(table);
    Ok(())
}

/// A service with a collection of its own.
struct Subject {
    server: Server,
    dir: TempDir,
}

impl Subject {
    fn start(context: &Context, build: &Build, count: u64) -> anyhow::Result<Self> {
        let file = data::posts(context.dir(), count)?;
        let (server, dir) = writable_copy(context, build, &file, |command| {
            // The lines of the access log would be written to the same disk.
            command.env("RUST_LOG", "info,access=off");
        })?;
        Ok(Self { server, dir })
    }

    /// Bytes written by the store, and by the block layer if the disk is the bench's own.
    fn written(&self, context: &Context) -> anyhow::Result<(u64, Option<u64>)> {
        let disk = context.own_disk.then(|| {
            // Nothing that is still in memory may reach the disk in somebody else's count.
            rustix::fs::sync();
            by_the_block_layer(self.dir.path())
        });
        Ok((by_the_store(self.server.pid())?, disk.transpose()?))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ratios are shown with one digit"
)]
fn row(
    name: &str,
    acknowledged: u64,
    before: (u64, Option<u64>),
    after: (u64, Option<u64>),
) -> Vec<String> {
    let mut row = vec![
        name.to_owned(),
        format!("{:.1}", acknowledged as f64 / 1024.0),
    ];
    let store = after.0 - before.0;
    let disk = after.1.zip(before.1).map(|(after, before)| after - before);
    for written in [Some(store), disk].into_iter().flatten() {
        row.push(format!("{:.1}", written as f64 / 1024.0));
        row.push(format!("{:.1}", written as f64 / acknowledged as f64));
    }
    row
}
