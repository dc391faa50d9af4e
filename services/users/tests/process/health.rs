//! Health: while starting, and for containers.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    sync::mpsc,
    thread,
};

use rustix::net::{AddressFamily, SocketType};
use testkit::{Binary, Signal, Task, Tracer};

use crate::{service, with_users};

/// The service without users, whose `db.json` cannot be opened until its strace is gone.
fn with_slow_file() -> Binary {
    let inject = "inject=openat:delay_enter=600s";
    let arguments = ["-P", "db.json", "-e", "trace=openat", "-e", inject];
    Tracer::binary(&arguments, env!("CARGO_BIN_EXE_users")).db(r#"{"users": []}"#)
}

#[test]
#[ignore = "needs strace: makes the load hang"]
fn while_the_collection_is_loaded_it_is_alive_and_not_ready() {
    let task = with_slow_file().start_unready();
    let tracer = Tracer::of(&task);
    assert_eq!(task.get("/health/live").status, 200);
    let ready = task.get("/health/ready");
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (503, &"starting".into())
    );
    let list = task.get("/api/users");
    assert_eq!(list.status, 503);
    assert_eq!(list.header("retry-after"), "1");
    drop(tracer);
    task.logged("ready");
    assert_eq!(task.get("/health/ready").status, 200);
    assert_eq!(task.get("/api/users").text(), "[]");
}

#[test]
#[ignore = "needs strace: makes the load hang"]
fn it_can_be_stopped_while_the_collection_is_loaded() {
    for signal in [Signal::TERM, Signal::INT] {
        let task = with_slow_file().start_unready();
        let tracer = Tracer::of(&task);
        task.signal(signal);
        task.logged("draining");
        drop(tracer);
        assert!(task.wait().status.success());
    }
}

/// Checks the health of a running service in all ways to ask for it.
fn check_health(task: &Task) {
    let port = task.addr().port().to_string();
    for check in [
        service().arg("healthcheck").env("PORT", &port),
        service().arg("healthcheck").arg("--port").arg(&port),
        service().arg("--port").arg(&port).arg("healthcheck"),
        service()
            .arg("healthcheck")
            .env("PORT", &port)
            .env("HOST", "0.0.0.0"),
    ] {
        let ended = check.run();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_eq!((ended.stdout.len(), &*ended.stderr), (0, ""));
    }
}

#[test]
fn healthcheck_asks_the_running_service() {
    check_health(&with_users(1).start());
}

#[test]
#[ignore = "needs strace: makes the load hang"]
fn healthcheck_passes_while_the_collection_is_loaded() {
    let task = with_slow_file().start_unready();
    let _tracer = Tracer::of(&task);
    check_health(&task);
}

#[test]
fn healthcheck_fails_when_nobody_listens() {
    // Bound, so that no other process gets the port, but not listening.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr: SocketAddr = rustix::net::getsockname(&socket)
        .unwrap()
        .try_into()
        .unwrap();
    let ended = service()
        .arg("healthcheck")
        .env("PORT", addr.port().to_string())
        .run();
    assert_eq!(ended.status.code(), Some(1));
    let expected = format!("users: no answer from {addr}: Connection refused");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
}

#[test]
fn healthcheck_fails_when_the_answer_is_another_or_none() {
    for (answer, expected) in [
        (
            Some("HTTP/1.1 500 Internal Server Error\r\n\r\n"),
            "answered \"HTTP/1.1 500 Internal Server Error\"",
        ),
        (Some("SSH-2.0-OpenSSH\r\n"), "answered \"SSH-2.0-OpenSSH\""),
        (Some(""), "answered \"\""),
        (None, "no answer from"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (asked, done) = mpsc::channel::<()>();
        let answering = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
            assert!(lines.any(|line| line.is_empty()), "the end of the head");
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Sends nothing until the client gives up.
                None => assert!(done.recv().is_err()),
            }
        });
        let ended = service()
            .arg("healthcheck")
            .env("PORT", addr.port().to_string())
            .run();
        drop(asked);
        answering.join().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}
