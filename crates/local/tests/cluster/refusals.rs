//! Starts that are refused, and the port that is used when port 80 is taken.

use rustix::process::Signal;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::cluster::{Cluster, Setup};
use crate::support::{SOON, all_gone, eventually, text};

async fn refused(mut command: Command) -> String {
    let output = timeout(SOON, command.output())
        .await
        .expect("starts all the same")
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = text(&output.stderr);
    assert!(error.lines().count() <= 2, "{error}");
    error
}

#[tokio::test]
async fn what_cannot_work_is_refused_by_name() {
    for (setup, message) in [
        (
            Setup::new().parameter("users", "Colour", "red"),
            "users.json: Colour: unknown parameter",
        ),
        (
            Setup::new().parameter("users", "RulePriority", "20"),
            "RulePriority 20 belongs to threads and to users: each rule needs its own",
        ),
        (
            Setup::new().parameter("users", "DesiredCount", "two"),
            "users.json: DesiredCount: expected a whole number",
        ),
        (
            Setup::new().arg("--count").arg("user=3"),
            "no service \"user\" in the topology, only users, threads, posts",
        ),
        (
            Setup::new().arg("--count").arg("users=3").arg("--writable"),
            "exclude each other",
        ),
    ] {
        let error = refused(setup.command()).await;
        assert!(
            error.starts_with("local: ") && error.contains(message),
            "{message}\n  in: {error}"
        );
    }
    let setup = Setup::new();
    std::fs::remove_file(setup.root.path().join("bin/posts")).unwrap();
    let error = refused(setup.command()).await;
    assert!(
        error.contains("bin/posts: build it with `cargo build -p posts`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_cluster_on_one_socket_is_refused_and_a_dead_one_is_replaced() {
    let mut cluster = Setup::new().start().await;
    let second = Setup::new()
        .arg("--socket")
        .arg(cluster.socket.to_str().unwrap());
    let mut command = second.command();
    command.args(["--port", "0"]);
    let error = refused(command).await;
    assert!(error.contains("a cluster is running already"), "{error}");

    let pids = cluster.pids("").await;
    cluster.end(Signal::KILL).await;
    // The tasks end. The socket's file stays, because nobody is left to remove it.
    all_gone(&pids).await;
    assert!(cluster.socket.exists());
    let error = text(&cluster.ask(&["status"]).await.stderr);
    assert!(
        error.contains("no cluster is running here") && error.contains("cargo run"),
        "{error}"
    );
    let again = second.arg("--port").arg("0");
    let command = again.command();
    Cluster::start(command, cluster.socket.clone(), None).await;
}

#[tokio::test]
async fn without_port_80_it_takes_8080_and_says_why() {
    // When this fails, port 80 is taken already or needs privileges.
    let _taken = std::net::TcpListener::bind("127.0.0.1:80");
    let setup = Setup::new();
    let mut command = setup.command();
    if std::net::TcpListener::bind("127.0.0.1:8080").is_err() {
        let error = refused(command).await;
        assert!(
            error.contains("port 80 ") && error.contains("choose a --port"),
            "{error}"
        );
        return;
    }
    command.stdout(std::process::Stdio::piped());
    let cluster = Cluster::start(command, setup.root.path().join("target/local.sock"), None).await;
    assert_eq!(cluster.addr.port(), 8080);
    eventually("the note is there", || async {
        cluster
            .output()
            .iter()
            .any(|line| line.starts_with("port 80 ") && line.ends_with(": using 8080"))
    })
    .await;
}
