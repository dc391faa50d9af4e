//! What loading a collection costs, in time and memory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use common::Post;
use serde::Deserialize;

use crate::{
    context::Context,
    data,
    machine::{Memory, memory, own_processor_time, processor_time_at_rest},
    pairs::Spread,
    peers::Build,
    questions::sizes::timed,
    report::{Table, mib},
};

/// A `db.json` that `serde_json` reads into structs, to compare loading with.
#[derive(Deserialize)]
struct Posts {
    posts: Vec<Post>,
}

/// The starts of one build with one file.
#[derive(Default)]
struct Starts {
    cpu_ms: Vec<f64>,
    wall_ms: Vec<f64>,
    held: Vec<Memory>,
}

/// The time from the start until ready, and the memory that the records take then.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let counts: &[u64] = context.amount(&[1_000, 10_000, 100_000, 1_000_000], &[1_000, 2_000]);
    let builds = context.builds()?;
    let mut time = Table::new(
        "Loading posts of 100 bytes",
        "Milliseconds of a whole start until it is ready, and of `serde_json` reading the same \
         file into structs, in turn: of processor time on one core, and by the clock when a \
         start may use two.",
        &[
            "posts",
            "file MiB",
            "processor ms",
            "serde_json ms",
            "× serde_json",
            "clock ms, two cores",
            "× serde_json",
        ],
    );
    let mut space = Table::new(
        "Memory of posts of 100 bytes",
        "Resident memory in MiB when ready, and at its highest during the start, on two cores: \
         medians.",
        &["posts", "MiB", "× file", "peak MiB", "× when ready"],
    );
    for count in counts {
        let path = data::posts(context.dir(), *count)?;
        let mut starts: Vec<_> = builds.iter().map(|_| Starts::default()).collect();
        let (mut serde_cpu, mut serde_wall) = (Vec::new(), Vec::new());
        for _ in 0..context.amount(7, 1) {
            for (build, starts) in builds.iter().zip(&mut starts) {
                start(context, build, &path, starts)?;
            }
            let before = own_processor_time()?;
            let (read, wall) = timed(|| context.cores.on_server(|| parse(&path))?)?;
            let cpu = own_processor_time()?.saturating_sub(before);
            ensure!(read as u64 == *count, "not all posts were read");
            serde_cpu.push(cpu.as_secs_f64() * 1e3);
            serde_wall.push(wall);
        }
        let file = mib(fs::metadata(&path)?.len());
        for (build, starts) in builds.iter().zip(starts) {
            let name = match builds.len() {
                1 => count.to_string(),
                _ => format!("{count}, {}", build.name),
            };
            time.row([
                name.clone(),
                format!("{file:.1}"),
                Spread::of(starts.cpu_ms.iter().copied()).show(1),
                Spread::of(serde_cpu.iter().copied()).show(1),
                ratio(&starts.cpu_ms, &serde_cpu).show(2),
                Spread::of(starts.wall_ms.iter().copied()).show(1),
                ratio(&starts.wall_ms, &serde_wall).show(2),
            ]);
            let median = |value: fn(&Memory) -> u64| {
                Spread::of(starts.held.iter().map(|held| mib(value(held)))).median
            };
            let (resident, peak) = (median(|held| held.resident), median(|held| held.peak));
            space.row([
                name,
                format!("{resident:.1}"),
                format!("{:.2}", resident / file),
                format!("{peak:.1}"),
                format!("{:.2}", peak / resident),
            ]);
        }
    }
    context.add(time);
    context.add(space);
    Ok(())
}

/// Starts on one core for the processor time, and on both for the clock and the memory.
fn start(context: &Context, build: &Build, path: &Path, starts: &mut Starts) -> anyhow::Result<()> {
    let server = context.start_build(build, "posts", path, |_| {})?;
    let cpu = processor_time_at_rest(server.pid())?;
    starts.cpu_ms.push(cpu.as_secs_f64() * 1e3);
    drop(server);
    let (server, wall) = timed(|| context.start_on_both(build, "posts", path))?;
    starts.wall_ms.push(wall);
    processor_time_at_rest(server.pid())?;
    starts.held.push(memory(server.pid())?);
    Ok(())
}

fn ratio(ours: &[f64], serde: &[f64]) -> Spread {
    Spread::of(ours.iter().zip(serde).map(|(ours, serde)| ours / serde))
}

/// Reads the file into structs; returns how many posts it has.
pub fn parse(path: &PathBuf) -> anyhow::Result<usize> {
    let posts: Posts = serde_json::from_slice(&fs::read(path)?)?;
    Ok(posts.posts.len())
}
