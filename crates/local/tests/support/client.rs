//! HTTP clients, and one that sends raw bytes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SOON, eventually};

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A client with one connection.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self(sender))
    }

    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer, hyper::Error> {
        let request = Request::get(path).header("host", "forum");
        self.send(request.body(Full::default()).unwrap()).await
    }
}

pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(addr).await.unwrap();
    client.get(path).await.unwrap()
}

/// Sends bytes, and reads until the connection closes.
pub async fn raw(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = timeout(SOON, stream.read_to_end(&mut answer))
        .await
        .expect("the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Clients that request a path again and again, each over its own connection.
pub struct Load {
    stop: Arc<AtomicBool>,
    pub answered: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub fn start(addr: SocketAddr, path: &str, clients: usize) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            failures: Arc::default(),
            clients: Vec::new(),
        };
        for _ in 0..clients {
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            let (failures, path) = (Arc::clone(&load.failures), path.to_owned());
            load.clients.push(tokio::spawn(async move {
                let fail = |failure: String| failures.lock().unwrap().push(failure);
                let mut client = Client::connect(addr).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match timeout(SOON, client.get(&path)).await {
                        Ok(Ok(answer)) if answer.status == 200 => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(Ok(answer)) => fail(format!("{} {:?}", answer.status, answer.body)),
                        Ok(Err(error)) => {
                            fail(format!("{error:?}"));
                            client = Client::connect(addr).await.unwrap();
                        }
                        Err(_) => fail("no answer".to_owned()),
                    }
                }
            }));
        }
        load
    }

    /// Waits until `count` more requests were answered.
    pub async fn more(&self, count: usize) {
        let target = self.answered.load(Ordering::Relaxed) + count;
        eventually("the clients are answered", || async {
            self.answered.load(Ordering::Relaxed) >= target
        })
        .await;
    }

    /// Stops the clients, and fails the test when a request failed. Returns how many were answered.
    pub async fn assert_none_failed(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let answered = self.answered.load(Ordering::Relaxed);
        let failures = self.failures.lock().unwrap();
        assert!(
            failures.is_empty(),
            "{} of {answered}: {:?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
        answered
    }
}
