//! Every way the cluster can end.

use std::time::{Duration, Instant};

use clap::Parser;
use local::cluster;
use local::config::Config;
use local::event::Events;
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::client::{get, raw};
use crate::support::cluster::Setup;
use crate::support::{SOON, all_gone, eventually, kill, text};

#[tokio::test]
async fn every_way_to_end_it_leaves_no_process_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut cluster = Setup::new().start().await;
        let pids = cluster.pids("").await;
        assert_eq!(pids.len(), 6);
        assert_eq!(cluster.end(signal).await, Some(0), "{signal:?}");
        all_gone(&pids).await;
        assert!(!cluster.socket.exists(), "{signal:?}");
        eventually("each task's end is shown", || async {
            cluster
                .output()
                .join("\n")
                .matches("stopped     exit code 0")
                .count()
                == 6
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_half_a_request_is_not_waited_for() {
    let mut cluster = Setup::new().start().await;
    let addr = cluster.addr;
    let slow = tokio::spawn(async move { get(addr, "/api/users/slow?1000").await });
    let half = tokio::spawn(async move { raw(addr, b"GET / HTTP/1.1\r\nHost: fo").await });
    let idle = tokio::net::TcpStream::connect(addr).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    assert_eq!(cluster.end(Signal::TERM).await, Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(half.await.unwrap(), "");
    drop(idle);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_its_tasks() {
    let mut cluster = Setup::new().start().await;
    let pids = cluster.pids("").await;
    for &pid in &pids {
        kill(pid, Signal::STOP);
    }
    kill(cluster.pid(), Signal::INT);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    cluster.end(Signal::INT).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    all_gone(&pids).await;
}

/// Runs a cluster in a process of its own that panics: in a task, or where `local` begins.
#[tokio::test]
async fn a_panic_leaves_no_process_behind() {
    for (place, script) in [
        ("in a task", r#"{"crash_after_ms": 4000}"#),
        ("outside", "{}"),
    ] {
        let setup = Setup::new().db("posts", script);
        // Writes the topology.
        drop(setup.command());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--ignored",
                "--exact",
                "ends::panicking_cluster",
                "--nocapture",
            ])
            .env("PANICKING_CLUSTER", setup.root.path())
            .env("PANIC", place)
            .kill_on_drop(true);
        let output = timeout(SOON, command.output())
            .await
            .expect("goes on after a panic")
            .unwrap();
        assert!(!output.status.success());
        let output = text(&output.stdout) + &text(&output.stderr);
        assert!(output.contains("a panic on purpose"), "{output}");
        let pids: Vec<u32> = output
            .lines()
            .filter_map(|line| line.split_once(" healthy ")?.1.trim().parse().ok())
            .collect();
        assert_eq!(pids.len(), 6, "{output}");
        all_gone(&pids).await;
    }
}

#[tokio::test]
#[ignore = "is the process that panics in another test"]
async fn panicking_cluster() {
    let root = std::env::var("PANICKING_CLUSTER").unwrap();
    let outside = std::env::var("PANIC").unwrap() == "outside";
    let args = [
        "local",
        "--root",
        &root,
        "--bin-dir",
        &format!("{root}/bin"),
        "--port",
        "0",
    ];
    let config = Config::parse_from(args);
    // A task that crashes is an event, which a scheduler sends.
    let events = Events::new(false, |event| panic!("a panic on purpose, at {event}"));
    let table = Notify::new();
    let print = |text: String| {
        println!("{}", anstream::adapter::strip_str(&text));
        if text.contains("cloud only") {
            table.notify_one();
        }
    };
    tokio::select! {
        result = cluster::run(config.cluster, events, print) => unreachable!("{result:?}"),
        () = table.notified(), if outside => panic!("a panic on purpose"),
    }
}
