//! A write by who sends it: the service's key, and users' tokens.

use std::{fs, num::NonZeroU32, path::Path, process::Command};

use tempfile::TempDir;
use testkit::issuer::{SigningKey, claims, key_set, now, settings};

use crate::{
    client::{Client, Traffic, Until},
    context::Context,
    machine::callgrind::Callgrind,
    pairs::{in_turns, sample},
    questions::writes::{TOKEN, post_by},
    report::Table,
    server::{Server, binary},
};

/// Twice as many as a service remembers.
const TOKENS: usize = 2 * 1024;

const CONNECTIONS: usize = 64;

/// Processor time of a write by who sends it, and instructions where valgrind is installed.
pub fn measure(context: &Context) -> anyhow::Result<()> {
    let callers = callers(context.amount(TOKENS, CONNECTIONS));
    time(context, &callers)?;
    if !Callgrind::installed() {
        context.skip("valgrind", "apt-get install valgrind");
        return Ok(());
    }
    instructions(context, &callers)
}

/// Who sends writes.
struct Caller {
    name: &'static str,
    traffic: Traffic,
}

fn keys() -> [SigningKey; 2] {
    [SigningKey::p256("e", 0), SigningKey::rsa("r", 0)]
}

/// The service's key first. Users who are known send one token each, and others one of `tokens` in
/// turn, which the service has forgotten when it comes again.
fn callers(tokens: usize) -> Vec<Caller> {
    let [p256, rsa] = keys();
    let signed = |key: &SigningKey, count: usize| -> Vec<Vec<u8>> {
        let token = |number: usize| {
            let mut claims = claims(1);
            claims["exp"] = (now() + 24 * 60 * 60).into();
            claims["jti"] = format!("{number:08}").into();
            post_by(&key.token(&claims))
        };
        (0..count).map(token).collect()
    };
    [
        ("the service's key", vec![post_by(TOKEN)]),
        ("ES256, verified before", signed(&p256, 1)),
        ("RS256, verified before", signed(&rsa, 1)),
        ("ES256, new", signed(&p256, tokens)),
        ("RS256, new", signed(&rsa, tokens)),
    ]
    .map(|(name, requests)| Caller {
        name,
        traffic: Traffic::new(&requests, CONNECTIONS, 1, 201),
    })
    .into()
}

/// Lets a service accept users' tokens, as many as they like.
fn accept_users(command: &mut Command, key_file: &Path) {
    command
        .env("WRITE_TOKEN", TOKEN)
        .envs(settings(key_file))
        .env("USER_WRITES_PER_MINUTE", NonZeroU32::MAX.to_string());
}

/// Starts a service that accepts users' tokens, on an empty collection in a directory of its own.
fn start(
    context: &Context,
    start: impl FnOnce(&Path, &dyn Fn(&mut Command)) -> anyhow::Result<Server>,
) -> anyhow::Result<(Server, TempDir)> {
    let owned = tempfile::tempdir_in(context.dir())?;
    let dir = owned.path();
    let (db, key_file) = (dir.join("db.json"), dir.join("jwks.json"));
    fs::write(&db, "{\"posts\":[]}")?;
    fs::write(&key_file, key_set(&keys().each_ref()))?;
    let server = start(&db, &|command| accept_users(command, &key_file))?;
    Ok((server, owned))
}

fn time(context: &Context, callers: &[Caller]) -> anyhow::Result<()> {
    let (server, _dir) = start(context, |db, set| {
        context.ours_with("ours", "posts", db, set)
    })?;
    // Each keeps its place among its tokens.
    let clients = callers
        .iter()
        .map(|caller| Client::connect(server.addr, &caller.traffic));
    let mut clients = clients.collect::<anyhow::Result<Vec<_>>>()?;
    let samples = in_turns(callers.len(), context.effort.rounds, |number| {
        sample(&server, &mut clients[number], context.effort.slice)
    })?;
    let names: Vec<_> = callers.iter().map(|caller| caller.name).collect();
    context.add(Table::of_servers(
        "Writes by who sends them, 64 connections",
        "Durable writes of a small post to one service, which knows two keys of an issuer: of P-256, \
         and of RSA with 2048 bits. New tokens are those that the service has not verified before, or \
         has forgotten.",
        &names,
        &samples,
        0,
    ));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn instructions(context: &Context, callers: &[Caller]) -> anyhow::Result<()> {
    let writes = context.amount(1_280, 64);
    let callgrind = Callgrind::new(context.dir())?;
    let program = binary("posts")?;
    let (server, _dir) = start(context, |db, set| {
        context.start_counted("ours", &callgrind, &program, db, set)
    })?;
    let mut table = Table::new(
        "Instructions: writes by who sends them",
        format!(
            "As above, all threads, {writes} writes of each. valgrind runs one thread at a time, so \
             that batches are not those of a run without it."
        ),
        &["", "a write", "× the service's key"],
    );
    let (mut counted, mut base) = (callgrind.all(server.pid())?, None);
    for caller in callers {
        let mut client = Client::connect(server.addr, &caller.traffic)?;
        callgrind.reset(server.pid())?;
        client.run(Until::Requests(writes))?;
        // Sums up what was counted before as well.
        let all = callgrind.all(server.pid())?;
        let each = (all - counted) as f64 / writes as f64;
        counted = all;
        table.row([
            caller.name.to_owned(),
            format!("{each:.0}"),
            format!("{:.2}", each / *base.get_or_insert(each)),
        ]);
    }
    context.add(table);
    Ok(())
}
