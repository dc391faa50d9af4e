//! What a request costs with the data that a service is shipped with.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    answers::Answer,
    client::{Traffic, get},
    context::Context,
    pairs::{Sample, Spread},
    report::Table,
    server::{Server, root},
};

const LIST: &str = "/api/users";
const RECORD: &str = "/api/users/1";

/// The small list, one record and a conditional request, on one connection, on many and
/// pipelined; and what the access log costs.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let db = root().join("services/users/db.json");
    let ours = context.ours("users", &db)?;
    let quiet = context.ours_with("ours, no access log", "users", &db, |command| {
        command.env("RUST_LOG", "info,access=off");
    })?;
    let other = context.builds()?.into_iter().nth(1);
    let other = other.map(|build| context.start_build(&build, "users", &db, |_| {}));
    let other = other.transpose()?;
    let (list, record) = (
        Answer::ask(ours.addr, LIST, "")?,
        Answer::ask(ours.addr, RECORD, "")?,
    );
    let targets = [LIST.to_owned(), RECORD.to_owned()];
    let bare_hyper = context.bare("hyper", &ours, &targets)?;
    let bare_axum = context.bare("axum", &ours, &targets)?;
    let nginx = context.nginx_files(&[(LIST, &list.body), (RECORD, &record.body)])?;
    let koa = context.koa("users", &db)?;
    let json_server = context.json_server(&db)?;
    let mut all = vec![&ours, &quiet];
    all.extend(other.as_ref());
    all.extend([&bare_hyper, &bare_axum]);
    all.extend(nginx.as_ref());
    let cheap = all.clone();
    all.extend(koa.as_ref().into_iter().chain(json_server.as_ref()));

    for (target, answer) in [(LIST, &list), (RECORD, &record)] {
        for server in &all {
            same(server, target, answer)?;
        }
    }
    for (name, target, connections) in [
        ("The small list", LIST, 64),
        ("One record", RECORD, 64),
        ("The small list", LIST, 1),
        ("One record", RECORD, 1),
    ] {
        let servers: Vec<_> = all
            .iter()
            .map(|server| {
                let request = get(&at(server, target), "");
                (*server, Traffic::new(&[request], connections, 1, 200))
            })
            .collect();
        let plural = if connections == 1 { "" } else { "s" };
        let title = format!("{name}, {connections} connection{plural}");
        let samples = context.compare(&title, "", "bare hyper", &servers)?;
        if (target, connections) == (LIST, 64) {
            for (server, samples) in all.iter().zip(&samples) {
                let cpu = Spread::of(samples.iter().map(|sample| sample.cpu_us));
                context.bar(server.name, cpu.median);
            }
        }
    }
    for (name, target) in [("list", LIST), ("record", RECORD)] {
        let servers: Vec<_> = cheap
            .iter()
            .map(|server| {
                let tag = Answer::ask(server.addr, target, "")?;
                let tag = tag.header("etag").context("no entity tag")?.to_owned();
                let request = get(target, &format!("If-None-Match: {tag}\r\n"));
                Ok((*server, Traffic::new(&[request], 64, 1, 304)))
            })
            .collect::<anyhow::Result<_>>()?;
        let title = format!("304 for the {name}, 64 connections");
        context.compare(&title, "", "bare hyper", &servers)?;
    }
    for (name, target) in [("small list", LIST), ("one record", RECORD)] {
        let servers: Vec<_> = cheap
            .iter()
            .map(|server| (*server, Traffic::new(&[get(target, "")], 16, 16, 200)))
            .collect();
        let title = format!("Pipelined: {name}, 16 connections, 16 requests deep");
        let text = "The kernel's share nearly vanishes here. The latencies are those of bursts.";
        let samples = context.compare(&title, text, "bare hyper", &servers)?;
        if target == LIST {
            let of = |server: &Server| {
                let at = cheap.iter().position(|other| other.name == server.name);
                at.map_or(&[][..], |at| &samples[at])
            };
            parts(context, of(&bare_hyper), of(&quiet), of(&ours));
        }
    }
    Ok(())
}

/// What each part of ours costs beyond hyper.
fn parts(context: &Context, hyper: &[Sample], quiet: &[Sample], ours: &[Sample]) {
    let text = "Of a request for the small list, pipelined, as above: the differences between \
                servers that have one part more, round by round.";
    let title = "What the parts of the middleware cost";
    let mut table = Table::new(title, text, &["", "µs/request"]);
    let mut row = |name: &str, more: &[Sample], less: Option<&[Sample]>| {
        let less = less.into_iter().flatten().map(|sample| sample.cpu_us);
        let less = less.chain(std::iter::repeat(0.0));
        let differences = more.iter().zip(less).map(|(more, less)| more.cpu_us - less);
        table.row([name.to_owned(), Spread::of(differences).show(2)]);
    };
    row("hyper and the kernel", hyper, None);
    row(
        "route, look-up, entity tag, request id, headers, metrics, timeouts",
        quiet,
        Some(hyper),
    );
    row("access log", ours, Some(quiet));
    context.add(table);
}

/// The path at which a server has what ours has at `target`.
pub fn at(server: &Server, target: &str) -> String {
    let rest = target.strip_prefix("/api").unwrap_or(target);
    format!("{}{rest}", server.prefix)
}

/// Checks that a server answers what ours does. Only json-server may answer ids as strings.
pub fn same(server: &Server, target: &str, ours: &Answer) -> anyhow::Result<()> {
    let theirs = Answer::ask(server.addr, &at(server, target), "")?;
    let (one, other): (Value, Value) = (
        serde_json::from_str(&ours.body)?,
        serde_json::from_str(&theirs.body)?,
    );
    let alike = match (&one, &other) {
        (Value::Array(one), Value::Array(other)) => one.len() == other.len(),
        (Value::Object(one), Value::Object(other)) => one.get("name") == other.get("name"),
        _ => false,
    };
    ensure!(
        alike && (one == other || server.prefix.is_empty()),
        "{} answers {target} with {}",
        server.name,
        theirs.body
    );
    Ok(())
}
