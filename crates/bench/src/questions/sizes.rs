//! What the number of records costs.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::ensure;
use common::Post;

use crate::{
    answers::Answer,
    client::{Traffic, get},
    context::Context,
    data,
    pairs::Spread,
    questions::requests::at,
    questions::writes::{TOKEN, post},
    report::Table,
    server::Server,
};

/// The servers' names, by the size of their collections.
const NAMES: [&str; 4] = ["smallest", "small", "large", "largest"];

/// Look-ups, pages and writes of collections from small to large.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let counts: &[u64] = context.amount(&[1_000, 10_000, 100_000, 1_000_000], &[1_000, 2_000]);
    let files: Vec<_> = counts
        .iter()
        .map(|count| Ok((*count, data::posts(context.dir(), *count)?)))
        .collect::<anyhow::Result<_>>()?;
    look_up(context, &files)?;
    write(context, &files)?;
    beside_peers(context, &files)
}

/// The same requests to collections of all sizes.
fn look_up(context: &Context, files: &[(u64, PathBuf)]) -> anyhow::Result<()> {
    let servers: Vec<_> = files
        .iter()
        .zip(NAMES)
        .map(|((count, path), name)| {
            let server = context.ours_with(name, "posts", path, |_| {})?;
            Ok((*count, server))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut table = Table::new(
        "Cost against the size of the collection",
        "Microseconds of processor time of a request, 64 connections, and its ratio to that \
         with the smallest collection. `by-user` finds 20 posts; the summary is of \
         50 users. Ids and users change from request to request.",
        &[
            "posts",
            "by-user",
            "×",
            "record",
            "×",
            "page of 50",
            "×",
            "summary",
            "×",
        ],
    );
    let mut rows: Vec<Vec<String>> = servers.iter().map(|(n, _)| vec![n.to_string()]).collect();
    for targets in [by_user, records, pages, summaries] {
        let traffic: Vec<_> = servers
            .iter()
            .map(|(count, server)| (server, requests(server, &targets(*count), 64)))
            .collect();
        let pairs: Vec<_> = traffic
            .iter()
            .map(|(server, traffic)| (*server, traffic))
            .collect();
        let samples = crate::pairs::measure(&pairs, context.effort)?;
        for (row, of) in rows.iter_mut().zip(&samples) {
            row.push(Spread::of(of.iter().map(|sample| sample.cpu_us)).show(2));
            row.push(Spread::ratio(of, &samples[0]).show(2));
        }
    }
    table.rows = rows;
    context.add(table);
    Ok(())
}

/// The same durable writes to collections of all sizes.
fn write(context: &Context, files: &[(u64, PathBuf)]) -> anyhow::Result<()> {
    let mut servers = Vec::new();
    for ((count, path), name) in files.iter().zip(NAMES) {
        let dir = tempfile::tempdir_in(context.dir())?;
        let db = dir.path().join("db.json");
        fs::copy(path, &db)?;
        let server = context.ours_with(name, "posts", &db, |command| {
            command.env("WRITE_TOKEN", TOKEN);
        })?;
        let traffic = Traffic::new(&[post("/api/posts")], 64, 1, 201);
        servers.push((*count, server, traffic, dir));
    }
    let pairs: Vec<_> = servers
        .iter()
        .map(|(_, server, traffic, _)| (server, traffic))
        .collect();
    let samples = crate::pairs::measure(&pairs, context.effort)?;
    let mut table = Table::new(
        "Writes against the size of the collection",
        "Microseconds of processor time of a POST, 64 connections, and its ratio to that with \
         the smallest collection; the disk's time is not in it.",
        &["posts", "µs/write", "×"],
    );
    for ((count, ..), of) in servers.iter().zip(&samples) {
        table.row([
            count.to_string(),
            Spread::of(of.iter().map(|sample| sample.cpu_us)).show(2),
            Spread::ratio(of, &samples[0]).show(2),
        ]);
    }
    context.add(table);
    Ok(())
}

/// Ours beside the peers on a collection that is large for them.
fn beside_peers(context: &Context, files: &[(u64, PathBuf)]) -> anyhow::Result<()> {
    let wanted = context.amount(100_000, 1_000);
    let Some((count, path)) = files.iter().find(|(count, _)| *count == wanted) else {
        return Ok(());
    };
    let ours = context.ours("posts", path)?;
    let hyper = context.bare("hyper", &ours, &[by_user(*count), pages(*count)].concat())?;
    let koa = context.koa("posts", path)?;
    let json_server = context.json_server(path)?;
    for user in data::some_users(*count).take(3) {
        let target = format!("/api/posts/by-user/{user}");
        let answer = Answer::ask(ours.addr, &target, "")?;
        let posts: Vec<Post> = serde_json::from_str(&answer.body)?;
        ensure!(
            posts.len() as u64 == data::POSTS_PER_USER,
            "not all posts of a user"
        );
        ensure!(
            posts.iter().all(|post| post.user.get() == user),
            "another user's posts"
        );
    }
    let mut servers = Vec::new();
    for server in [Some(&ours), Some(&hyper), koa.as_ref()]
        .into_iter()
        .flatten()
    {
        servers.push((server, requests(server, &by_user(*count), 64)));
    }
    if let Some(server) = &json_server {
        let targets: Vec<_> = data::some_users(*count)
            .map(|user| format!("/api/posts?user={user}"))
            .collect();
        servers.push((server, requests(server, &targets, 4)));
    }
    let title = format!("by-user: 20 posts among {count}");
    let text = "64 connections, 4 to json-server, whose `/posts?user=` is asked.";
    context.compare(&title, text, "bare hyper", &servers)?;
    let servers: Vec<_> = [&ours, &hyper]
        .map(|server| (server, requests(server, &pages(*count), 64)))
        .into();
    let title = format!("A page of 50 among {count} posts");
    context.compare(&title, "64 connections.", "bare hyper", &servers)?;
    Ok(())
}

fn requests(server: &Server, targets: &[String], connections: usize) -> Traffic {
    let requests: Vec<_> = targets
        .iter()
        .map(|target| get(&at(server, target), ""))
        .collect();
    Traffic::new(&requests, connections, 1, 200)
}

fn by_user(count: u64) -> Vec<String> {
    data::some_users(count)
        .map(|user| format!("/api/posts/by-user/{user}"))
        .collect()
}

fn records(count: u64) -> Vec<String> {
    some_ids(count)
        .map(|id| format!("/api/posts/{id}"))
        .collect()
}

fn pages(count: u64) -> Vec<String> {
    some_ids(count - 51)
        .map(|id| format!("/api/posts?limit=50&after={id}"))
        .collect()
}

/// Summaries of 50 users each.
pub fn summaries(count: u64) -> Vec<String> {
    let users: Vec<_> = data::some_users(count).collect();
    let of = |users: &[u64]| {
        let users: Vec<_> = users.iter().map(u64::to_string).collect();
        format!("/api/posts/summary?user={}", users.join(","))
    };
    users.chunks_exact(50).map(of).collect()
}

/// Ids all over the collection.
fn some_ids(count: u64) -> impl Iterator<Item = u64> {
    (0..count.min(499)).map(move |n| n * 7919 % count + 1)
}

/// The milliseconds that `work` takes.
pub fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let began = Instant::now();
    let done = work()?;
    Ok((done, began.elapsed().as_secs_f64() * 1e3))
}
