//! Queries that have to look at many records to send few, or nothing.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    answers::Answer,
    client::{Traffic, get},
    company::beside,
    context::Context,
    data::{self, BUSY, POPULAR},
    pairs::{Effort, Spread, measure as in_turn},
    report::Table,
    server::Server,
};

/// A user with about 20 posts.
const USER: u64 = 4;

/// What is asked, and whether with the entity tag that the answer had before.
struct Query {
    target: String,
    conditional: bool,
}

impl Query {
    fn new(parameters: &str) -> Self {
        Self {
            target: format!("/api/posts?{parameters}"),
            conditional: false,
        }
    }

    fn conditional(parameters: &str) -> Self {
        Self {
            conditional: true,
            ..Self::new(parameters)
        }
    }

    fn name(&self) -> String {
        let query = self.target.trim_start_matches("/api/posts");
        let answer = if self.conditional { ", 304" } else { "" };
        format!("`{query}`{answer}")
    }

    fn traffic(&self, server: &Server, connections: usize) -> anyhow::Result<Traffic> {
        if !self.conditional {
            return Ok(Traffic::new(&[get(&self.target, "")], connections, 1, 200));
        }
        let answer = Answer::ask(server.addr, &self.target, "")?;
        let tag = answer.header("etag").context("no entity tag")?;
        let request = get(&self.target, &format!("If-None-Match: {tag}\r\n"));
        Ok(Traffic::new(&[request], connections, 1, 304))
    }
}

/// Queries that are answered with the same or with less, beside each other.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let count = context.amount(300_000, 2_000);
    let db = data::forum(context.dir(), count)?;
    let builds = context.builds()?;
    let servers: Vec<_> = builds
        .iter()
        .map(|build| context.start_build(build, "posts", &db, |_| {}))
        .collect::<anyhow::Result<_>>()?;
    costs(context, &servers, count)?;
    for server in &servers {
        readers(context, server, count)?;
    }
    Ok(())
}

/// The cost of each query, and its ratio to the first of its group.
fn costs(context: &Context, servers: &[Server], count: u64) -> anyhow::Result<()> {
    let effort = Effort {
        rounds: context.effort.rounds.min(7),
        ..context.effort
    };
    let text = format!(
        "Thread {POPULAR} has half of the posts; user {BUSY} wrote a tenth of them, user {USER} \
         about ten. Microseconds of processor time of a request, four connections, medians of {} \
         rounds; ratios are to the line with 1.00 above.",
        effort.rounds
    );
    let mut head = vec![""];
    for server in servers {
        head.extend([server.name, "×"]);
    }
    if servers.len() > 1 {
        head.push("× other build");
    }
    let mut table = Table::new(format!("Odd queries to {count} posts"), text, &head);
    for group in groups() {
        let mut traffic = Vec::new();
        for query in &group {
            for server in servers {
                traffic.push((server, query.traffic(server, 4)?));
            }
        }
        let pairs: Vec<_> = traffic.iter().map(|(server, of)| (*server, of)).collect();
        let samples = in_turn(&pairs, effort)?;
        let mut lines = samples.chunks(servers.len());
        let first = lines.clone().next().unwrap_or_default();
        for query in &group {
            let line = lines.next().unwrap_or_default();
            let mut row = vec![query.name()];
            for (of, first) in line.iter().zip(first) {
                row.push(Spread::of(of.iter().map(|sample| sample.cpu_us)).show(1));
                row.push(Spread::ratio(of, first).show(2));
            }
            if let [ours, other] = line {
                row.push(Spread::ratio(ours, other).show(2));
            }
            table.row(row);
        }
    }
    context.add(table);
    Ok(())
}

/// What is compared with each other: the first query of a group is the simple one.
fn groups() -> [Vec<Query>; 4] {
    [
        vec![
            Query::new("limit=50"),
            Query::conditional("limit=50"),
            Query::conditional("after=1"),
        ],
        vec![
            Query::new(&format!("user={USER}&thread={POPULAR}")),
            Query::new(&format!("thread={POPULAR}&user={USER}")),
        ],
        vec![
            Query::new("limit=1"),
            Query::new(&format!("thread={POPULAR}&user={USER}&limit=1")),
            Query::new(&format!("thread={POPULAR}&user={BUSY}&limit=1")),
            Query::new(&format!("user={BUSY}&thread={POPULAR}&limit=1")),
        ],
        vec![
            Query::new(&format!("thread={POPULAR}")),
            Query::new(&format!("thread={POPULAR}&after=2")),
        ],
    ]
}

/// How long readers wait for a page while eight other clients ask.
fn readers(context: &Context, server: &Server, count: u64) -> anyhow::Result<()> {
    let time = context.amount(Duration::from_secs(1), Duration::from_millis(50));
    let page = Query::new("limit=50");
    let reads = page.traffic(server, 1)?;
    let others = [None, Some(page), Some(Query::conditional("after=1"))];
    let mut waits = vec![Vec::new(); others.len()];
    let traffic: Vec<_> = others
        .iter()
        .map(|query| {
            query
                .as_ref()
                .map(|query| query.traffic(server, 8))
                .transpose()
        })
        .collect::<anyhow::Result<_>>()?;
    for _ in 0..context.amount(7, 1) {
        for (others, waits) in traffic.iter().zip(&mut waits) {
            let outcome = beside(server.addr, &reads, others.as_ref(), time)?;
            server.forget_output()?;
            waits.push(outcome.quantile(0.5).as_secs_f64() * 1e6);
        }
    }
    let title = format!(
        "A reader among {count} posts beside eight others: {}",
        server.name
    );
    let text = "p50 of one connection that reads `?limit=50`.";
    let mut table = Table::new(title, text, &["", "p50 µs", "× alone"]);
    for (query, of) in others.iter().zip(&waits) {
        let name = query.as_ref().map_or("alone".to_owned(), |query| {
            format!("while eight ask {}", query.name())
        });
        table.row([
            name,
            Spread::of(of.iter().copied()).show(0),
            Spread::of(of.iter().zip(&waits[0]).map(|(one, alone)| one / alone)).show(2),
        ]);
    }
    context.add(table);
    Ok(())
}
