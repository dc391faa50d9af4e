//! Writes into a thread of very many posts while others read it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::ensure;

use crate::{
    client::{Client, Traffic, Until, get},
    context::Context,
    data::{self, POPULAR},
    machine::processor_time_at_rest,
    pairs::Spread,
    questions::writes::{post_in, writable_copy},
    report::Table,
    server::Server,
};

/// The lists of the popular thread that are being sent while something is written.
const READERS: usize = 4;

/// A thread in which nobody has written yet.
const SMALL: u64 = 1 << 40;

/// The cost of a write into each of two threads, while the larger one is being read.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let count = context.amount(1_000_000, 2_000);
    let file = data::forum(context.dir(), count)?;
    let title = format!("A write into a thread of {} posts", count / 2);
    let text = format!(
        "Microseconds of processor time of one write, and of one into a thread of few posts, in \
         turn. Before each, {READERS} clients begin to read the whole large thread, and stop \
         halfway until the write is answered."
    );
    let head = ["", "large thread", "small thread", "×"];
    let mut table = Table::new(title, text, &head);
    for build in context.builds()? {
        let (server, _dir) = writable_copy(context, &build, &file, |_| {})?;
        let mut costs = [POPULAR, SMALL].map(|thread| (thread, Vec::new()));
        for _ in 0..context.amount(60, 2) {
            for (thread, costs) in &mut costs {
                costs.push(cost(&server, *thread)?);
            }
        }
        let [(_, large), (_, small)] = costs;
        let ratio = large.iter().zip(&small).map(|(large, small)| large / small);
        table.row([
            build.name.to_owned(),
            Spread::of(large.iter().copied()).show(0),
            Spread::of(small.iter().copied()).show(0),
            Spread::of(ratio).show(2),
        ]);
    }
    context.add(table);
    Ok(())
}

/// Microseconds of processor time of a write into this thread.
fn cost(server: &Server, thread: u64) -> anyhow::Result<f64> {
    let traffic = Traffic::new(&[post_in("/api/posts", thread, 50)], 1, 1, 201);
    let mut client = Client::connect(server.addr, &traffic)?;
    let mut lists = Vec::new();
    for _ in 0..READERS {
        let mut list = TcpStream::connect(server.addr)?;
        list.write_all(&get(&format!("/api/posts/in-thread/{POPULAR}"), ""))?;
        let mut begin = vec![0; 64 * 1024];
        list.read_exact(&mut begin)?;
        ensure!(begin.starts_with(b"HTTP/1.1 200"), "the thread is not sent");
        lists.push(list);
    }
    let before = processor_time_at_rest(server.pid())?;
    client.run(Until::Requests(1))?;
    let after = processor_time_at_rest(server.pid())?;
    drop(lists);
    Ok(after.saturating_sub(before).as_secs_f64() * 1e6)
}
