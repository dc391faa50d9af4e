//! Answers that are sent before the request's body was read. The client can always read them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::status;
use crate::support::alb::{TIMEOUTS, alb};
use crate::support::{SOON, text};

const BODY_BYTES: usize = 8 * 1024 * 1024;

/// Sends a request with a large body as a simple client does: it sends everything before it reads.
async fn upload(addr: SocketAddr, path: &str, chunked: bool) -> String {
    let mut client = TcpStream::connect(addr).await.unwrap();
    let length = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {BODY_BYTES}")
    };
    let head = format!("POST {path} HTTP/1.1\r\nHost: forum\r\n{length}\r\n\r\n");
    let exchange = async {
        client.write_all(head.as_bytes()).await?;
        let part = vec![b'x'; 0x8000];
        for _ in 0..BODY_BYTES / part.len() {
            if chunked {
                client.write_all(b"8000\r\n").await?;
            }
            client.write_all(&part).await?;
            if chunked {
                client.write_all(b"\r\n").await?;
            }
        }
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(SOON, exchange).await.expect("no answer");
    text(&answer.unwrap_or_else(|error| panic!("{path}: {error}")))
}

#[tokio::test]
async fn the_load_balancers_own_early_answer_reaches_a_client_that_sends_on() {
    let alb = alb(&[], TIMEOUTS).await;
    for (path, expected) in [("/nothing", "404"), ("/api", "200"), ("/api/users", "503")] {
        for chunked in [false, true] {
            let answer = upload(alb.addr, path, chunked).await;
            assert_eq!(status(&answer), expected, "{path}: {answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
        }
    }
}

/// A target that reads a head and answers. Then it either closes with unread bytes, which resets the
/// connection, or reads on until the load balancer closes.
async fn hasty(answer: &'static [u8], reads_on: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 64];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer).await;
            if reads_on {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
    });
    addr
}

#[tokio::test]
async fn a_targets_early_answer_reaches_a_client_that_sends_on() {
    let refusal =
        b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig";
    for reads_on in [false, true] {
        let alb = alb(&[hasty(refusal, reads_on).await], TIMEOUTS).await;
        for attempt in 0..4 {
            let answer = upload(alb.addr, "/api/users", attempt % 2 == 0).await;
            assert_eq!(status(&answer), "413", "{attempt}: {answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nbig"), "{answer}");
        }
    }
}

#[tokio::test]
async fn behind_a_short_body_the_connection_stays() {
    let alb = alb(&[], TIMEOUTS).await;
    let mut client = TcpStream::connect(alb.addr).await.unwrap();
    for _ in 0..2 {
        let head = b"POST /nothing HTTP/1.1\r\nHost: forum\r\nContent-Length: 5\r\n\r\n";
        client.write_all(head).await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(b"hello").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let read = timeout(SOON, client.read_buf(&mut answer)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "{}", text(&answer));
        }
        assert_eq!(status(&text(&answer)), "404");
        assert!(!text(&answer).contains("connection: close"));
    }
}
