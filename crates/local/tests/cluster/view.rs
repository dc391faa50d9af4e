//! What the cluster shows: the table, the routes, the logs.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::client::{get, raw};
use crate::support::cluster::Setup;
use crate::support::{eventually, text};

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
async fn warnings_are_shown_and_other_lines_only_when_asked_for() {
    let cluster = Setup::new().start().await;
    get(cluster.addr, "/api/users/warn?12").await;
    get(cluster.addr, "/api/users/complain").await;
    eventually("both are shown", || async {
        let output = cluster.output().join("\n");
        output.contains(" warning     the disk is slow waited_ms=12")
            && output.contains(" warning     something odd")
    })
    .await;
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
        let mut leaves = TcpStream::connect(cluster.addr).await.unwrap();
        leaves
            .write_all(b"GET /api/users/hang HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        cluster.under_way("/api/users/hang").await;
    }
    cluster
        .event("alb", "access      GET /api/users/hang 460")
        .await;
}
