//! Every way the cluster can end.

use std::future::pending;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use local::cluster;
use local::config::Config;
use local::control::socket::{Request, Success, ask};
use local::event::Events;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::client::get;
use crate::support::cluster::Setup;
use crate::support::{SOON, all_gone, eventually, kill, text};

#[tokio::test]
async fn every_way_to_end_it_leaves_no_process_behind() {
    for signal in [
        Signal::INT,
        Signal::TERM,
        Signal::HUP,
        Signal::QUIT,
        Signal::ABORT,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::XCPU,
        Signal::XFSZ,
        Signal::VTALARM,
        Signal::PROF,
    ] {
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

/// SIGKILL cannot be handled, and the others mean a fault in `local` itself.
#[tokio::test]
async fn tasks_end_with_a_cluster_that_ends_without_a_word() {
    for signal in [Signal::KILL, Signal::ILL, Signal::TRAP, Signal::SYS] {
        let mut cluster = Setup::new().start().await;
        let pids = cluster.pids("").await;
        assert_eq!(pids.len(), 6);
        assert_eq!(cluster.end(signal).await, None, "{signal:?}");
        all_gone(&pids).await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_and_half_a_request_is_not_waited_for() {
    let mut cluster = Setup::new().arg("--logs").start().await;
    let addr = cluster.addr;
    let mut half = TcpStream::connect(addr).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: fo").await.unwrap();
    let idle = TcpStream::connect(addr).await.unwrap();
    // Half of the time that a request has to finish.
    let slow = tokio::spawn(async move { get(addr, "/api/users/slow?2500").await });
    cluster.under_way("/api/users/slow").await;
    kill(cluster.pid(), Signal::TERM);
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = timeout(SOON, half.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
    assert!(!slow.is_finished(), "half a request was waited for");
    assert_eq!(slow.await.unwrap().status, 200);
    let status = timeout(SOON, cluster.child.wait()).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(0));
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
    eventually("the first signal has arrived", || async {
        TcpStream::connect(cluster.addr).await.is_err()
    })
    .await;
    let start = Instant::now();
    cluster.end(Signal::INT).await;
    // Without the second signal, `local` would wait five seconds for its tasks.
    assert!(start.elapsed() < Duration::from_secs(4));
    all_gone(&pids).await;
}

/// Runs a cluster in a process that panics: in one of its tasks, or outside of all tasks.
#[tokio::test]
async fn a_panic_leaves_no_process_behind() {
    for place in ["in a task", "outside"] {
        let setup = Setup::new();
        setup.write_topology();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "ends::panicking_cluster", "--nocapture"])
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

/// Not a test: the process that the test above starts. Without that test's environment it does
/// nothing.
#[tokio::test]
async fn panicking_cluster() {
    let Ok(root) = std::env::var("PANICKING_CLUSTER") else {
        return;
    };
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
    // A scheduler sends an event when a task is killed, and so runs this panic.
    let events = Events::new(false, |event| panic!("a panic on purpose, at {event}"));
    let table = Notify::new();
    let print = |text: String| {
        println!("{}", anstream::adapter::strip_str(&text));
        if text.contains("cloud only") {
            table.notify_one();
        }
    };
    let panic = async {
        table.notified().await;
        assert!(!outside, "a panic on purpose");
        let socket = Path::new(&root).join("target/local.sock");
        let Success::Status(status) = ask(&socket, &Request::Status).await.unwrap() else {
            unreachable!("a status was asked for");
        };
        kill(status.services[0].tasks[0].pid.unwrap(), Signal::KILL);
        pending::<()>().await;
    };
    tokio::select! {
        result = cluster::run(config.cluster, events, print) => unreachable!("{result:?}"),
        () = panic => unreachable!("it waits"),
    }
}
