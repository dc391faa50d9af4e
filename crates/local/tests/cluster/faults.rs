//! Tasks that crash, hang, do not start, or fail their health checks.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::client::{Load, get};
use crate::support::cluster::Setup;
use crate::support::{SOON, all_gone, eventually, kill, runs, text};

#[tokio::test]
async fn a_crash_stays_in_one_service_and_heals() {
    let mut cluster = Setup::new().start().await;
    let threads = Load::start(cluster.addr, "/api/threads/1", 4);
    let posts = Load::start(cluster.addr, "/api/posts/1", 4);
    threads.more(100).await;
    let crashed = cluster.pids("users").await;
    for &pid in &crashed {
        kill(pid, Signal::KILL);
    }
    // Asks without a pause until a new task answers.
    let (mut slowest, mut refused, start) = (Duration::ZERO, 0, Instant::now());
    loop {
        let asked = Instant::now();
        let answer = get(cluster.addr, "/api/users/1").await;
        slowest = slowest.max(asked.elapsed());
        match answer.status {
            200 if !crashed
                .contains(&u32::try_from(answer.json()["pid"].as_u64().unwrap()).unwrap()) =>
            {
                break;
            }
            502 | 503 => refused += 1,
            other => panic!("{other}"),
        }
        assert!(start.elapsed() < SOON);
    }
    assert!(refused > 0);
    // Far below the connect timeout of ten seconds.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    cluster.settled("users", &["healthy", "healthy"]).await;
    threads.more(100).await;
    posts.more(100).await;
    for load in [threads, posts] {
        load.assert_none_failed().await;
    }
    for task in ["users/1", "users/2"] {
        assert!(
            cluster
                .event(task, "stopped")
                .await
                .contains("killed by SIGKILL")
        );
    }
    assert!(
        cluster
            .event("users/3", "restarted")
            .await
            .contains("in place of users/")
    );
}

#[tokio::test]
async fn a_task_that_hangs_leaves_rotation_and_is_replaced() {
    // Longer than the idle timeout of 60 s, so that the idle timeout ends the request under way.
    let delay = "70";
    let mut cluster = Setup::new()
        .parameter("users", "DeregistrationDelaySeconds", delay)
        .start()
        .await;
    let addr = cluster.addr;
    let stopped = cluster.tasks("users").await[0].clone();
    kill(stopped.pid.unwrap(), Signal::STOP);
    // Of two requests in turn, one goes to the task that hangs.
    let both = [0, 1].map(|_| {
        tokio::spawn(async move {
            let start = Instant::now();
            (get(addr, "/api/users/1").await.status, start.elapsed())
        })
    });
    let unhealthy = cluster.event("users/1", "unhealthy").await;
    assert!(
        unhealthy.contains("health check took over 2 s"),
        "{unhealthy}"
    );
    cluster.event("users/3", "healthy").await;
    cluster.event("users/1", "draining").await;
    // The task that hangs would not answer.
    for _ in 0..10 {
        assert_eq!(get(addr, "/api/users/1").await.status, 200);
    }
    assert!(
        both.iter().any(|request| !request.is_finished()),
        "replaced before the request that hangs was given up"
    );
    let mut statuses = Vec::new();
    for request in both {
        let (status, elapsed) = request.await.unwrap();
        statuses.push(status);
        if status == 504 {
            assert!(elapsed.as_secs() >= 59, "{elapsed:?}");
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504]);
    // A paused process cannot handle SIGTERM. The cluster kills it at its own end.
    assert!(runs(stopped.pid.unwrap()));
    cluster.end(Signal::TERM).await;
    all_gone(&[stopped.pid.unwrap()]).await;
}

#[tokio::test]
async fn a_task_that_cannot_start_backs_off_and_says_why() {
    let setup = Setup::new().db(
        "posts",
        r#"{"fail": "posts/db.json:3:7: expected a string"}"#,
    );
    let mut cluster = setup.start().await;
    assert_eq!(
        get(cluster.addr, "/api/users").await.status,
        200,
        "the others serve"
    );
    assert_eq!(get(cluster.addr, "/api/posts").await.status, 503);
    let stopped = cluster.event("posts/1", "stopped").await;
    assert!(
        stopped.contains("exit code 1: Error: posts/db.json:3:7: expected a string"),
        "{stopped}"
    );
    cluster
        .event(
            "posts",
            "backing off 3 starts in a row did not last, next in 4 s",
        )
        .await;
    eventually("the table says so", || async {
        let output = cluster.ask(&["status"]).await;
        text(&output.stdout).contains("starts did not last, next in ")
    })
    .await;
    // The next start reads the repaired file.
    cluster.write_db("posts", "{}");
    cluster.settled("posts", &["healthy", "healthy"]).await;
    assert_eq!(get(cluster.addr, "/api/posts").await.status, 200);
}

#[tokio::test]
async fn when_all_targets_are_unhealthy_they_all_get_requests() {
    let setup = Setup::new().parameter("users", "DesiredCount", "1");
    let mut cluster = setup.start().await;
    // The replacement is unhealthy, too.
    cluster.write_db("users", r#"{"ready": 503}"#);
    assert_eq!(get(cluster.addr, "/api/users/ready?503").await.status, 200);
    let unhealthy = cluster.event("users/1", "unhealthy").await;
    assert!(
        unhealthy.contains("health check answered 503"),
        "{unhealthy}"
    );
    for _ in 0..10 {
        assert_eq!(get(cluster.addr, "/api/users/1").await.status, 200);
    }
}

#[tokio::test]
async fn a_service_without_targets_is_unavailable() {
    let cluster = Setup::new()
        .parameter("users", "DesiredCount", "0")
        .start()
        .await;
    let answer = get(cluster.addr, "/api/users").await;
    assert_eq!(
        (answer.status, &answer.headers["server"]),
        (503, &"local-alb".parse().unwrap())
    );
    assert!(text(&answer.body).contains("503 Service Unavailable"));
    assert!(cluster.ask(&["scale", "users=1"]).await.status.success());
    assert_eq!(get(cluster.addr, "/api/users").await.status, 200);
}
