//! Clients that send invalid requests, stall, or are connected when the server stops.

use std::io::{ErrorKind, Read};
use std::sync::atomic::Ordering;
use std::time::Instant;

use local::alb::wire::connections::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::alb::{PATIENT, TIMEOUTS, alb, limited_alb};
use crate::support::client::raw;
use crate::support::{SOON, eventually};
use crate::{OK, Target, request, status};

#[tokio::test]
async fn what_a_client_does_wrong_is_answered_as_by_the_load_balancer() {
    let target = Target::start(OK, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let mut wrong = Vec::new();
    let head = |rest: &str| {
        format!("GET /api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}\r\n")
    };
    let post =
        |rest: &str| format!("POST /api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}");
    for (what, bytes, expected) in [
        ("no HTTP", "hello\r\n\r\n".to_owned(), "400"),
        (
            "no host",
            "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
            "400",
        ),
        ("two hosts", head("Host: y\r\n"), "400"),
        ("a space before the colon", head("X : y\r\n"), "400"),
        (
            "a long line",
            head(&format!("X: {}\r\n", "x".repeat(17 * 1024))),
            "400",
        ),
        (
            "a long URL",
            format!(
                "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "x".repeat(17 * 1024)
            ),
            "414",
        ),
        (
            "long fields",
            head(&format!("X: {}\r\n", "x".repeat(10 * 1024)).repeat(7)),
            "431",
        ),
        ("TRACE", head("").replace("GET", "TRACE"), "405"),
        (
            "CONNECT",
            "CONNECT forum:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            "405",
        ),
        (
            "many addresses",
            head(&format!(
                "X-Forwarded-For: {}\r\n",
                ["10.0.0.1"; 31].join(", ")
            )),
            "463",
        ),
        (
            "odd encoding",
            post("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            "501",
        ),
        (
            "two lengths",
            post("Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
            "400",
        ),
        (
            "no chunk",
            post("Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "400",
        ),
        ("well", head(""), "200"),
    ] {
        let answer = raw(alb.addr, bytes.as_bytes()).await;
        // For some errors hyper closes the connection without an answer.
        let status = if answer.is_empty() {
            "closed"
        } else {
            status(&answer)
        };
        if status != expected {
            wrong.push(format!("{what}: {status} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_client_that_stops_within_its_body_is_a_408_and_not_the_targets_fault() {
    let target = Target::start(b"", false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let half = b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf";
    let answer = raw(alb.addr, half).await;
    assert_eq!(status(&answer), "408", "{answer}");
    assert_eq!(target.requests(), 1);
}

#[tokio::test]
async fn a_client_without_a_request_is_left_after_the_idle_timeout() {
    let alb = alb(&[], TIMEOUTS).await;
    for (bytes, expected) in [
        (&b""[..], "none"),
        (b"GET / HTTP/1.1\r\nHost: fo", "408"),
        (b"GET / HTTP/1.1\r\nHost: forum\r\n\r\n", "200"),
    ] {
        let start = Instant::now();
        let answer = raw(alb.addr, bytes).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(start.elapsed() >= TIMEOUTS.idle, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left_after_the_idle_timeout() {
    let endless: &'static [u8] = [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"[..],
        &vec![b'x'; 50_000_000],
    ]
    .concat()
    .leak();
    let target = Target::start(endless, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let mut client = TcpStream::connect(alb.addr).await.unwrap();
    client
        .write_all(&request("GET", "/api/users"))
        .await
        .unwrap();
    eventually("the load balancer leaves its target, too", || async {
        target.ended.load(Ordering::Relaxed) == 1
    })
    .await;
    let mut read = Vec::new();
    let _ = timeout(SOON, client.read_to_end(&mut read)).await.unwrap();
    assert!(read.len() < 50_000_000, "{}", read.len());
}

#[tokio::test]
async fn a_client_over_the_limit_is_answered_when_it_asks_and_not_before() {
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let alb = limited_alb(&[hangs.local_addr().unwrap()], PATIENT, limits).await;
    let mut first = TcpStream::connect(alb.addr).await.unwrap();
    first
        .write_all(&request("GET", "/api/users"))
        .await
        .unwrap();
    let (_waiting, _) = hangs.accept().await.unwrap();

    let second = TcpStream::connect(alb.addr).await.unwrap();
    let third = raw(alb.addr, &request("GET", "/")).await;
    assert_eq!(status(&third), "503", "{third}");
    // The second came before the third, and has sent nothing yet.
    let error = second.into_std().unwrap().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn stopping_answers_what_has_begun_and_waits_for_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alb = alb(&[listener.local_addr().unwrap()], PATIENT).await;
    let addr = alb.addr;
    let begun =
        tokio::spawn(async move { raw(addr, b"GET /api/users HTTP/1.1\r\nHost: x\r\n\r\n").await });
    let mut half = TcpStream::connect(addr).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let fresh = TcpStream::connect(addr).await.unwrap();
    let (mut target, _) = listener.accept().await.unwrap();
    alb.stop.cancel();
    eventually("nobody is let in", || async {
        TcpStream::connect(addr).await.is_err()
    })
    .await;
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = timeout(SOON, half.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    target.write_all(OK).await.unwrap();
    let answer = begun.await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );
    timeout(SOON, alb.serving)
        .await
        .expect("still serving")
        .unwrap();
    drop(fresh);
}
