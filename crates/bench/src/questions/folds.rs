//! What clients notice while the journal is folded into a large `db.json`.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    client::{Client, Traffic, Until, get},
    context::Context,
    data,
    pairs::Spread,
    questions::writes::{post, request, writable_copy},
    report::Table,
    server::Server,
};

/// Clients that write a small post now and then, and clients that read.
const WRITERS: usize = 4;
const READERS: usize = 2;

/// The time between two requests of such a client.
const PACE: Duration = Duration::from_millis(2);

/// How often the files are looked at.
const POLL: Duration = Duration::from_millis(1);

/// Longest wait for a fold to begin or end.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the clients of a round do: fill the journal until it is folded, go on during the fold and
/// a while after it, go on in the calm, and end.
const FILLING: u8 = 0;
const FOLDING: u8 = 1;
const CALM: u8 = 2;
const ENDED: u8 = 3;

/// Latencies of writes and reads while a large `db.json` is written, and while it is not.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let count = context.amount(1_000_000, 1_000);
    let folds = context.amount(21, 1);
    let file = data::posts(context.dir(), count)?;
    let mut subjects = Vec::new();
    for build in context.builds()? {
        let (server, dir) = writable_copy(context, &build, &file, |_| {})?;
        subjects.push(Subject {
            server,
            folds: Folds::of(&dir.path().join("db.json"))?,
            _dir: dir,
            took: Vec::new(),
            writes: Latencies::default(),
            reads: Latencies::default(),
        });
    }
    let times = Times {
        after: context.amount(Duration::from_millis(200), Duration::from_millis(5)),
        between: context.amount(Duration::from_millis(500), Duration::from_millis(5)),
        calm: context.amount(Duration::from_secs(1), Duration::from_millis(50)),
    };
    for _ in 0..folds {
        for subject in &mut subjects {
            subject.fold_once(times)?;
            subject.server.forget_output()?;
        }
    }
    report(context, count, folds, subjects);
    Ok(())
}

/// A service whose journal is folded.
struct Subject {
    server: Server,
    folds: Folds,
    _dir: TempDir,
    /// Milliseconds that the folds took.
    took: Vec<f64>,
    writes: Latencies,
    reads: Latencies,
}

/// Microseconds from when each request was due to its answer.
#[derive(Default)]
struct Latencies {
    during: Tail,
    without: Tail,
}

/// How a fold is followed by the time that it is compared with.
#[derive(Clone, Copy)]
struct Times {
    /// What still belongs to the fold: the old file's blocks are freed, a new journal begins.
    after: Duration,
    /// What belongs to neither.
    between: Duration,
    calm: Duration,
}

/// A request: when it was due, and when its answer had arrived.
struct Exchange {
    due: Instant,
    answered: Instant,
}

impl Subject {
    /// Fills the journal with large changes until it is folded, and lets the clients go on for a
    /// while without them.
    fn fold_once(&mut self, times: Times) -> anyhow::Result<()> {
        let (server, folds) = (&self.server, &mut self.folds);
        let write = Traffic::new(&[post("/api/posts")], 1, 1, 201);
        let read = Traffic::new(&[get("/api/posts?limit=20", "")], 1, 1, 200);
        let phase = &AtomicU8::new(FILLING);
        let (fold, writes, reads) = thread::scope(|scope| {
            let client = |traffic| scope.spawn(move || pace(server, traffic, phase));
            let writers: Vec<_> = (0..WRITERS).map(|_| client(&write)).collect();
            let readers: Vec<_> = (0..READERS).map(|_| client(&read)).collect();
            let filler = scope.spawn(|| fill(server, phase));
            let fold = folds.next(phase);
            if fold.is_ok() {
                sleep(times.after + times.between);
                phase.store(CALM, Relaxed);
                sleep(times.calm);
            }
            // Whatever went wrong, the clients must end.
            phase.store(ENDED, Relaxed);
            let filler = filler.join().map_err(|_| panicked())?;
            let of = |clients: Vec<thread::ScopedJoinHandle<'_, _>>| {
                let mut all = Vec::new();
                for client in clients {
                    let exchanges: anyhow::Result<Vec<Exchange>> =
                        client.join().map_err(|_| panicked())?;
                    all.extend(exchanges?);
                }
                anyhow::Ok(all)
            };
            let (written, read) = (of(writers)?, of(readers)?);
            filler?;
            anyhow::Ok((fold?, written, read))
        })?;
        let (begun, ended) = fold;
        self.took.push((ended - begun).as_secs_f64() * 1e3);
        let during = (begun, ended + times.after);
        let calm = ended + times.after + times.between;
        let calm = (calm, calm + times.calm);
        self.writes.add(&writes, during, calm);
        self.reads.add(&reads, during, calm);
        Ok(())
    }
}

