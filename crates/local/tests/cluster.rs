//! The cluster as a developer sees it: the program, its tasks as processes, requests over TCP.

mod support;

use std::time::{Duration, Instant};

use clap::Parser;
use local::cluster;
use local::config::Config;
use local::event::Events;
use rustix::process::Signal;
use support::{Cluster, Load, SOON, Setup, all_gone, eventually, get, kill, raw, runs};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn it_shows_a_table_and_routes_by_rule() {
    let cluster = Setup::new().start().await;
    let lines = cluster.output();
    assert!(
        lines
            .iter()
            .all(|line| line.chars().count() <= 80 && !line.contains('\x1b')),
        "{lines:?}"
    );
    let row = |start: &str| {
        lines
            .iter()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{start}"))
    };
    assert!(
        row("10      /api/users ").contains("127.0.0.1:"),
        "{lines:?}"
    );
    assert!(row("10      /api/users ").contains("healthy"), "{lines:?}");
    assert!(row("default *").contains("fixed 404"), "{lines:?}");
    assert!(
        row("cloud only: ContainerPort 3000").contains("Memory 64"),
        "{lines:?}"
    );

    for (path, status, body) in [
        ("/", 200, "Ready to receive requests"),
        ("/api", 200, "API ready to receive requests"),
        ("/api/", 200, "API ready to receive requests"),
    ] {
        let answer = get(cluster.addr, path).await;
        assert_eq!(
            (answer.status, text(&answer.body)),
            (status, body.to_owned()),
            "{path}"
        );
        assert_eq!(answer.headers["content-type"], "text/plain");
    }
    let nothing = get(cluster.addr, "/api/usersX").await;
    assert_eq!(
        (nothing.status, &nothing.headers["content-type"]),
        (404, &"application/json".parse().unwrap())
    );
    assert_eq!(nothing.json()["type"], "urn:forum:problem:not-found");

    for service in ["users", "threads", "posts"] {
        let pids = cluster.pids(service).await;
        assert_eq!(pids.len(), 2);
        let mut answers = Vec::new();
        for _ in 0..4 {
            let answer = get(cluster.addr, &format!("/api/{service}/1?q"))
                .await
                .json();
            assert_eq!(answer["line"], format!("GET /api/{service}/1?q HTTP/1.1"));
            answers.push(u32::try_from(answer["pid"].as_u64().unwrap()).unwrap());
        }
        assert!(
            pids.iter()
                .all(|pid| answers.iter().filter(|a| *a == pid).count() == 2),
            "turns: {answers:?}"
        );
    }
}

