//! Health: while starting, and for containers.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    sync::mpsc,
    thread,
};

use rustix::{
    fs::{CWD, Mode, mkfifoat},
    net::{AddressFamily, SocketType},
};
use testkit::{Binary, Signal};

use crate::{service, with_users};

/// The service on a `db.json` whose reader waits until the test writes.
fn with_slow_file() -> Binary {
    let service = service();
    mkfifoat(CWD, service.db_path(), Mode::RUSR | Mode::WUSR).unwrap();
    service
}

#[test]
fn while_the_collection_is_loaded_it_is_alive_and_not_ready() {
    let service = with_slow_file();
    let task = service.start_unready();
    assert_eq!(task.get("/health/live").status, 200);
    let ready = task.get("/health/ready");
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (503, &"starting".into())
    );
    let list = task.get("/api/users");
    assert_eq!(list.status, 503);
    assert_eq!(list.header("retry-after"), "1");

    // The pipe opens once the service has opened it. The service reads a file again that changes
    // while it is read.
    let mut db = OpenOptions::new()
        .write(true)
        .open(service.db_path())
        .unwrap();
    let mended = service.dir().join("mended.json");
    fs::write(&mended, b"{\"users\": []}").unwrap();
    fs::rename(mended, service.db_path()).unwrap();
    db.write_all(b"{\"users\": []}").unwrap();
    drop(db);
    task.logged("ready");
    assert_eq!(task.get("/health/ready").status, 200);
    assert_eq!(task.get("/api/users").text(), "[]");
}

#[test]
fn it_can_be_stopped_while_the_collection_is_loaded() {
    let service = with_slow_file();
    for signal in [Signal::TERM, Signal::INT] {
        let task = service.start_unready();
        task.signal(signal);
        assert!(task.wait().status.success());
    }
}

#[test]
fn healthcheck_asks_the_running_service() {
    let slow = with_slow_file();
    for task in [with_users(1).start(), slow.start_unready()] {
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
}

#[test]
fn healthcheck_fails_when_nobody_listens() {
    // Bound so that nobody else gets the port, but not listening.
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
                // Silent until the client has given up.
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
