//! Requests and answers in several steps, and HTTP/1.0 clients.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::alb::{TIMEOUTS, alb};
use crate::support::client::raw;
use crate::support::{SOON, text};
use crate::table;
use crate::table::{SMUGGLED, others, statuses};
use crate::target::Target;

/// Reads until `end` has arrived.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !text(&read).ends_with(end) {
        let count = timeout(SOON, stream.read_buf(&mut read)).await;
        let count = count.unwrap_or_else(|_| panic!("only {:?}", text(&read)));
        assert_ne!(count.unwrap(), 0, "{:?}", text(&read));
    }
    text(&read)
}

/// RFC 9110 section 10.1.1.
#[tokio::test]
async fn the_load_balancer_meets_an_expectation_itself() {
    let target = Target::echo().await;
    let addr = alb(&[target.addr], TIMEOUTS).await.addr;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let head = "POST /api/users HTTP/1.1\r\nHost: forum\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let interim = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    let answer = read_until(&mut client, "/api/users").await;
    assert_eq!(statuses(&answer), ["200"]);
    let request = target.received(|received| received.requests.concat());
    assert!(
        !request.contains("expect") && request.ends_with("\r\n\r\nhello"),
        "{request}"
    );
    // An answer that needs no body comes instead of the 100.
    for (path, status) in [("/x", "404"), ("/api", "200")] {
        let head = head
            .replace("/api/users", path)
            .replace("Host", "Connection: close\r\nHost");
        assert_eq!(statuses(&raw(addr, head.as_bytes()).await), [status]);
    }
}

/// RFC 9110 section 7.5 and RFC 9112 section 9.3: an answer may come before the request is complete.
#[tokio::test]
async fn the_rest_of_a_body_that_was_answered_early_is_no_request() {
    let early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    let target = early_target(early).await;
    let addr = alb(&[target], TIMEOUTS).await.addr;
    let mut client = TcpStream::connect(addr).await.unwrap();
    let length = 2 * SMUGGLED.len();
    let head =
        format!("POST /api/users HTTP/1.1\r\nHost: forum\r\nContent-Length: {length}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["413"]);
    // The client may find the connection closed already.
    let _ = client.write_all(SMUGGLED.repeat(2).as_bytes()).await;
    let mut rest = Vec::new();
    let _ = timeout(SOON, client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(text(&rest), "", "the body was answered");
    assert_eq!(others(addr).await, None);
}

/// A target that answers the first connection as soon as it has read something, and then goes on
/// reading. On other connections it is an echo.
async fn early_target(answer: &'static str) -> std::net::SocketAddr {
    let echo = Target::echo().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let hasty = tokio::spawn(async move {
            let mut block = [0; 4096];
            let _ = first.read(&mut block).await.unwrap();
            first.write_all(answer.as_bytes()).await.unwrap();
            while first.read(&mut block).await.is_ok_and(|count| count > 0) {
                // Answers whatever else arrives, so that the client would see a smuggled request.
                let _ = first
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
                    .await;
            }
        });
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(echo.addr).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut to).await;
            });
        }
        hasty.await.unwrap();
    });
    addr
}

/// RFC 9112 sections 6.1 and 9.3.
#[tokio::test]
async fn an_old_client_gets_what_it_can_read() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n";
    for (fields, stays) in [("", false), ("Connection: keep-alive\r\n", true)] {
        let target = Target::answering(chunked.to_owned().into_bytes()).await;
        let addr = alb(&[target.addr], TIMEOUTS).await.addr;
        let request = |path: &str| format!("GET {path} HTTP/1.0\r\n{fields}\r\n");
        let answer = raw(addr, request("/api/users/1").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nbody"), "{answer}");
        assert!(
            !answer.contains("transfer-encoding") && !answer.contains("x-sum"),
            "{answer}"
        );
        let received = target.received(|received| received.requests.concat());
        let host = format!("GET /api/users/1 HTTP/1.1\r\nhost: {addr}\r\n");
        assert!(received.starts_with(&host), "{received}");

        let mut client = TcpStream::connect(addr).await.unwrap();
        client
            .write_all(request("/api/users/2").as_bytes())
            .await
            .unwrap();
        let answer = read_until(&mut client, "\r\n\r\n/api/users/2").await;
        assert_eq!(
            answer.contains("connection: keep-alive\r\n"),
            stays,
            "{answer}"
        );
        if stays {
            client
                .write_all(request("/api/users/3").as_bytes())
                .await
                .unwrap();
            read_until(&mut client, "\r\n\r\n/api/users/3").await;
        } else {
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(table::others(addr).await, None);
    }
}
