//! The cluster with the real services.

use std::process::Stdio;

use rustix::process::Signal;
use tempfile::TempDir;
use testkit::{Connection, Request};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::client::{Load, get};
use crate::support::cluster::Cluster;
use crate::support::{SOON, all_gone, eventually, kill, programs, repository, runs, services};

/// A cluster as `cargo run` starts it, with a socket and a port of its own.
async fn cluster(args: &[&str]) -> (Cluster, TempDir) {
    programs().await;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("local.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .args(["--port", "0", "--socket"])
        .arg(&socket)
        .args(args)
        .kill_on_drop(true);
    (Cluster::start(command, socket, None).await, directory)
}

#[tokio::test]
async fn the_services_answer_through_the_load_balancer_and_the_same_from_every_task() {
    let (cluster, _directory) = cluster(&[]).await;
    for path in [
        "/api/users",
        "/api/users/1",
        "/api/threads",
        "/api/threads/1",
        "/api/posts",
        "/api/posts/1",
        "/api/posts/in-thread/1",
        "/api/posts/by-user/1",
        "/api/posts/summary?thread=1,2,3",
        "/api/users/openapi.json",
    ] {
        let answers = [get(cluster.addr, path).await, get(cluster.addr, path).await];
        let service = path.split('/').nth(2).unwrap();
        for task in cluster.tasks(service).await {
            let direct = get(task.target.unwrap(), path).await;
            for answer in &answers {
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(answer.body, direct.body, "{path}");
                assert_eq!(
                    answer.headers.get("etag"),
                    direct.headers.get("etag"),
                    "{path}"
                );
            }
        }
    }
    let before = get(cluster.addr, "/api/users").await.headers["etag"].clone();
    assert!(cluster.ask(&["restart", "users"]).await.status.success());
    assert_eq!(
        get(cluster.addr, "/api/users").await.headers["etag"],
        before
    );
}

#[tokio::test]
async fn a_restart_of_the_services_under_load_fails_no_request() {
    let (cluster, _directory) = cluster(&[]).await;
    let load = Load::start(cluster.addr, "/api/posts/in-thread/1", 4);
    for service in ["users", "threads", "posts", "posts"] {
        load.more(200).await;
        assert!(cluster.ask(&["restart", service]).await.status.success());
    }
    let crashed = cluster.pids("users").await;
    for &pid in &crashed {
        kill(pid, Signal::KILL);
    }
    load.more(200).await;
    cluster.settled("users", &["healthy", "healthy"]).await;
    load.assert_none_failed().await;
}

#[tokio::test]
async fn every_line_of_a_services_log_is_a_json_object() {
    let (mut cluster, _directory) = cluster(&["--logs", "--count", "threads=1"]).await;
    get(cluster.addr, "/api/threads/1").await;
    get(cluster.addr, "/api/threads/nothing").await;
    eventually("the access is logged", || async {
        cluster
            .output()
            .iter()
            .any(|line| line.contains(" log ") && line.contains("/api/threads/nothing"))
    })
    .await;
    assert_eq!(cluster.end(Signal::TERM).await, Some(0));
    let output = cluster.output();
    let lines: Vec<_> = output
        .iter()
        .filter_map(|line| Some(line.split_once(" log         ")?.1))
        .collect();
    assert!(lines.len() > 10, "{output:?}");
    for line in lines {
        let record: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(
            record["level"].is_string() && record["service"].is_string(),
            "{line}"
        );
    }
}

/// In a process namespace of its own a service is process 1. The kernel drops signals for which
/// process 1 has no handler.
#[tokio::test]
#[ignore = "needs root: makes a process namespace"]
async fn a_service_that_is_process_1_stops_on_sigterm() {
    let users = programs().await.join("users");
    let root = repository();
    let mut unshare = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child"])
        .arg(users)
        .args(["--host", "127.0.0.1", "--port", "0", "--db"])
        .arg(root.join("services/users/db.json"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(unshare.stdout.take().unwrap()).lines();
    let line = timeout(SOON, lines.next_line())
        .await
        .expect("does not listen")
        .unwrap()
        .unwrap();
    assert!(line.contains("listening"), "{line}");
    let children = format!("/proc/{0}/task/{0}/children", unshare.id().unwrap());
    let children = std::fs::read_to_string(children).unwrap();
    let service: u32 = children.trim().parse().expect("one child");
    let status = std::fs::read_to_string(format!("/proc/{service}/status")).unwrap();
    let inside = status
        .lines()
        .find(|line| line.starts_with("NSpid:"))
        .unwrap();
    assert!(inside.ends_with("\t1"), "{inside}");
    kill(service, Signal::TERM);
    let ended = timeout(SOON, unshare.wait())
        .await
        .expect("does not stop")
        .unwrap();
    assert_eq!(ended.code(), Some(0));
    assert!(!runs(service));
}

/// `kill -9` of `cargo run` does the same, because cargo replaces itself by the program that it runs.
#[tokio::test]
async fn services_end_with_a_cluster_that_was_killed() {
    let (mut cluster, _directory) = cluster(&[]).await;
    let pids = cluster.pids("").await;
    assert_eq!(pids.len(), 2 * services().len());
    assert_eq!(cluster.end(Signal::KILL).await, None);
    all_gone(&pids).await;
}

#[tokio::test]
async fn pages_of_a_given_origin_read_what_services_answer_through_the_load_balancer() {
    let origin = "http://localhost:5173";
    let (cluster, _directory) = cluster(&["--cors-origins", origin]).await;
    let mut connection = Connection::open(cluster.addr).unwrap();
    let mut allowed = |method: &str, path: &str| {
        let request = Request::new(method, path)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "GET");
        let response = connection.ask(&request);
        let allowed = response.headers.get("access-control-allow-origin").cloned();
        (
            response.status,
            allowed.is_some_and(|allowed| allowed == origin),
        )
    };
    for service in ["users", "threads", "posts"] {
        let collection = format!("/api/{service}");
        assert_eq!(allowed("GET", &collection), (200, true));
        assert_eq!(allowed("GET", &format!("{collection}/0")), (400, true));
        assert_eq!(allowed("OPTIONS", &collection), (204, true));
    }
    // The load balancer's own answer, as on AWS.
    assert_eq!(allowed("GET", "/api/nothing"), (404, false));
}
