//! `local alb`: the load balancer alone, with targets that it did not start.

use std::process::Stdio;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::client::{Load, get};
use crate::support::cluster::{Cluster, Setup};
use crate::support::{kill, text};

/// Starts a stand-in without a cluster. Returns its process and its port.
pub async fn stand_in(setup: &Setup) -> (Child, u16) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_local-stand-in"))
        .args(["--host", "127.0.0.1", "--port", "0", "--db"])
        .arg(setup.root.path().join("services/users/db.json"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line: serde_json::Value =
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        if let Some(addr) = line["addr"].as_str() {
            return (child, addr.rsplit(':').next().unwrap().parse().unwrap());
        }
    }
}

fn alb(setup: &Setup, targets: &[String]) -> Command {
    setup.write_topology();
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command
        .args(["alb", "--port", "0", "--root"])
        .arg(setup.root.path())
        .kill_on_drop(true);
    for target in targets {
        command.args(["--target", target]);
    }
    command
}

#[tokio::test]
async fn it_balances_over_targets_by_name_and_address_and_leaves_out_the_dead() {
    let setup = Setup::new();
    let ((one, first), (other, second)) = (stand_in(&setup).await, stand_in(&setup).await);
    let targets = [
        format!("users=localhost:{first}"),
        format!("users=127.0.0.1:{second}"),
    ];
    let mut cluster = Cluster::start(alb(&setup, &targets), "none".into(), None).await;
    cluster
        .event("users", &format!("healthy     127.0.0.1:{first}"))
        .await;
    cluster
        .event("users", &format!("healthy     127.0.0.1:{second}"))
        .await;
    assert_eq!(get(cluster.addr, "/").await.status, 200);
    assert_eq!(
        get(cluster.addr, "/api/threads").await.status,
        503,
        "no target"
    );
    let pids = [0; 2].map(|_| get(cluster.addr, "/api/users/1"));
    let [one_pid, other_pid] = pids;
    let (one_pid, other_pid) = (one_pid.await.json(), other_pid.await.json());
    assert_ne!(one_pid["pid"], other_pid["pid"]);

    let load = Load::start(cluster.addr, "/api/users/slow?20", 1);
    load.more(5).await;
    load.assert_none_failed().await;
    kill(one.id().unwrap(), Signal::KILL);
    let unhealthy = cluster
        .event("users", &format!("unhealthy   127.0.0.1:{first} "))
        .await;
    assert!(unhealthy.contains("connection refused"), "{unhealthy}");
    for _ in 0..10 {
        assert_eq!(
            get(cluster.addr, "/api/users/1").await.json()["pid"],
            other.id().unwrap()
        );
    }
    assert_eq!(cluster.end(Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn its_health_can_be_asked_for_by_the_program_itself() {
    let setup = Setup::new();
    let mut cluster = Cluster::start(alb(&setup, &[]), "none".into(), None).await;
    let port = cluster.addr.port().to_string();
    let healthcheck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command.args(["healthcheck", "--port", &port]);
        command
    };
    assert!(healthcheck().output().await.unwrap().status.success());
    assert_eq!(cluster.end(Signal::TERM).await, Some(0));
    let output = healthcheck().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("connection refused"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_target_of_no_service_is_refused_and_a_name_without_address_is_said() {
    let setup = Setup::new();
    let output = alb(&setup, &["user=localhost:1".to_owned()])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("--target user=localhost:1: no service \"user\""),
        "{error}"
    );

    let mut cluster = Cluster::start(
        alb(&setup, &["users=nobody.invalid:1".to_owned()]),
        "none".into(),
        None,
    )
    .await;
    cluster
        .event("users", "warning     nobody.invalid:1: ")
        .await;
    assert_eq!(get(cluster.addr, "/api/users").await.status, 503);
}
