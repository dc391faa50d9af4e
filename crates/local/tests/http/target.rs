//! A target that keeps the bytes that it receives, and answers each request with its path.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::text;

/// What a target received.
#[derive(Debug, Default)]
pub struct Received {
    /// The bytes of each connection.
    pub connections: Vec<Vec<u8>>,
    /// The complete requests, head and body.
    pub requests: Vec<String>,
}

/// A target with prepared answers.
pub struct Target {
    pub addr: SocketAddr,
    received: Arc<Mutex<Received>>,
}

impl Target {
    /// A target that answers every request with its path.
    pub async fn echo() -> Self {
        Self::start(None).await
    }

    /// A target that answers the first request with these bytes, and the others with their paths.
    pub async fn answering(first: Vec<u8>) -> Self {
        Self::start(Some(first)).await
    }

    async fn start(first: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            addr: listener.local_addr().unwrap(),
            received: Arc::default(),
        };
        let (received, first) = (Arc::clone(&this.received), Arc::new(Mutex::new(first)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let index = {
                    let mut received = received.lock().unwrap();
                    received.connections.push(Vec::new());
                    received.connections.len() - 1
                };
                tokio::spawn(serve(stream, index, Arc::clone(&received), first.clone()));
            }
        });
        this
    }

    /// Reads what has arrived so far.
    pub fn received<T>(&self, read: impl FnOnce(&Received) -> T) -> T {
        read(&self.received.lock().unwrap())
    }
}

async fn serve(
    mut stream: TcpStream,
    index: usize,
    received: Arc<Mutex<Received>>,
    first: Arc<Mutex<Option<Vec<u8>>>>,
) {
    let mut pending = Vec::new();
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut block).await {
        received.lock().unwrap().connections[index].extend_from_slice(&block[..count]);
        pending.extend_from_slice(&block[..count]);
        while let Some(length) = whole(&pending) {
            let request = text(&pending[..length]);
            pending.drain(..length);
            let (method, path) = request.split_once(' ').unwrap();
            let path = path.split(' ').next().unwrap();
            let body = if method == "HEAD" { "" } else { path };
            let own = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                path.len()
            );
            let scripted = first.lock().unwrap().take();
            received.lock().unwrap().requests.push(request);
            if stream
                .write_all(&scripted.unwrap_or(own.into_bytes()))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// The length of the first request in `bytes`, once it is complete. When a request has both lengths,
/// this target believes `Content-Length`. That is wrong on purpose: the load balancer must not pass
/// such a request on.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let lines = text(&bytes[..head]).to_lowercase();
    let field = |name: &str| {
        let value = lines.split("\r\n").find_map(|line| line.strip_prefix(name));
        value.map(|value| value.trim().to_owned())
    };
    let length = if let Some(length) = field("content-length:") {
        head + length.parse::<usize>().unwrap_or(0)
    } else if field("transfer-encoding:").is_some() {
        // Chunks in these tests never contain this end as data.
        let end = bytes[head - 2..]
            .windows(5)
            .position(|five| five == b"\r\n0\r\n")?;
        let trailers = head - 2 + end + 3;
        let last = bytes[trailers..]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")?;
        trailers + last + 4
    } else {
        head
    };
    (bytes.len() >= length).then_some(length)
}
