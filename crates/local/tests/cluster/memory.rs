//! The load balancer in 64 MiB, like its container, while clients try to use up its memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use testkit::Cgroup;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::alb::stand_in;
use crate::support::SOON;
use crate::support::client::get;
use crate::support::cluster::{Cluster, Setup};

/// The limit in `docker/compose.yaml`.
const MEMORY: usize = 64 * 1024 * 1024;

/// Four times as many connections as the load balancer allows.
const CLIENTS: usize = 2000;

/// Opens many connections, sends the bytes that `writes` returns over each of them, and reads nothing.
/// Other clients ask meanwhile.
async fn attack(writes: impl Fn() -> Vec<u8>, target_hangs: bool) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let setup = Setup::new();
    setup.write_topology();
    let (_one, port) = stand_in(&setup).await;
    let group = Cgroup::with_memory(MEMORY);
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
        .arg(group.entrance())
        .arg(env!("CARGO_BIN_EXE_local"))
        .args(["alb", "--port", "0", "--root"])
        .arg(setup.root.path())
        .args(["--target", &format!("users=127.0.0.1:{port}")])
        .kill_on_drop(true);
    let mut cluster = Cluster::start(command, "none".into(), None).await;
    cluster.event("users", "healthy").await;

    let bytes: &'static [u8] = writes().leak();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS / 200 {
        let mut sending = JoinSet::new();
        for _ in 0..200 {
            sending.spawn(client(cluster.addr, bytes));
        }
        clients.extend(sending.join_all().await);
        for path in ["/", "/api/users/1"] {
            others(cluster.addr, path, target_hangs).await;
        }
    }
    let peak = group.peak_bytes();
    println!("{} KiB at most", peak / 1024);
    assert_eq!(group.kills(), 0);
    drop(clients);
    assert_eq!(cluster.end(Signal::TERM).await, Some(0));
}

/// Checks that another client is served, perhaps after some 503 with `Retry-After`. When requests to
/// a target that hangs occupy all connections, the 503 suffices.
async fn others(addr: SocketAddr, path: &str, target_hangs: bool) {
    let start = Instant::now();
    loop {
        let answer = get(addr, path).await;
        if answer.status == 200 || (target_hangs && answer.status == 503) {
            return;
        }
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(start.elapsed() < SOON, "{path}: not served");
        sleep(Duration::from_millis(100)).await;
    }
}

/// A client that sends as much as is read within a moment, and stays connected.
async fn client(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Small, so that answers soon have to wait.
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut stream = socket.connect(addr).await.unwrap();
    // The load balancer may close this connection to make room for another one.
    let _ = timeout(Duration::from_millis(200), stream.write_all(bytes)).await;
    stream
}

fn get_request(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: forum\r\n{fields}\r\n").into_bytes()
}

/// Four lines of the greatest length that is allowed.
fn long_fields() -> String {
    format!("X: {}\r\n", "x".repeat(15 * 1024)).repeat(4)
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn silent_clients_fit() {
    attack(Vec::new, false).await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn half_heads_fit() {
    attack(
        || {
            let mut head = get_request("/", &long_fields());
            head.truncate(head.len() - 2);
            head
        },
        false,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn long_heads_of_clients_that_stay_fit() {
    attack(|| get_request("/", &long_fields()), false).await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn long_heads_of_requests_under_way_fit() {
    attack(|| get_request("/api/users/hang", &long_fields()), true).await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn many_fields_of_requests_under_way_fit() {
    attack(
        || get_request("/api/users/hang", &"X: y\r\n".repeat(90)),
        true,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn pipelined_requests_with_unread_answers_fit() {
    attack(|| get_request("/nothing", "").repeat(1_000), false).await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn unread_answers_of_targets_fit() {
    attack(
        || get_request("/api/users/big?20000000", "").repeat(1_000),
        false,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn requests_that_are_never_answered_fit() {
    attack(|| get_request("/api/users/hang", "").repeat(1_000), true).await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn bodies_that_the_target_does_not_read_fit() {
    attack(
        || {
            let head =
                "POST /api/users/unread HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n";
            [head.as_bytes(), &b"x".repeat(8_000_000)].concat()
        },
        true,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn tiny_chunks_that_the_target_does_not_read_fit() {
    attack(
        || {
            let head =
                "POST /api/users/unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
            [head.as_bytes(), &b"1\r\nx\r\n".repeat(1_000_000)].concat()
        },
        true,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs root: puts the load balancer into a memory cgroup"]
async fn half_bodies_fit_and_make_room() {
    attack(
        || {
            let head = "POST /api/users/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n";
            [head.as_bytes(), &b"x".repeat(1_000)].concat()
        },
        false,
    )
    .await;
}
