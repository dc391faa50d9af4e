//! Restarts and scaling, read-only and writable.

use std::sync::atomic::Ordering;

use crate::support::client::{Load, get};
use crate::support::cluster::Setup;
use crate::support::{eventually, runs, text};

#[tokio::test]
async fn a_restart_under_load_fails_no_request() {
    let cluster = Setup::new().start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 8);
    load.more(100).await;
    let mut restarts = 0;
    while load.answered.load(Ordering::Relaxed) < 20_000 {
        let old = cluster.pids("users").await;
        let output = cluster.ask(&["restart", "users"]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout).starts_with("users: 2 tasks healthy after "),
            "{}",
            text(&output.stdout)
        );
        assert!(old.iter().all(|&pid| !runs(pid)));
        restarts += 1;
    }
    let answered = load.assert_none_failed().await;
    println!("{restarts} restarts under {answered} requests");
}

#[tokio::test]
async fn scaling_under_load_fails_no_request() {
    let cluster = Setup::new().arg("--count").arg("users=1").start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 8);
    while load.answered.load(Ordering::Relaxed) < 20_000 {
        for count in [4, 1] {
            let output = cluster.ask(&["scale", &format!("users={count}")]).await;
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert_eq!(cluster.tasks("users").await.len(), count);
            load.more(500).await;
        }
    }
    load.assert_none_failed().await;
}

#[tokio::test]
async fn a_restart_that_fails_keeps_the_old_tasks_and_says_why() {
    let cluster = Setup::new().start().await;
    let old = cluster.pids("users").await;
    cluster.write_db("users", r#"{"fail": "no such table"}"#);
    let output = cluster.ask(&["restart", "users"]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(
        error.contains("failed to start, and is tried again: exit code 1: Error: no such table"),
        "{error}"
    );
    assert!(old.iter().all(|&pid| runs(pid)));
    assert_eq!(get(cluster.addr, "/api/users").await.status, 200);
}

#[tokio::test]
async fn a_writable_service_has_one_task_a_token_and_a_copy_of_its_data() {
    let setup = Setup::new().arg("--writable").db("users", r#"{"seed": 1}"#);
    let mut cluster = setup.start().await;
    eventually("the tokens are shown", || async {
        cluster
            .output()
            .iter()
            .any(|line| line.starts_with("curl "))
    })
    .await;
    let output = cluster.output();
    let token = output
        .iter()
        .find_map(|line| line.strip_prefix("export USERS_TOKEN="))
        .expect("a token");
    assert_eq!(token.len(), 32);
    assert!(
        output.iter().all(|line| line.chars().count() <= 80),
        "{output:?}"
    );
    let curl = output
        .iter()
        .find(|line| line.starts_with("curl "))
        .unwrap();
    assert!(curl.contains("/api/users/1 "), "{curl}");
    assert_eq!(
        get(cluster.addr, "/api/users/1").await.json()["writable"],
        true
    );
    let root = cluster.root.as_ref().unwrap().path().to_owned();
    assert_eq!(
        std::fs::read_to_string(root.join("data/users/db.json")).unwrap(),
        r#"{"seed": 1}"#
    );

    let refused = cluster.ask(&["scale", "users=2"]).await;
    assert!(
        text(&refused.stderr).contains("a writable service has one task"),
        "{refused:?}"
    );
    assert!(cluster.ask(&["restart", "users"]).await.status.success());
    cluster.event("users/1", "stopped").await;
    cluster.event("users/2", "healthy").await;
    let lines = cluster.output();
    let at = |event: &str| lines.iter().position(|line| line.contains(event)).unwrap();
    assert!(
        at("users/1    stopped") < at("users/2    started"),
        "{lines:?}"
    );
    let told = lines.iter().filter(|line| line.contains(token)).count();
    assert_eq!(told, 1, "{lines:?}");
}

#[tokio::test]
async fn commands_name_what_they_do_not_know() {
    let cluster = Setup::new().start().await;
    for args in [["restart", "user"], ["scale", "user=1"]] {
        let output = cluster.ask(&args).await;
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(
            error.contains("no service \"user\" in the topology, only users, threads, posts"),
            "{error}"
        );
    }
    let status = text(&cluster.ask(&["status"]).await.stdout);
    assert!(
        status.starts_with("http://localhost:") && !status.contains('\x1b'),
        "{status}"
    );
}
