//! How long a client waits for what it shows on a page, through the load balancer.

use std::{collections::BTreeSet, net::SocketAddr, time::Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use testkit::{Connection, Request};

use crate::{context::Context, pairs::Spread, report::Table, server::root};

/// The threads of the data that is shipped.
const THREADS: u64 = 20;

/// Connections that a browser opens to a host.
const CONNECTIONS: usize = 6;

/// What is shown.
#[derive(Clone, Copy)]
enum Page {
    /// A thread, its posts and their authors.
    Thread,
    /// The threads, how many posts each has, and its last one.
    Threads,
}

/// How the client asks for the records that it has found ids of.
#[derive(Clone, Copy)]
enum Asks {
    /// For all in one request.
    Together,
    /// For each in a request of its own.
    OneByOne,
}

/// Pages whose records are asked for together, beside one request for each of them.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let services = ["users", "threads", "posts"].map(|name| {
        let db = root().join(format!("services/{name}/db.json"));
        Ok((name, context.ours_with(name, name, &db, |_| {})?))
    });
    let services = services.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let targets: Vec<_> = services.iter().map(|(name, of)| (*name, of)).collect();
    let alb = context.alb(&targets)?;
    let mut table = Table::new(
        "Pages through the load balancer",
        format!(
            "The data that is shipped, {CONNECTIONS} connections: the wait for all records of a \
             page, p50 of the {THREADS} threads in turn, and its ratio to asking together. The \
             network takes no time here."
        ),
        &["", "requests", "p50 µs", "×"],
    );
    for (page, together, each) in [
        (
            Page::Thread,
            "a thread: posts, then authors by `?id=`",
            "one request for each author",
        ),
        (
            Page::Threads,
            "all threads, then `/api/posts/summary?thread=`",
            "one request for each thread",
        ),
    ] {
        let mut client = Client::connect(alb.addr)?;
        let mut waits = [Vec::new(), Vec::new()];
        let mut requests = [BTreeSet::new(), BTreeSet::new()];
        let pages = THREADS * context.amount(20, 1);
        for round in 0..context.effort.rounds {
            for turn in 0..2 {
                let which = (round + turn) % 2;
                let asks = [Asks::Together, Asks::OneByOne][which];
                let mut took = Vec::new();
                for number in 0..pages {
                    let began = Instant::now();
                    let count = client.show(page, asks, number % THREADS + 1)?;
                    took.push(began.elapsed().as_secs_f64() * 1e6);
                    requests[which].insert(count);
                }
                waits[which].push(Spread::of(took).median);
            }
            alb.forget_output()?;
            for (_, service) in &services {
                service.forget_output()?;
            }
        }
        for (which, name) in [together, each].into_iter().enumerate() {
            let counts = &requests[which];
            let (least, most) = (counts.first(), counts.last());
            let (least, most) = least.zip(most).context("no page was shown")?;
            let ratios = waits[which].iter().zip(&waits[0]);
            table.row([
                name.to_owned(),
                if least == most {
                    least.to_string()
                } else {
                    format!("{least}–{most}")
                },
                Spread::of(waits[which].iter().copied()).show(0),
                Spread::of(ratios.map(|(one, together)| one / together)).show(2),
            ]);
        }
    }
    context.add(table);
    Ok(())
}

/// A client with the connections of a browser.
struct Client {
    connections: Vec<Connection>,
}

impl Client {
    fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let connections = (0..CONNECTIONS).map(|_| Connection::open(addr));
        let connections = connections.collect::<std::io::Result<_>>()?;
        Ok(Self { connections })
    }

    /// Asks for everything on a page. Returns the number of requests.
    fn show(&mut self, page: Page, asks: Asks, thread: u64) -> anyhow::Result<usize> {
        let (first, member) = match page {
            Page::Thread => (
                vec![
                    format!("/api/threads/{thread}"),
                    format!("/api/posts/in-thread/{thread}"),
                ],
                "user",
            ),
            Page::Threads => (vec!["/api/threads?limit=50&sort=-id".to_owned()], "id"),
        };
        let answers = self.ask(&first)?;
        let records = answers.last().and_then(Value::as_array);
        let records = records.context("no list")?.iter();
        let ids: BTreeSet<_> = records
            .filter_map(|record| record[member].as_u64())
            .collect();
        ensure!(!ids.is_empty(), "{first:?} finds no {member}");
        let ids = ids.iter().map(u64::to_string);
        let second = match (page, asks) {
            (Page::Thread, Asks::Together) => {
                vec![format!(
                    "/api/users?id={}",
                    ids.collect::<Vec<_>>().join(",")
                )]
            }
            (Page::Thread, Asks::OneByOne) => ids.map(|id| format!("/api/users/{id}")).collect(),
            (Page::Threads, Asks::Together) => {
                let ids = ids.collect::<Vec<_>>().join(",");
                vec![format!("/api/posts/summary?thread={ids}")]
            }
            (Page::Threads, Asks::OneByOne) => ids
                .map(|id| format!("/api/posts/in-thread/{id}?limit=1&sort=-id"))
                .collect(),
        };
        self.ask(&second)?;
        Ok(first.len() + second.len())
    }

    /// Asks for these targets, as many at a time as there are connections. Returns the answers
    /// in the order of the targets.
    fn ask(&mut self, targets: &[String]) -> anyhow::Result<Vec<Value>> {
        let mut answers = Vec::with_capacity(targets.len());
        for (number, target) in targets.iter().enumerate() {
            let connection = &mut self.connections[number % CONNECTIONS];
            if number >= CONNECTIONS {
                answers.push(read(connection)?);
            }
            connection.send(&Request::get(target).to_bytes());
        }
        for number in answers.len()..targets.len() {
            answers.push(read(&mut self.connections[number % CONNECTIONS])?);
        }
        Ok(answers)
    }
}

/// Reads the next answer.
fn read(connection: &mut Connection) -> anyhow::Result<Value> {
    let response = connection.try_response("GET")?;
    ensure!(
        response.status == 200,
        "expected 200, got {}",
        response.status
    );
    Ok(serde_json::from_slice(&response.body)?)
}
