//! The load balancer leaks neither memory nor descriptors, whatever clients and targets do, and other
//! clients are served meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::{Load, get, raw};
use crate::support::cluster::{Cluster, Setup};
use crate::support::{descriptors, eventually, resident_kib};

/// Waits until the load balancer has as many descriptors as before. A few more may be connections to
/// targets.
async fn descriptors_return(cluster: &Cluster, before: usize) {
    eventually("descriptors return", || async {
        descriptors(cluster.pid()) <= before + 8
    })
    .await;
}

async fn idle_connections(addr: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for index in 0..count {
        opening.spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            // Every other connection has already had a request.
            if index % 2 == 0 {
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    .await
                    .unwrap();
                let mut answer = [0; 512];
                assert!(stream.read(&mut answer).await.unwrap() > 0);
            }
            stream
        });
        // A few at a time, so that the listener's queue is not full.
        while opening.len() >= 64 {
            streams.push(opening.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(stream) = opening.join_next().await {
        streams.push(stream.unwrap());
    }
    streams
}

#[tokio::test]
async fn thousands_of_idle_connections_cost_only_themselves() {
    const COUNT: usize = 5000;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();

    let cluster = Setup::new().arg("--max-connections=6000").start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 2);
    load.more(100).await;
    let before = descriptors(cluster.pid());
    let mut peaks = Vec::new();
    for _ in 0..8 {
        let idle = idle_connections(cluster.addr, COUNT).await;
        eventually("all are accepted", || async {
            descriptors(cluster.pid()) >= before + COUNT - 8
        })
        .await;
        load.more(200).await;
        peaks.push(resident_kib(cluster.pid()));
        drop(idle);
        descriptors_return(&cluster, before).await;
    }
    load.assert_none_failed().await;
    println!("resident KiB with {COUNT} idle connections, round after round: {peaks:?}");
    // The allocator keeps freed memory and needs some rounds until it reuses all of it.
    assert!(
        peaks[7] < peaks[4] + peaks[4] / 20,
        "memory grows from round to round: {peaks:?}"
    );
}

#[tokio::test]
async fn a_slow_reader_holds_little_and_disturbs_nobody() {
    const BYTES: u64 = 300 * 1024 * 1024;
    let cluster = Setup::new().start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 2);
    load.more(100).await;
    let (before, resident) = (descriptors(cluster.pid()), resident_kib(cluster.pid()));
    let mut slow = TcpStream::connect(cluster.addr).await.unwrap();
    let request = format!("GET /api/posts/big?{BYTES} HTTP/1.1\r\nHost: x\r\n\r\n");
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 1024 * 1024];
    for _ in 0..8 {
        slow.read_exact(&mut read).await.unwrap();
        load.more(100).await;
    }
    let grown = resident_kib(cluster.pid()).saturating_sub(resident);
    assert!(grown < 16 * 1024, "{grown} KiB for one slow reader");
    drop(slow);
    descriptors_return(&cluster, before).await;
    load.assert_none_failed().await;
}

#[tokio::test]
async fn clients_that_leave_and_targets_that_close_within_an_answer_leave_nothing_behind() {
    // So long that a restart would not end in time if a request still counted as under way.
    let cluster = Setup::new()
        .parameter("users", "DeregistrationDelaySeconds", "300")
        .start()
        .await;
    let load = Load::start(cluster.addr, "/api/users/1", 2);
    load.more(100).await;
    let before = descriptors(cluster.pid());
    for _ in 0..200 {
        let mut leaves = TcpStream::connect(cluster.addr).await.unwrap();
        leaves
            .write_all(b"GET /api/users/big?10000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 1];
        leaves.read_exact(&mut first).await.unwrap();
    }
    for _ in 0..200 {
        let cut = raw(
            cluster.addr,
            b"GET /api/users/half HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        .await;
        assert!(
            cut.is_empty() || (cut.starts_with("HTTP/1.1 200 ") && cut.len() < 1000),
            "{cut}"
        );
        let none = get(cluster.addr, "/api/users/close").await;
        assert_eq!(none.status, 502);
    }
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut waits = TcpStream::connect(cluster.addr).await.unwrap();
        waits
            .write_all(b"GET /api/users/hang HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        waiting.push(waits);
    }
    drop(waiting);
    descriptors_return(&cluster, before).await;
    // No request counts as under way any more, so the old tasks drain at once.
    assert!(cluster.ask(&["restart", "users"]).await.status.success());
    assert!(load.answered.load(Ordering::Relaxed) > 100);
    load.assert_none_failed().await;
}
