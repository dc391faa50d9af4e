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
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::alb::health::HealthCheck;
use local::alb::listener::Listener;
use local::alb::proxy::request::{Proxy, Timeouts};
use local::alb::target_group::TargetGroup;
use local::alb::wire::connections::Limits;
use local::event::Events;
use local::{alb::proxy::server, alb::topology};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use support::SOON;

/// Long enough for a busy machine, and short enough for the tests that wait for them.
const TIMEOUTS: Timeouts = Timeouts {
    idle: Duration::from_secs(3),
    connect: Duration::from_secs(3),
};

/// For tests in which no timeout of the load balancer may end a wait: the client's own is shorter.
const PATIENT: Timeouts = Timeouts {
    idle: SOON.saturating_mul(2),
    connect: SOON.saturating_mul(2),
};

/// A load balancer with the targets of the users service at these addresses. No checks run, so it
/// fails open: every target is used.
struct Alb {
    addr: SocketAddr,
    group: Arc<TargetGroup>,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

async fn alb(targets: &[SocketAddr], timeouts: Timeouts) -> Alb {
    let two = NonZeroU32::new(2).unwrap();
    let check = HealthCheck {
        path: "/health/ready".to_owned(),
        interval: Duration::from_secs(6),
        timeout: Duration::from_secs(5),
        healthy_threshold: two,
        unhealthy_threshold: two,
    };
    let group = Arc::new(TargetGroup::new(
        "users".to_owned(),
        check,
        Duration::from_millis(500),
    ));
    for &target in targets {
        group.register(target);
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/services");
    let definitions = topology::load(&directory).unwrap().into_iter();
    let users = definitions.filter(|definition| definition.name == "users");
    let services: Vec<_> = users
        .map(|definition| (definition, Arc::clone(&group)))
        .collect();
    let proxy = Proxy {
        listener: Listener::new(&services),
        timeouts,
        events: Events::new(true, |_| {}),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server::serve(
        listener,
        Arc::new(proxy),
        Limits::default(),
        stop.clone(),
        PATIENT.idle,
    ));
    Alb {
        addr,
        group,
        stop,
        serving,
    }
}

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