#[tokio::test]
async fn every_way_to_end_it_leaves_no_process_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut cluster = Setup::new().start().await;
        let pids = cluster.pids("").await;
        assert_eq!(pids.len(), 6);
        assert_eq!(cluster.end(signal).await, Some(0), "{signal:?}");
        all_gone(&pids).await;
        assert!(!cluster.socket.exists(), "{signal:?}");
        let output = cluster.output().join("\n");
        assert_eq!(
            output.matches("stopped     exit code 0").count(),
            6,
            "{output}"
        );
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
            .args(["--ignored", "--exact", "panicking_cluster", "--nocapture"])
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
    // Asked without pause until they are well again.
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
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    cluster.settled("users", &["healthy", "healthy"]).await;
    threads.more(100).await;
    posts.more(100).await;
    for load in [threads, posts] {
        let (answered, failures) = load.stop().await;
        assert!(
            failures.is_empty(),
            "{} of {answered}: {failures:?}",
            failures.len()
        );
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
async fn a_restart_under_load_fails_no_request() {
    let cluster = Setup::new().start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 8);
    load.more(100).await;
    let mut restarts = 0;
    while load.answered.load(std::sync::atomic::Ordering::Relaxed) < 20_000 {
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
    let (answered, failures) = load.stop().await;
    println!("{restarts} restarts under {answered} requests");
    assert!(
        failures.is_empty(),
        "{} of {answered}: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
}

#[tokio::test]
async fn scaling_under_load_fails_no_request() {
    let cluster = Setup::new().arg("--count").arg("users=1").start().await;
    let load = Load::start(cluster.addr, "/api/users/1", 8);
    while load.answered.load(std::sync::atomic::Ordering::Relaxed) < 20_000 {
        for count in [4, 1] {
            let output = cluster.ask(&["scale", &format!("users={count}")]).await;
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert_eq!(cluster.tasks("users").await.len(), count);
            load.more(500).await;
        }
    }
    let (answered, failures) = load.stop().await;
    assert!(
        failures.is_empty(),
        "{} of {answered}: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
}

#[tokio::test]
async fn a_task_that_hangs_leaves_rotation_and_is_replaced() {
    // Longer than the idle timeout of 60 s, so that the request under way meets that one.
    let delay = "70";
    let mut cluster = Setup::new()
        .parameter("users", "DeregistrationDelaySeconds", delay)
        .start()
        .await;
    let addr = cluster.addr;
    let stopped = cluster.tasks("users").await[0].clone();
    kill(stopped.pid.unwrap(), Signal::STOP);
    let start = Instant::now();
    // Two requests: one of them is for the task that hangs.
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
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    cluster.event("users/3", "healthy").await;
    cluster.event("users/1", "draining").await;
    for _ in 0..10 {
        let asked = Instant::now();
        assert_eq!(get(addr, "/api/users/1").await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(2));
    }
    let mut statuses = Vec::new();
    for request in both {
        let (status, elapsed) = request.await.unwrap();
        statuses.push(status);
        if status == 504 {
            assert!((59..64).contains(&elapsed.as_secs()), "{elapsed:?}");
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 504]);
    // SIGTERM means nothing to it. The cluster does not wait for it when it ends.
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
    // What was mended is taken up.
    std::fs::write(
        cluster
            .root
            .as_ref()
            .unwrap()
            .path()
            .join("services/posts/db.json"),
        "{}",
    )
    .unwrap();
    cluster.settled("posts", &["healthy", "healthy"]).await;
    assert_eq!(get(cluster.addr, "/api/posts").await.status, 200);
}

#[tokio::test]
async fn a_restart_that_fails_keeps_the_old_tasks_and_says_why() {
    let cluster = Setup::new().start().await;
    let old = cluster.pids("users").await;
    let db = cluster
        .root
        .as_ref()
        .unwrap()
        .path()
        .join("services/users/db.json");
    std::fs::write(&db, r#"{"fail": "no such table"}"#).unwrap();
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
async fn when_all_targets_are_unhealthy_they_all_get_requests() {
    let setup = Setup::new().parameter("users", "DesiredCount", "1");
    let mut cluster = setup.start().await;
    // The replacement must not save the day.
    let db = cluster
        .root
        .as_ref()
        .unwrap()
        .path()
        .join("services/users/db.json");
    std::fs::write(&db, r#"{"ready": 503}"#).unwrap();
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

#[tokio::test]
async fn tasks_know_nothing_of_the_shell() {
    let cluster = Setup::new().start().await;
    let answer = get(cluster.addr, "/api/users/1").await.json();
    assert_eq!(answer["writable"], false);
    let environment = answer["environment"].as_array().unwrap();
    let known = ["RUST_LOG", "RUST_BACKTRACE"];
    assert!(
        environment
            .iter()
            .all(|name| known.contains(&name.as_str().unwrap())),
        "{environment:?}"
    );
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
async fn warnings_are_shown_and_other_lines_only_when_asked_for() {
    let mut cluster = Setup::new().start().await;
    get(cluster.addr, "/api/users/warn?12").await;
    get(cluster.addr, "/api/users/complain").await;
    cluster
        .event("users/1", "warning     the disk is slow waited_ms=12")
        .await;
    cluster.event("users/2", "warning     something odd").await;
    let output = cluster.output().join("\n");
    assert!(
        !output.contains("access") && !output.contains("starting\""),
        "{output}"
    );

    let mut cluster = Setup::new().arg("--logs").start().await;
    get(cluster.addr, "/api/users/1?secret=1").await;
    let access = cluster
        .event("alb", "access      GET /api/users/1 200 127.0.0.1:")
        .await;
    assert!(!access.contains("secret"), "{access}");
    cluster
        .event(
            "users/1",
            r#"log         {"level":"INFO","message":"starting"}"#,
        )
        .await;
    raw(
        cluster.addr,
        b"GET /api/users/half HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .await;
    cluster
        .event("alb", "access      GET /api/users/half 200 cut off")
        .await;
    {
        use tokio::io::AsyncWriteExt;
        let mut leaves = tokio::net::TcpStream::connect(cluster.addr).await.unwrap();
        leaves
            .write_all(b"GET /api/users/hang HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    cluster
        .event("alb", "access      GET /api/users/hang 460")
        .await;
}

#[expect(clippy::unwrap_used, reason = "a test fails loudly")]
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
            "RulePriority 20 belongs to",
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
    // Nobody can clean up after SIGKILL: the tasks stay, and so does the socket.
    for &pid in &pids {
        kill(pid, Signal::KILL);
    }
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
    // Either this test has port 80, or nobody without privileges can have it.
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
            .any(|line| line.starts_with("port 80 ") && line.ends_with(": this is 8080"))
    })
    .await;
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
