//! What a service occupies, and how soon it answers.

use crate::{
    client::{Client, Traffic, Until, get},
    context::Context,
    data,
    machine::{memory, processor_time_at_rest},
    pairs::Spread,
    questions::requests::at,
    questions::sizes::timed,
    report::{Table, mib},
    server::{Server, root},
};

/// Starts a peer; `None` when it is not installed.
type Start<'a> = Box<dyn Fn() -> anyhow::Result<Option<Server>> + 'a>;

/// Memory idle and after load, and the time from the start to the first answer.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let db = root().join("services/users/db.json");
    let collections: Vec<(&str, Start<'_>)> = vec![
        ("ours", Box::new(|| context.ours("users", &db).map(Some))),
        ("Koa", Box::new(|| context.koa("users", &db))),
        ("json-server", Box::new(|| context.json_server(&db))),
    ];
    memory_of(context, &collections)?;
    let title = "Start to the first answer, with the data that is shipped";
    start(
        context,
        title,
        &collections,
        "/api/users/1",
        context.amount(15, 1),
    )?;

    let count = context.amount(1_000_000, 1_000);
    let large = data::posts(context.dir(), count)?;
    let collections: Vec<(&str, Start<'_>)> = vec![
        ("ours", Box::new(|| context.ours("posts", &large).map(Some))),
        ("Koa", Box::new(|| context.koa("posts", &large))),
        ("json-server", Box::new(|| context.json_server(&large))),
    ];
    let title = format!("Start to the first answer, with {count} posts");
    start(
        context,
        &title,
        &collections,
        "/api/posts/1",
        context.amount(3, 1),
    )
}

fn memory_of(context: &Context, servers: &[(&str, Start<'_>)]) -> anyhow::Result<()> {
    let requests = context.amount(1_000_000, 2_000);
    let text = format!(
        "Resident memory in MiB (of that, shared with no other process) with the data that is \
         shipped, after {requests} requests for the small list on 64 connections, which stay \
         open ({} for json-server), and at its highest.",
        requests / 10
    );
    let mut table = Table::new("Memory", text, &["", "idle", "after requests", "peak"]);
    for (name, start) in servers {
        let Some(server) = start()? else { continue };
        server.answers(&at(&server, "/api/users"))?;
        processor_time_at_rest(server.pid())?;
        let idle = memory(server.pid())?;
        let requests = if *name == "json-server" {
            requests / 10
        } else {
            requests
        };
        let traffic = Traffic::new(&[get(&at(&server, "/api/users"), "")], 64, 1, 200);
        let mut client = Client::connect(server.addr, &traffic)?;
        for _ in 0..10 {
            client.run(Until::Requests(requests / 10))?;
            server.forget_output()?;
        }
        let after = memory(server.pid())?;
        table.row([
            (*name).to_owned(),
            format!("{:.1} ({:.1})", mib(idle.resident), mib(idle.private)),
            format!("{:.1} ({:.1})", mib(after.resident), mib(after.private)),
            format!("{:.1}", mib(after.peak)),
        ]);
        context.memory_bar(name, mib(idle.resident));
    }
    context.add(table);
    Ok(())
}

fn start(
    context: &Context,
    title: &str,
    servers: &[(&str, Start<'_>)],
    target: &str,
    rounds: usize,
) -> anyhow::Result<()> {
    let mut times = vec![(Vec::new(), Vec::new()); servers.len()];
    for _ in 0..rounds {
        for ((_, start), (wall, cpu)) in servers.iter().zip(&mut times) {
            let (server, ms) = timed(|| {
                let server = start()?;
                if let Some(server) = &server {
                    server.answers(&at(server, target))?;
                }
                Ok(server)
            })?;
            let Some(server) = server else { continue };
            wall.push(ms);
            cpu.push(processor_time_at_rest(server.pid())?.as_secs_f64() * 1e3);
        }
    }
    let text =
        "In turn. The clock runs until the answer, the processor time until the process rests.";
    let mut table = Table::new(title, text, &["", "ms", "ms of processor time"]);
    for ((name, _), (wall, cpu)) in servers.iter().zip(times) {
        if !wall.is_empty() {
            table.row([
                (*name).to_owned(),
                Spread::of(wall).show(1),
                Spread::of(cpu).show(1),
            ]);
        }
    }
    context.add(table);
    Ok(())
}
