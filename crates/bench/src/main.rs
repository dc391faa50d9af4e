//! Measures the services beside their peers, and writes `RESULTS.md` and
//! `results.svg`.
//!
//! The main figure is the processor time that a server takes per request. On a shared machine, the
//! request rate of a fast server depends more on the client and on other processes. All servers of
//! a table run at once on one core and get short slices of traffic in turn. Ratios are taken slice
//! by slice.

mod answers;
mod client;
mod company;
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
    context::{Context, How},
    peer::Peer,
    plot::Panel,
    server::{build, root},
};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Internal>,

    #[command(flatten)]
    how: How,

    /// Ask only these questions, and write nothing
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Question>,

    /// Do not build; measure the existing binaries
    #[arg(long)]
    no_build: bool,

    /// Directory for the report [default: this crate's directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// Be a bare server
    #[command(hide = true)]
    Peer(Peer),
    /// Read the posts of a db.json into structs
    #[command(hide = true)]
    Parse { file: PathBuf },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Question {
    /// What a request costs
    Requests,
    /// Memory and time to start
    Footprint,
    /// Time and memory to load a collection
    Loading,
    /// What the number of records costs
    Sizes,
    /// Durable writes
    Writes,
    /// Writes by who sends them: the service's key, and users' tokens
    Callers,
    /// Writes and reads while the journal is folded
    Folds,
    /// Bytes written for the bytes that were acknowledged
    Written,
    /// Queries that look at many records to send few
    Queries,
    /// Writes into a thread of many posts
    Popular,
    /// What callgrind counts of loading and writing
    Instructions,
    /// The load balancer
    Proxy,
    /// What a client waits for on a page, through the load balancer
    Pages,
}

impl Question {
    fn ask(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Requests => questions::requests::measure(context),
            Self::Footprint => questions::footprint::measure(context),
            Self::Loading => questions::loading::measure(context),
            Self::Sizes => questions::sizes::measure(context),
            Self::Writes => questions::writes::measure(context),
            Self::Callers => questions::writes::callers::measure(context),
            Self::Written => questions::written::measure(context),
            Self::Queries => questions::queries::measure(context),
            Self::Popular => questions::popular::measure(context),
            Self::Instructions => questions::instructions::measure(context),
            Self::Folds => questions::folds::measure(context),
            Self::Proxy => questions::proxy::measure(context),
            Self::Pages => questions::proxy::pages::measure(context),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Internal::Peer(peer)) => return peer.serve(),
        Some(Internal::Parse { file }) => return questions::loading::parse(&file).map(drop),
        None => {}
    }
    if !arguments.no_build {
        build()?;
    }
    let context = Context::new(arguments.how)?;
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
         of the server's process, and `× …` the ratio to that server, round by round.\n\n\
         [What was to become flat, and what was reached](flat.md) is written by hand.\n\n",
        began.elapsed().as_secs().div_ceil(60),
        machine::describe(),
        context.effort.rounds,
    );
    let report = context.markdown(&head);
    if context.brief || !arguments.only.is_empty() {
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
