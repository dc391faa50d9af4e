//! Durable writes per second, compared with the most that the disk can do. For the disk, lines
//! of the same length are appended and synced one by one, and as many at once as there are
//! writers. Run it with `cargo bench -p store --bench writes`, and `TMPDIR` on the disk to
//! measure.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use common::User;
use serde_json::json;
use store::{Author, Object, Store, WriteLock};
use tokio::{runtime::Runtime, task::JoinSet};

/// The store and the disk are measured in turns of this length, since the speed of a disk
/// changes over time.
const SLICE: Duration = Duration::from_millis(250);
/// How many turns each has.
const SLICES: u32 = 8;

/// The approximate size in bytes of a user's line in the journal.
const LINE_BYTES: usize = 260;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    println!(
        "{:>8} {:>12} {:>12} {:>8} {:>16}",
        "writers", "store, 1/s", "disk, 1/s", "of disk", "writes per sync"
    );
    for writers in [1, 8, 64, 256] {
        let path = directory.path().join(format!("{writers}.json"));
        let store =
            Store::<User>::open_writable(WriteLock::take(&path).unwrap(), u64::MAX).unwrap();
        let mut lines = Appender::new(&path.with_extension("lines"));
        let (mut stored, mut appended) = (0, 0);
        for _ in 0..SLICES {
            stored += runtime.block_on(create(&store, writers, stored));
            appended += lines.append(writers);
        }
        let seconds = (SLICE * SLICES).as_secs_f64();
        let (stored, appended) = (f64::from(stored) / seconds, f64::from(appended) / seconds);
        let status = runtime.block_on(store.status()).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let per_sync = status.writes as f64 / status.syncs as f64;
        let share = 100.0 * stored / appended;
        println!("{writers:>8} {stored:>12.0} {appended:>12.0} {share:>7.0}% {per_sync:>16.1}");
        runtime.block_on(store.close()).unwrap();
    }
}

/// A file that has its full length from the beginning, like the journal. So a sync need not
/// write the file's size.
struct Appender {
    file: File,
    end: u64,
}

impl Appender {
    const ROOM: usize = 16 * 1024 * 1024;

    fn new(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        file.write_all_at(&vec![b'\n'; Self::ROOM], 0).unwrap();
        file.sync_all().unwrap();
        Self { file, end: 0 }
    }

    /// How many lines the disk takes in a turn if `together` lines share a sync.
    fn append(&mut self, together: usize) -> u32 {
        let lines = vec![b'x'; LINE_BYTES * together];
        let (begun, mut syncs) = (Instant::now(), 0);
        while begun.elapsed() < SLICE {
            if self.end + lines.len() as u64 > Self::ROOM as u64 {
                self.end = 0;
            }
            self.file.write_all_at(&lines, self.end).unwrap();
            self.file.sync_data().unwrap();
            self.end += lines.len() as u64;
            syncs += 1;
        }
        syncs * u32::try_from(together).unwrap()
    }
}

/// How many records this many writers create in a turn, each waiting for its answer.
async fn create(store: &Store<User>, writers: usize, from: u32) -> u32 {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            let mut created = 0;
            while begun.elapsed() < SLICE {
                store
                    .create(Author::Service, user(writer, from + created))
                    .await
                    .unwrap();
                created += 1;
            }
            created
        });
    }
    tasks.join_all().await.into_iter().sum()
}

fn user(writer: usize, number: u32) -> Object {
    let username = format!("{writer}-{number}");
    let user = json!({"username": username, "name": "Somebody", "bio": "Writes for a living."});
    serde_json::from_value(user).unwrap()
}
