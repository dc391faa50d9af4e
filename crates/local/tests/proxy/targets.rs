//! Targets that fail, stall, refuse connections or are deregistered.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::alb::{PATIENT, TIMEOUTS, alb};
use crate::support::client::raw;
use crate::support::{SOON, eventually};
use crate::{OK, Target, refusing, request, status};

#[tokio::test]
async fn a_broken_target_is_a_502_and_a_slow_one_a_504() {
    let long_head: &'static [u8] = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n",
        "x".repeat(33 * 1024)
    )
    .leak()
    .as_bytes();
    for (what, answer, close, expected) in [
        ("closes", &b""[..], true, "502"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-", true, "502"),
        ("no HTTP", b"this is no HTTP\r\n\r\n", true, "502"),
        ("a long head", long_head, false, "502"),
        (
            "another protocol",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            true,
            "502",
        ),
        (
            "bad length",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            false,
            "502",
        ),
        ("nothing", b"", false, "504"),
        (
            "half a head, then nothing",
            b"HTTP/1.1 200 OK\r\nContent-",
            false,
            "504",
        ),
        ("well", OK, false, "200"),
    ] {
        let target = Target::start(answer, close).await;
        let alb = alb(&[target.addr], TIMEOUTS).await;
        let start = Instant::now();
        let answer = raw(alb.addr, &request("GET", "/api/users")).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
        assert_eq!(target.requests(), 1, "{what}");
        if expected == "504" {
            assert!(start.elapsed() >= TIMEOUTS.idle);
        }
        if expected != "200" {
            assert!(answer.contains("server: local-alb"), "{answer}");
            assert!(answer.contains(&format!("<title>{expected} ")), "{answer}");
        }
    }
    let (nobody, _socket) = refusing();
    let refused = alb(&[nobody], TIMEOUTS).await;
    assert_eq!(
        status(&raw(refused.addr, &request("GET", "/api/users")).await),
        "502"
    );
    let none = alb(&[], TIMEOUTS).await;
    assert_eq!(
        status(&raw(none.addr, &request("GET", "/api/users")).await),
        "503"
    );
}

#[tokio::test]
async fn a_target_that_does_not_accept_is_a_504() {
    // When a listener's queue is full, the system drops further attempts to connect.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        queue.push(stream);
    }
    let alb = alb(&[addr], TIMEOUTS).await;
    assert_eq!(
        status(&raw(alb.addr, &request("GET", "/api/users")).await),
        "504"
    );
}

#[tokio::test]
async fn only_an_idempotent_request_is_sent_again_and_only_when_nothing_arrived() {
    let good = Target::start(OK, false).await;
    let (nobody, _socket) = refusing();
    let both = alb(&[nobody, good.addr], TIMEOUTS).await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        for _ in 0..2 {
            let answer = raw(both.addr, &request(method, "/api/users")).await;
            assert_eq!(status(&answer), "200", "{method}: {answer}");
        }
    }
    for method in ["POST", "PATCH"] {
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let answer = raw(both.addr, &request(method, "/api/users")).await;
            statuses.push(status(&answer).to_owned());
        }
        statuses.sort();
        assert_eq!(statuses, ["200", "502"], "{method}");
    }

    // The first target reads the request and closes. It may have acted on the request.
    let (one, other) = (
        Target::start(b"", true).await,
        Target::start(b"", true).await,
    );
    let broken = alb(&[one.addr, other.addr], TIMEOUTS).await;
    for (sent, method) in ["GET", "POST", "PUT"].into_iter().enumerate() {
        assert_eq!(
            status(&raw(broken.addr, &request(method, "/api/users")).await),
            "502"
        );
        assert_eq!(one.requests() + other.requests(), sent + 1, "{method}");
    }
}

#[tokio::test]
async fn a_connection_to_a_target_is_used_again() {
    let target = Target::start(OK, false).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    for _ in 0..10 {
        assert_eq!(
            status(&raw(alb.addr, &request("GET", "/api/users")).await),
            "200"
        );
    }
    assert_eq!(target.requests(), 10);
    assert_eq!(target.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_the_target_closed_while_idle_does_no_harm() {
    let target = Target::start(OK, true).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    for _ in 0..50 {
        assert_eq!(
            status(&raw(alb.addr, &request("GET", "/api/users")).await),
            "200"
        );
    }
    assert_eq!(target.requests(), 50);
}

#[tokio::test]
async fn a_target_that_closes_within_its_answer_cuts_the_answer_off() {
    let target = Target::start(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", true).await;
    let other = Target::start(OK, false).await;
    let alb = alb(&[target.addr, other.addr], PATIENT).await;
    let answer = raw(alb.addr, &request("GET", "/api/users")).await;
    assert!(answer.ends_with("half") || answer.is_empty(), "{answer}");
    assert_eq!(
        status(&raw(alb.addr, &request("GET", "/api/users")).await),
        "200"
    );
}

#[tokio::test]
async fn a_draining_target_finishes_and_one_that_takes_too_long_is_a_502() {
    let target = Target::start(b"", false).await;
    let alb = alb(&[], PATIENT).await;
    let registered = alb.group.register(target.addr);
    let addr = alb.addr;
    let waiting = tokio::spawn(async move { raw(addr, &request("GET", "/api/users")).await });
    eventually("the target has it", || async { target.requests() == 1 }).await;
    let start = Instant::now();
    assert_eq!(alb.group.deregister(&registered).await, 1);
    assert_eq!(status(&waiting.await.unwrap()), "502");
    assert!(start.elapsed() >= alb.group.deregistration_delay);
}

#[tokio::test]
async fn deregistering_closes_idle_connections_to_the_target() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alb = alb(&[], TIMEOUTS).await;
    let registered = alb.group.register(listener.local_addr().unwrap());
    let addr = alb.addr;
    let client = tokio::spawn(async move { raw(addr, &request("GET", "/api/users")).await });
    let (mut target, _) = listener.accept().await.unwrap();
    target.write_all(OK).await.unwrap();
    assert_eq!(status(&client.await.unwrap()), "200");
    assert_eq!(alb.group.deregister(&registered).await, 0);
    let mut rest = Vec::new();
    timeout(SOON, target.read_to_end(&mut rest))
        .await
        .expect("it stays open")
        .unwrap();
}
