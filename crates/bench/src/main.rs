//! Measures the services beside their peers, and writes `RESULTS.md` and
//! `results.svg`.
//!
//! The main figure is the processor time that a server takes per request. On a shared machine, the
//! request rate of a fast server depends more on the client and on other processes. All servers of
//! a table run at once on one core and get short slices of traffic in turn. Ratios are taken slice
//! by slice.

mod answers;
mod client;
mod context;
mod data;
mod machine;
mod pairs;
mod peer;
mod peers;
mod plot;
mod questions;
mod report;
mod server;

use std::{fs, path::PathBuf, time::Instant};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    context::Context,
    peer::Peer,
    plot::Panel,
    server::{build, root},
};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Internal>,

    /// Ask every question with tiny counts and write nothing, to show that the bench works
    #[arg(long)]
    brief: bool,

    /// Ask only these questions, and write nothing
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Question>,

    /// Do not build; measure the existing binaries
    #[arg(long)]
    no_build: bool,

    /// Slices that each server gets of each kind of traffic
    #[arg(long, default_value_t = 21)]
    rounds: usize,

    /// Directory with the services of another build, to measure beside these
    #[arg(long, value_name = "DIR")]
    other: Option<PathBuf>,

    /// Directory for the report [default: this crate's directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Be a bare server
    #[command(hide = true)]
    Peer(Peer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Question {
    /// What a request costs
    Requests,
    /// Memory and time to start
    Footprint,
    /// What the number of records costs
    Sizes,
    /// Durable writes
    Writes,
    /// The load balancer
    Proxy,
}

impl Question {
    fn ask(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Requests => questions::requests::measure(context),
            Self::Footprint => questions::footprint::measure(context),
            Self::Sizes => questions::sizes::measure(context),
            Self::Writes => questions::writes::measure(context),
            Self::Proxy => questions::proxy::measure(context),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Internal::Peer(peer)) = arguments.command {
        return peer.serve();
    }
    if !arguments.no_build {
        build()?;
    }
    let context = Context::new(arguments.brief, arguments.rounds, arguments.other)?;
    let load = machine::load_average();
    let began = Instant::now();
    for question in Question::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(question) {
            question.ask(&context)?;
        }
    }
    let head = format!(
        "# Ours beside its peers\n\n\
         Written by `cargo run --release -p bench` in {} minutes, on {}; load average {load} at \
         the start. All servers run on one core, their clients on another, and get short slices \
         of traffic in turn.\n\
         Medians of {} rounds, of 15 for starts, of 7 for loading and for what is written, of 3 \
         for starts with a large collection, with quartiles; µs/request is processor time, user and system, \
         of the server's process, and `× …` the ratio to that server, round by round.\n\n",
        began.elapsed().as_secs().div_ceil(60),
        machine::describe(),
        arguments.rounds,
    );
    let report = context.markdown(&head);
    if arguments.brief || !arguments.only.is_empty() {
        return Ok(());
    }
    let out = arguments.out.unwrap_or_else(|| root().join("crates/bench"));
    fs::write(out.join("RESULTS.md"), report)?;
    let svg = plot::svg(&[
        Panel {
            title: "Processor time of a request: small list, 64 connections, one core",
            unit: "µs",
            bars: &context.bars(),
        },
        Panel {
            title: "Resident memory, idle, with the data that is shipped",
            unit: "MiB",
            bars: &context.memory_bars(),
        },
    ]);
    fs::write(out.join("results.svg"), svg)?;
    Ok(())
}