impl Latencies {
    /// Adds the requests that were under way at some time of the fold, and those that were due
    /// in the calm.
    fn add(&mut self, exchanges: &[Exchange], fold: (Instant, Instant), calm: (Instant, Instant)) {
        let (mut during, mut without) = (Vec::new(), Vec::new());
        for Exchange { due, answered } in exchanges {
            let us = (*answered - *due).as_secs_f64() * 1e6;
            if *answered >= fold.0 && *due <= fold.1 {
                during.push(us);
            } else if *due >= calm.0 && *due <= calm.1 {
                without.push(us);
            }
        }
        self.during.add(during);
        self.without.add(without);
    }
}

/// Sends a request every [`PACE`]. One that could not be sent in time, because the one before
/// had no answer, is late from when it was due: a pause delays all requests that fall into it.
/// What is late because the journal is being filled is forgotten, and so is what is still late
/// from the fold when the calm begins.
fn pace(server: &Server, traffic: &Traffic, phase: &AtomicU8) -> anyhow::Result<Vec<Exchange>> {
    let mut client = Client::connect(server.addr, traffic)?;
    let mut exchanges = Vec::new();
    let mut next = Instant::now();
    let mut last = FILLING;
    loop {
        let now = Instant::now();
        let current = phase.load(Relaxed);
        if current == ENDED {
            return Ok(exchanges);
        }
        if current == FILLING || current != last {
            next = next.max(now);
        }
        last = current;
        let due = if now < next {
            sleep(next - now);
            Instant::now()
        } else {
            next
        };
        client.run(Until::Requests(1))?;
        exchanges.push(Exchange {
            due,
            answered: Instant::now(),
        });
        next = due + PACE;
    }
}

/// Changes large posts, which makes the journal grow faster than anything else.
fn fill(server: &Server, phase: &AtomicU8) -> anyhow::Result<()> {
    const LARGE: u64 = 8;
    let patches = ["€", "¥"].map(|sign| {
        let body = json!({"text": sign.repeat(10_000)}).to_string();
        (1..=LARGE).map(move |id| request("PATCH", &format!("/api/posts/{id}"), &body))
    });
    let patches: Vec<_> = patches.into_iter().flatten().collect();
    let traffic = Traffic::new(&patches, 4, 1, 200);
    let mut client = Client::connect(server.addr, &traffic)?;
    while phase.load(Relaxed) == FILLING {
        client.run(Until::Requests(4))?;
    }
    Ok(())
}

/// The folds of a `db.json`, as seen from outside: a new file takes its name.
pub struct Folds {
    db: PathBuf,
    new: PathBuf,
    inode: u64,
}

impl Folds {
    /// Watches this file.
    pub fn of(db: &Path) -> anyhow::Result<Self> {
        let mut new = db.as_os_str().to_owned();
        new.push(".new");
        Ok(Self {
            db: db.to_owned(),
            new: new.into(),
            inode: fs::metadata(db)?.ino(),
        })
    }

    /// Whether the file has been replaced since this was last asked.
    pub fn happened(&mut self) -> anyhow::Result<bool> {
        let inode = fs::metadata(&self.db)?.ino();
        let happened = inode != self.inode;
        self.inode = inode;
        Ok(happened)
    }

