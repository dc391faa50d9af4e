//! The load balancer in this process, with clients and targets that send raw bytes and misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod clients;
mod early;
mod messages;
mod targets;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A target that keeps what it reads and answers each head with the same bytes.
struct Target {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// How many of the connections have ended.
    ended: Arc<AtomicUsize>,
    /// Everything received, over all connections.
    received: Arc<Mutex<Vec<u8>>>,
}

impl Target {
    async fn start(answer: &'static [u8], close: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
            ended: Arc::default(),
            received: Arc::default(),
        };
        let (connections, ended) = (Arc::clone(&this.connections), Arc::clone(&this.ended));
        let received = Arc::clone(&this.received);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (ended, received) = (Arc::clone(&ended), Arc::clone(&received));
                tokio::spawn(async move {
                    // An error ends the connection.
                    let _ = exchange(&mut stream, answer, close, &received).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        this
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    fn requests(&self) -> usize {
        self.received().matches(" HTTP/1.1\r\n").count()
    }
}

async fn exchange(
    stream: &mut TcpStream,
    answer: &[u8],
    close: bool,
    received: &Mutex<Vec<u8>>,
) -> io::Result<()> {
    let mut pending = Vec::new();
    let mut block = [0; 4096];
    loop {
        let count = stream.read(&mut block).await?;
        if count == 0 {
            return Ok(());
        }
        received.lock().unwrap().extend_from_slice(&block[..count]);
        pending.extend_from_slice(&block[..count]);
        while let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            pending.drain(..end + 4);
            stream.write_all(answer).await?;
            if close {
                return Ok(());
            }
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: forum\r\nConnection: close\r\n\r\n").into_bytes()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// An address that refuses connections while the socket exists. The socket is bound, so that no
/// other process gets the port, but does not listen.
fn refusing() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap(), socket)
}
