//! Tables of requests, and the code that tries each row.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::alb::{TIMEOUTS, alb};
use crate::support::client::raw;
use crate::support::text;
use crate::target::{Received, Target};

/// How many rows are tried at a time.
const ROWS_MAX: usize = 16;

/// A request that reaches the target only if smuggling succeeds.
pub const SMUGGLED: &str = "GET /api/users/smuggled HTTP/1.1\r\nHost: forum\r\n\r\n";

/// One request and its expected outcome.
pub struct Row {
    /// What the client tries.
    pub attack: &'static str,
    /// The section of the RFC that demands the outcome.
    pub rfc: &'static str,
    /// The client's bytes.
    pub send: Vec<u8>,
    /// The statuses of the answers until the connection closes. Empty when it closes without an answer.
    pub answers: &'static [&'static str],
    /// What reaches the target.
    pub target: AtTarget,
}

/// What reaches the target.
pub enum AtTarget {
    /// Nothing at all.
    Nothing,
    /// At most a part of the request.
    NoWhole,
    /// So many requests, which together contain the first strings and none of the second.
    Gets(usize, &'static [&'static str], &'static [&'static str]),
}

/// A request that the load balancer answers itself.
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

/// A request with an invalid body, of which the target may have received a part.
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

/// A request that the target gets. It contains the strings in `with` and none in `without`.
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

/// A GET with these lines in its head, the only request of its connection.
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

/// Tries every row. Fails with a list of all rows whose outcome is wrong.
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
    let alb = alb(&[target.addr], TIMEOUTS).await.addr;
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

/// Has two other clients ask, one after the other. Returns what is wrong with their answers.
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

/// The statuses of the answers that a client read. (Bodies in these tests never contain `HTTP/1.`.)
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
