//! Answers of targets that could be understood in two ways, or that targets must not send.

use tokio::task::JoinSet;

use crate::support::alb::{TIMEOUTS, alb};
use crate::support::client::raw;
use crate::table::{others, statuses};
use crate::target::Target;

/// A target's answer to the first request, and what a client sees.
struct Row {
    attack: &'static str,
    rfc: &'static str,
    method: &'static str,
    answer: String,
    status: &'static str,
    /// What the client's answer contains, and what it must not contain.
    with: &'static [&'static str],
    without: &'static [&'static str],
}

/// An answer to GET that the client gets. It contains the strings in `with` and none in `without`.
fn passed(
    attack: &'static str,
    rfc: &'static str,
    answer: impl Into<String>,
    with: &'static [&'static str],
    without: &'static [&'static str],
) -> Row {
    Row {
        attack,
        rfc,
        method: "GET",
        answer: answer.into(),
        status: "200",
        with,
        without,
    }
}

/// An invalid answer, for which the client gets a 502.
fn bad(attack: &'static str, rfc: &'static str, answer: impl Into<String>) -> Row {
    Row {
        status: "502",
        ..passed(attack, rfc, answer, &["server: local-alb\r\n"], &["evil"])
    }
}

async fn hold(rows: Vec<Row>) {
    let mut trials = JoinSet::new();
    for row in rows {
        trials.spawn(async move {
            let wrong = trial(&row).await;
            wrong.map(|wrong| format!("{} ({}): {wrong}", row.attack, row.rfc))
        });
    }
    let wrong: Vec<_> = trials.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn trial(row: &Row) -> Option<String> {
    let target = Target::answering(row.answer.clone().into_bytes()).await;
    let alb = alb(&[target.addr], TIMEOUTS).await.addr;
    let request = format!(
        "{} /api/users/1 HTTP/1.1\r\nHost: forum\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n",
        row.method
    );
    let answer = raw(alb, request.as_bytes()).await;
    let missing = row.with.iter().find(|text| !answer.contains(**text));
    let surplus = row.without.iter().find(|text| answer.contains(**text));
    if statuses(&answer) != [row.status] || missing.is_some() || surplus.is_some() {
        return Some(format!(
            "missing {missing:?}, surplus {surplus:?}, answer {answer:?}"
        ));
    }
    others(alb).await
}

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

#[tokio::test]
async fn an_answer_has_one_length_for_the_client() {
    let chunked = "4\r\nbody\r\n0\r\n\r\n";
    let both = [
        "transfer-encoding: chunked\r\n",
        "\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ];
    let both: &'static [&'static str] = Box::leak(Box::new(both));
    hold(vec![
        passed(
            "a length, then chunked",
            "RFC 9112 6.3",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
            both,
            &["content-length"],
        ),
        passed(
            "chunked, then a length",
            "RFC 9112 6.3",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9999\r\n\r\n{chunked}"),
            both,
            &["content-length"],
        ),
        passed(
            "one length on two lines",
            "RFC 9110 8.6",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
            &["content-length: 4\r\n", "\r\n\r\nbody"],
            &["4, 4"],
        ),
        passed(
            "a list of equal lengths",
            "RFC 9110 8.6",
            "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nbody",
            &["content-length: 4\r\n", "\r\n\r\nbody"],
            &["4, 4"],
        ),
        bad("two lengths", "RFC 9112 6.3", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nevil"),
        bad("no number", "RFC 9112 6.3", "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil"),
        bad("gzip and chunked", "RFC 9112 6.1", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{chunked}")),
        bad("chunked twice", "RFC 9112 6.1", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n{chunked}")),
        bad("identity", "RFC 9112 6.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nevil"),
        bad("chunked from HTTP/1.0", "RFC 9112 6.1", format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}")),
    ])
    .await;
}

#[tokio::test]
async fn what_follows_an_answer_is_nobodys() {
    let follows = |attack, rfc, method, head: &str, status, with| Row {
        method,
        status,
        ..passed(
            attack,
            rfc,
            format!("HTTP/1.1 {head}\r\n\r\n{EVIL}"),
            with,
            &["evil"],
        )
    };
    hold(vec![
        follows(
            "a body for HEAD",
            "RFC 9110 9.3.2",
            "HEAD",
            "200 OK\r\nContent-Length: 42",
            "200",
            &["content-length: 42\r\n"],
        ),
        follows(
            "chunks for HEAD",
            "RFC 9110 9.3.2",
            "HEAD",
            "200 OK\r\nTransfer-Encoding: chunked",
            "200",
            &[],
        ),
        follows(
            "a body in a 204",
            "RFC 9110 15.3.5",
            "GET",
            "204 No Content\r\nContent-Length: 42",
            "204",
            &[],
        ),
        follows(
            "chunks in a 204",
            "RFC 9112 6.1",
            "GET",
            "204 No Content\r\nTransfer-Encoding: chunked",
            "204",
            &[],
        ),
        follows(
            "a body in a 304",
            "RFC 9110 15.4.5",
            "GET",
            "304 Not Modified\r\nContent-Length: 42",
            "304",
            &[],
        ),
        follows(
            "a second answer",
            "RFC 9112 9.2",
            "GET",
            "200 OK\r\nContent-Length: 0",
            "200",
            &["content-length: 0\r\n"],
        ),
        follows(
            "a second answer behind a reset",
            "RFC 9110 15.3.6",
            "GET",
            "205 Reset Content\r\nContent-Length: 0",
            "205",
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_head_that_is_none_is_the_targets_failure() {
    let field = |attack, line: &str| {
        bad(
            attack,
            "RFC 9112 5",
            format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 4\r\n\r\nevil"),
        )
    };
    let long = "x".repeat(33 * 1024);
    hold(vec![
        field("a carriage return in a value", "X: y\rSet-Cookie: evil\r\n"),
        field("a NUL in a value", "X: y\0\r\n"),
        field("a folded line", "X: y\r\n evil\r\n"),
        field("a space before the colon", "X : y\r\n"),
        field("an empty name", ": y\r\n"),
        field("no colon", "evil\r\n"),
        field("a head over 32 KB", &format!("X: {long}\r\n")),
        bad("no HTTP", "RFC 9112 4", "evil\r\n\r\n"),
        bad("HTTP/0.9", "RFC 9112 4", "<html>evil</html>\r\n\r\n"),
        bad("HTTP/2", "RFC 9112 4", "HTTP/2.0 200 OK\r\n\r\n"),
        bad("a status of two digits", "RFC 9110 15", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("a switch that nobody asked for", "RFC 9110 7.8", format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n{EVIL}")),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_leaves_behind_what_was_for_one_connection() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    hold(vec![
        passed(
            "fields for one connection",
            "RFC 9110 7.6.1",
            "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: evil\r\nKeep-Alive: evil\r\nProxy-Authenticate: evil\r\nUpgrade: evil\r\nContent-Length: 4\r\nX: y\r\n\r\nbody",
            &["\r\nx: y\r\n", "\r\n\r\nbody"],
            &["evil"],
        ),
        passed(
            "interim answers",
            "RFC 9110 15.2",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            &["\r\n\r\nbody"],
            &["evil"],
        ),
        passed(
            "a trailer",
            "RFC 9110 6.5",
            format!("{chunked}Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n"),
            &["\r\n0\r\nx-sum: 1\r\n\r\n"],
            &[],
        ),
        passed(
            "trailers that are no trailers",
            "RFC 9110 6.5.1",
            format!("{chunked}Trailer: Set-Cookie, Content-Length, Connection, Keep-Alive, X-Sum\r\n\r\n4\r\nbody\r\n0\r\nSet-Cookie: evil\r\nContent-Length: 9\r\nConnection: evil\r\nKeep-Alive: evil\r\nX-Sum: 1\r\n\r\n"),
            &["\r\n0\r\nx-sum: 1\r\n\r\n"],
            &["evil", "content-length:"],
        ),
    ])
    .await;
}
