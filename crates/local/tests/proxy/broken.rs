//! Answers of targets that are incomplete or become invalid.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::alb::{TIMEOUTS, alb};
use crate::support::client::raw;
use crate::support::{SOON, text};
use crate::{Target, request, status};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn leak(text: String) -> &'static [u8] {
    text.leak().as_bytes()
}

#[tokio::test]
async fn a_body_that_is_none_from_the_start_is_a_502() {
    for body in ["zz\r\nbody", "\r\n", "-4\r\nbody\r\n", "4 4\r\nbody\r\n"] {
        let target = Target::start(leak(format!("{CHUNKED}{body}")), true).await;
        let alb = alb(&[target.addr], TIMEOUTS).await;
        let answer = raw(alb.addr, &request("GET", "/api/users")).await;
        assert_eq!(status(&answer), "502", "{body:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_later_is_seen_to_be_broken_off() {
    let chunks = |rest: &str| format!("{CHUNKED}4\r\nbody\r\n{rest}");
    for (what, answer) in [
        ("a bad size", chunks("zz\r\nbody\r\n0\r\n\r\n")),
        ("a chunk that is too long", chunks("2\r\nbody\r\n0\r\n\r\n")),
        ("half a chunk", chunks("8\r\nhalf")),
        ("no last chunk", chunks("")),
        ("half a last chunk", chunks("0\r\n")),
        ("a bad trailer", chunks("0\r\nX : y\r\n\r\n")),
        (
            "fewer bytes than its length",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbody".to_owned(),
        ),
    ] {
        let target = Target::start(leak(answer), true).await;
        let alb = alb(&[target.addr], TIMEOUTS).await;
        let answer = raw(alb.addr, &request("GET", "/api/users")).await;
        assert_eq!(status(&answer), "200", "{what}: {answer:?}");
        assert!(answer.contains("body"), "{what}: {answer:?}");
        assert!(!answer.contains("\r\n0\r\n"), "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_none_behind_a_head_that_has_left_is_seen_to_be_broken_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alb = alb(&[listener.local_addr().unwrap()], TIMEOUTS).await;
    let addr = alb.addr;
    let client = tokio::spawn(async move { raw(addr, &request("GET", "/api/users")).await });
    let (mut target, _) = listener.accept().await.unwrap();
    target.write_all(CHUNKED.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    target.write_all(b"zz\r\n").await.unwrap();
    let answer = client.await.unwrap();
    // On a slow machine the head and the invalid chunk may arrive together.
    assert!(["200", "502"].contains(&status(&answer)), "{answer:?}");
    assert!(status(&answer) == "502" || answer.ends_with("\r\n\r\n"));
}

/// HTTP/1.0 has no chunks, so without a length only a reset shows that the answer is incomplete.
#[tokio::test]
async fn an_old_client_sees_a_reset() {
    let answer = leak(format!("{CHUNKED}4\r\nbody\r\nzz\r\n"));
    let target = Target::start(answer, true).await;
    let alb = alb(&[target.addr], TIMEOUTS).await;
    let mut client = TcpStream::connect(alb.addr).await.unwrap();
    client
        .write_all(b"GET /api/users HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let end = timeout(SOON, client.read_to_end(&mut answer)).await;
    let end = end.expect("the connection stays open");
    assert_eq!(
        end.expect_err("it looks whole").kind(),
        ErrorKind::ConnectionReset,
        "{}",
        text(&answer)
    );
}
