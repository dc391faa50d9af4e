//! A table of requests, and how each of them is held against what the load balancer makes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::alb;
use crate::support::client::raw;
use crate::support::text;
use crate::target::{Received, Target};

/// Rows at a time.
const ROWS_MAX: usize = 16;

/// A request that no client should have got through with another's connection.
pub const SMUGGLED: &str = "GET /api/users/smuggled HTTP/1.1\r\nHost: forum\r\n\r\n";

/// One request and what becomes of it.
pub struct Row {
    /// What the client tries.
    pub attack: &'static str,
    /// Where the RFC says what to do.
    pub rfc: &'static str,
    /// The client's bytes.
    pub send: Vec<u8>,
    /// The statuses of the answers until the connection closes; empty when it just closes.
    pub answers: &'static [&'static str],
    /// What reaches the target.
    pub target: AtTarget,
}

/// What reaches the target.
pub enum AtTarget {
    /// Not a byte.
    Nothing,
    /// Perhaps a part of the request, never the whole.
    NoWhole,
    /// So many requests; together they have the first strings and none of the second.
    Gets(usize, &'static [&'static str], &'static [&'static str]),
}

/// A request that is answered without the target.
pub fn refused(
    attack: &'static str,
    rfc: &'static str,
    send: impl Into<Vec<u8>>,
    answer: &'static [&'static str],
) -> Row {
    Row {
        attack,
        rfc,
        send: send.into(),
        answers: answer,
        target: AtTarget::Nothing,
    }
}

/// A request whose body shows that it is none.
pub fn broken(
    attack: &'static str,
    rfc: &'static str,
    send: impl Into<Vec<u8>>,
    answer: &'static [&'static str],
) -> Row {
    Row {
        target: AtTarget::NoWhole,
        ..refused(attack, rfc, send, answer)
    }
}

/// A request that the target gets, with the first strings and without the second.
pub fn passed(
    attack: &'static str,
    rfc: &'static str,
    send: impl Into<Vec<u8>>,
    with: &'static [&'static str],
    without: &'static [&'static str],
) -> Row {
    Row {
        target: AtTarget::Gets(1, with, without),
        ..refused(attack, rfc, send, &["200"])
    }
}

/// A GET with these lines in its head, on a connection of its own.
pub fn get(lines: &str) -> String {
    format!("GET /api/users/1 HTTP/1.1\r\nHost: forum\r\nConnection: close\r\n{lines}\r\n")
}

/// A request with this first line.
pub fn first(line: &str) -> String {
    format!("{line}\r\nHost: forum\r\nConnection: close\r\n\r\n")
}

/// A POST with these lines in its head, and this body.
pub fn post(lines: &str, body: &str) -> String {
    format!("POST /api/users HTTP/1.1\r\nHost: forum\r\nConnection: close\r\n{lines}\r\n{body}")
}

/// Tries every row, several at a time, and fails with all that went wrong.
pub async fn hold(rows: Vec<Row>) {
    let room = Arc::new(Semaphore::new(ROWS_MAX));
    let mut trials = JoinSet::new();
    for row in rows {
        let room = Arc::clone(&room);
        trials.spawn(async move {
            let _room = room.acquire().await.unwrap();
            let wrong = trial(&row).await;
            wrong.map(|wrong| format!("{} ({}): {wrong}", row.attack, row.rfc))
        });
    }
    let wrong: Vec<_> = trials.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn trial(row: &Row) -> Option<String> {
    let target = Target::echo().await;
    let alb = alb::start(target.addr).await;
    let answer = raw(alb, &row.send).await;
    let statuses = statuses(&answer);
    if statuses != row.answers {
        return Some(format!(
            "{statuses:?} instead of {:?}: {answer:?}",
            row.answers
        ));
    }
    if let Some(wrong) = target.received(|received| at_target(row, received)) {
        return Some(wrong);
    }
    others(alb).await
}

/// Two other clients ask, one after the other; what is wrong with their answers.
pub async fn others(alb: SocketAddr) -> Option<String> {
    for path in ["/api/users/other-1", "/api/users/other-2"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: forum\r\nConnection: close\r\n\r\n");
        let answer = raw(alb, request.as_bytes()).await;
        if statuses(&answer) != ["200"] || !answer.ends_with(&format!("\r\n\r\n{path}")) {
            return Some(format!(
                "another client asked for {path} and got {answer:?}"
            ));
        }
    }
    None
}

/// The statuses of the answers in what a client read. The targets here have no other use for these
/// letters.
pub fn statuses(answer: &str) -> Vec<&str> {
    let heads = answer.split("HTTP/1.").skip(1);
    heads.map(|head| &head[2..5]).collect()
}

fn at_target(row: &Row, received: &Received) -> Option<String> {
    let all: Vec<_> = received
        .connections
        .iter()
        .map(|bytes| text(bytes))
        .collect();
    let requests = &received.requests;
    if requests
        .iter()
        .any(|request| request.starts_with("GET /api/users/smuggled"))
    {
        return Some(format!("smuggled: {all:?}"));
    }
    for request in requests {
        let head = request.split("\r\n\r\n").next().unwrap();
        let lengths = head.matches("\r\ncontent-length:").count()
            + head.matches("\r\ntransfer-encoding:").count();
        if lengths > 1 {
            return Some(format!("{lengths} lengths: {head:?}"));
        }
        if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
            return Some(format!("a head that can be read in two ways: {head:?}"));
        }
    }
    match row.target {
        AtTarget::Nothing if all.iter().any(|bytes| !bytes.is_empty()) => {
            Some(format!("the target got {all:?}"))
        }
        AtTarget::NoWhole if !requests.is_empty() => Some(format!("the target got {all:?}")),
        AtTarget::Gets(count, ..) if requests.len() != count => Some(format!(
            "{} requests instead of {count}: {all:?}",
            requests.len()
        )),
        AtTarget::Gets(_, with, without) => {
            let requests = requests.concat();
            let missing = with.iter().find(|text| !requests.contains(**text));
            let surplus = without.iter().find(|text| requests.contains(**text));
            missing
                .map(|text| format!("no {text:?} in {requests:?}"))
                .or_else(|| surplus.map(|text| format!("{text:?} in {requests:?}")))
        }
        AtTarget::Nothing | AtTarget::NoWhole => None,
    }
}
