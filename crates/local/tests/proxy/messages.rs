//! How requests and answers are forwarded: what is unchanged, what is changed, and that bodies stream.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::alb::{TIMEOUTS, alb};
use crate::support::client::raw;
use crate::support::{SOON, eventually};
use crate::{OK, Target, request};

/// A body that is sent in parts of one byte.
const PARTS: &[u8; 12] = b"twelve parts";

/// The time between two parts. It is far below the idle timeout, because a busy machine adds to it.
const PAUSE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let target = Target::start(OK, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    for path in [
        "/api/users/a%2Fb/../c//d?x=%20&y=a+b&?",
        "/api/users/1?",
        "/api/users/;p=1,2'()",
    ] {
        raw(alb.addr, &request("GET", path)).await;
        assert!(
            target
                .received()
                .contains(&format!("GET {path} HTTP/1.1\r\n")),
            "{path}: {}",
            target.received()
        );
    }
    let absolute =
        "GET http://forum.example/api/users/abs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    raw(alb.addr, absolute.as_bytes()).await;
    assert!(
        target
            .received()
            .contains("GET /api/users/abs HTTP/1.1\r\nhost: forum.example\r\n"),
        "{}",
        target.received()
    );

    let old = raw(alb.addr, b"GET /api/users/old HTTP/1.0\r\n\r\n").await;
    assert!(
        old.starts_with("HTTP/1.0 200 OK\r\n") || old.starts_with("HTTP/1.1 200 OK\r\n"),
        "{old}"
    );
    assert!(
        target
            .received()
            .contains("GET /api/users/old HTTP/1.1\r\nhost: "),
        "{}",
        target.received()
    );
}

#[tokio::test]
async fn a_message_with_two_lengths_has_one_for_the_target() {
    let target = Target::start(OK, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let smuggled = "GET /api/users/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let both = format!(
        "POST /api/users/both HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    );
    let answer = raw(alb.addr, both.as_bytes()).await;
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "the connection ends: {answer}"
    );
    let received = target.received().to_lowercase();
    assert!(
        !received.contains("content-length") && !received.contains("smuggled"),
        "{received}"
    );
}

#[tokio::test]
async fn trailers_pass_both_ways_and_bodies_keep_their_chunks() {
    let target = Target::start(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-B: 1\r\nX-A: 2\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n",
        true,
    )
    .await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let answer = raw(
        alb.addr,
        b"POST /api/users HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: te, close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Client\r\n\r\n3\r\nabc\r\n0\r\nX-Client: 7\r\n\r\n",
    )
    .await;
    assert!(
        answer.ends_with("4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("x-hop"), "{answer}");
    assert!(
        answer.find("x-b: 1").unwrap() < answer.find("x-a: 2").unwrap(),
        "{answer}"
    );
    let received = target.received();
    assert!(
        received.contains("te: trailers\r\n")
            && received.contains("transfer-encoding: chunked\r\n"),
        "{received}"
    );
}

#[tokio::test]
async fn a_body_reaches_the_target_while_the_client_still_sends_it() {
    let target = Target::start(b"", false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let mut client = TcpStream::connect(alb.addr).await.unwrap();
    client.write_all(b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let mut answer = [0; 25];
    timeout(SOON, client.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    // All parts together take longer than the idle timeout, but no pause comes near it.
    let start = Instant::now();
    for part in PARTS.chunks(1) {
        client.write_all(part).await.unwrap();
        let part = str::from_utf8(part).unwrap();
        eventually("it arrives", || async { target.received().ends_with(part) }).await;
        sleep(PAUSE).await;
    }
    assert!(start.elapsed() > TIMEOUTS.idle);
}

#[tokio::test]
async fn an_answer_reaches_the_client_while_the_target_still_sends_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alb = alb(&[listener.local_addr().unwrap()], TIMEOUTS).await;
    let mut client = TcpStream::connect(alb.addr).await.unwrap();
    client
        .write_all(&request("GET", "/api/users"))
        .await
        .unwrap();
    let (mut target, _) = listener.accept().await.unwrap();
    target
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    let mut read = Vec::new();
    let begun = Instant::now();
    for part in PARTS.chunks(1) {
        target.write_all(part).await.unwrap();
        let start = Instant::now();
        while !read.ends_with(part) {
            assert!(start.elapsed() < SOON);
            client.read_buf(&mut read).await.unwrap();
        }
        sleep(PAUSE).await;
    }
    assert!(begun.elapsed() > TIMEOUTS.idle);
    // The target stalls within its answer. The load balancer can only close the connection.
    let end = timeout(SOON, client.read_to_end(&mut read)).await.unwrap();
    assert!(end.is_err() || !read.ends_with(b"\r\n\r\n"), "{end:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let target = Target::start(OK, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let mut requests = Vec::new();
    for path in ["/", "/api/users/1", "/nothing", "/api/users/2", "/api"] {
        requests.extend(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes());
    }
    requests.extend(request("GET", "/api/users/3"));
    let answers = raw(alb.addr, &requests).await;
    let statuses: Vec<_> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses, ["200", "200", "404", "200", "200", "200"]);
    let received = target.received();
    let at = |path: &str| received.find(path).unwrap();
    assert!(at("/users/1") < at("/users/2") && at("/users/2") < at("/users/3"));
}

#[tokio::test]
async fn answers_without_a_body_stay_without_one() {
    for (method, answer, expected) in [
        (
            "HEAD",
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..],
            "content-length: 5\r\n",
        ),
        (
            "GET",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n",
        ),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            "etag: \"a\"\r\n",
        ),
    ] {
        let target = Target::start(answer, false).await;
        let alb = alb(&[target.addr], TIMEOUTS).await;
        for _ in 0..2 {
            let answer = raw(alb.addr, &request(method, "/api/users")).await;
            assert!(
                answer.contains(expected) && answer.ends_with("\r\n\r\n"),
                "{answer}"
            );
            assert!(!answer.contains("transfer-encoding"), "{answer}");
        }
        assert_eq!(target.connections.load(Ordering::Relaxed), 1);
    }
}