    /// Waits for a fold, and returns when it began and when it ended. Says at its
    /// beginning that the journal need not be filled any more.
    fn next(&mut self, phase: &AtomicU8) -> anyhow::Result<(Instant, Instant)> {
        // An idle writer may have folded since the last look.
        self.happened()?;
        let bound = Instant::now() + PATIENCE;
        // A small file may be written between two looks.
        let mut before = Instant::now();
        let mut began = None;
        while !self.happened()? {
            ensure!(Instant::now() < bound, "no fold within {PATIENCE:?}");
            if began.is_none() && self.new.exists() {
                phase.store(FOLDING, Relaxed);
                began = Some(before);
            }
            before = Instant::now();
            sleep(POLL);
        }
        phase.store(FOLDING, Relaxed);
        Ok((began.unwrap_or(before), Instant::now()))
    }
}

fn report(context: &Context, count: u64, folds: usize, subjects: Vec<Subject>) {
    let took = subjects.iter().map(|subject| {
        let took = Spread::of(subject.took.iter().copied()).show(0);
        format!("{} {took} ms", subject.server.name)
    });
    let text = format!(
        "{WRITERS} clients that write a small post and {READERS} that read 20 posts, each every \
         {} ms, in µs from when the request was due. The large changes that fill the journal \
         pause when a fold begins, and as many clients go on for a while after it: `without`. \
         The service has one core for all of its threads. A fold took: {}.",
        PACE.as_millis(),
        took.collect::<Vec<_>>().join(", "),
    );
    let head = [
        "",
        "requests",
        "p50",
        "p99",
        "p99.9",
        "longest",
        "longest of a round",
    ];
    let title = format!("During {folds} folds of {count} posts");
    let mut table = Table::new(title, text, &head);
    for subject in subjects {
        let name = subject.server.name;
        for (what, latencies) in [("writes", subject.writes), ("reads", subject.reads)] {
            let Latencies {
                mut during,
                mut without,
            } = latencies;
            let (one, other) = (during.quantiles(), without.quantiles());
            table.row(during.row(format!("{name}, {what} during"), one));
            table.row(without.row(format!("{name}, {what} without"), other));
            let mut ratios = vec![format!("{name}, {what}, ×"), String::new()];
            ratios.extend(
                one.iter()
                    .zip(other)
                    .map(|(one, other)| format!("{:.2}", one / other)),
            );
            let rounds = during.longest.iter().zip(&without.longest);
            ratios.push(Spread::of(rounds.map(|(one, other)| one / other)).show(2));
            table.row(ratios);
        }
    }
    context.add(table);
}

/// What matters to whoever waits.
#[derive(Default)]
struct Tail {
    /// All requests of all rounds.
    us: Vec<f64>,
    /// The longest of each round: what one stall of the machine lengthens in one round only.
    longest: Vec<f64>,
}

impl Tail {
    /// Adds a round.
    fn add(&mut self, us: Vec<f64>) {
        self.longest
            .push(us.iter().copied().fold(f64::NAN, f64::max));
        self.us.extend(us);
    }

    /// p50, p99, p99.9 and the longest of all requests.
    fn quantiles(&mut self) -> [f64; 4] {
        self.us.sort_unstable_by(f64::total_cmp);
        let last = self.us.len().saturating_sub(1);
        // In thousandths, rounded up: the longest is among the last thousandth.
        [500, 990, 999, 1000].map(|share| {
            let at = (last * share).div_ceil(1000);
            self.us.get(at).copied().unwrap_or(f64::NAN)
        })
    }

    fn row(&self, name: String, quantiles: [f64; 4]) -> Vec<String> {
        let mut row = vec![name, self.us.len().to_string()];
        row.extend(quantiles.map(|us| format!("{us:.0}")));
        row.push(Spread::of(self.longest.iter().copied()).show(0));
        row
    }
}

fn panicked() -> anyhow::Error {
    anyhow::anyhow!("a client's thread panicked")
}
