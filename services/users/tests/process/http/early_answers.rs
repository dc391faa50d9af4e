//! Answers that are sent before the body of their request was read.

use std::{
    io::{ErrorKind, Write},
    process::Command,
    thread,
};

use testkit::{Connection, Request, Task};

use crate::with_users;

const TOKEN: &str = "early-0123456789abcdef";

/// Bytes of a body that is far too long.
const LONG: usize = 8 * 1024 * 1024;

fn writable() -> Task {
    with_users(0).env("WRITE_TOKEN", TOKEN).start()
}

fn authorized(request: Request) -> Request {
    request.header("Authorization", format!("Bearer {TOKEN}"))
}

/// Requests that are answered before their body is read, with the status.
fn refused(body: &[u8]) -> Vec<(u16, Request)> {
    let json = |method, target| Request::new(method, target);
    let refused = vec![
        (401, json("POST", "/api/users")),
        (
            401,
            json("PUT", "/api/users/1").header("Authorization", "Bearer another"),
        ),
        (405, json("PUT", "/api/users")),
        (404, json("POST", "/nothing/here")),
    ];
    let with_body =
        |(status, request): (u16, Request)| (status, request.body("application/json", body));
    refused.into_iter().map(with_body).collect()
}

#[test]
fn a_client_that_sends_a_long_body_gets_to_read_the_early_answer() {
    let task = writable();
    let body = vec![b'x'; LONG];
    let mut requests = refused(&body);
    let too_long = authorized(Request::new("POST", "/api/users"));
    requests.push((413, too_long.body("application/json", &body[..])));
    for (status, request) in requests {
        for _ in 0..12 {
            let mut connection = task.connect();
            // The client sends the whole body before it reads the answer.
            connection.send(&request.to_bytes());
            let response = connection.response("POST");
            assert_eq!(response.status, status);
            assert_eq!(response.header("connection"), "close");
            connection.wait_closed();
        }
    }
}

#[test]
fn a_short_rest_is_dropped_and_the_connection_kept() {
    let task = writable();
    for (status, request) in refused(&vec![b'x'; 60 * 1024]) {
        let mut connection = task.connect();
        for _ in 0..3 {
            let bytes = request.to_bytes();
            // The answer does not wait for the rest of the body.
            let (begin, rest) = bytes.split_at(bytes.len() - 50 * 1024);
            connection.send(begin);
            let response = connection.response("POST");
            assert_eq!(response.status, status);
            assert!(response.headers.get("connection").is_none());
            connection.send(rest);
            assert_eq!(connection.get("/api/users").text(), "[]");
        }
    }
}

#[test]
fn a_body_of_unknown_length_that_is_refused_ends_the_connection() {
    let task = writable();
    let request = Request::new("POST", "/api/users").header("Transfer-Encoding", "chunked");
    let mut connection = task.connect();
    connection.send(&request.to_bytes());
    connection.send(b"10000\r\n");
    connection.send(&vec![b'x'; 0x10000]);
    let response = connection.response("POST");
    assert_eq!(response.status, 401);
    assert_eq!(response.header("connection"), "close");
    connection.send(b"\r\n0\r\n\r\n");
    connection.wait_closed();
}

#[test]
fn who_waits_for_word_to_send_a_body_that_is_refused_gets_the_answer_alone() {
    let task = writable();
    let expecting = |request: Request| {
        request
            .header("Expect", "100-continue")
            .header("Content-Length", 20)
    };
    let mut connection = task.connect();
    connection.send(&expecting(Request::new("POST", "/api/users")).to_bytes());
    let response = connection.response("POST");
    assert_eq!(response.status, 401);
    assert_eq!(response.header("connection"), "close");
    let request =
        authorized(Request::new("POST", "/api/users")).header("Content-Type", "application/json");
    let mut connection = task.connect();
    connection.send(&expecting(request).to_bytes());
    assert_eq!(connection.response("POST").status, 100);
    connection.send(br#"{"username": "a.b"}."#);
    assert_eq!(connection.response("POST").status, 400);
    assert_eq!(connection.get("/api/users").text(), "[]");
}

#[test]
fn a_client_that_goes_on_for_ever_is_cut_off_for_others() {
    let task = with_users(0).env("MAX_CONNECTIONS", "1").start();
    let mut connection = task.connect();
    let request = Request::new("POST", "/api/users").header("Content-Length", u32::MAX);
    connection.send(&request.to_bytes());
    assert_eq!(connection.response("POST").status, 405);
    let mut endless = connection
        .stream()
        .try_clone()
        .expect("a socket can be shared");
    let sending = thread::spawn(move || {
        loop {
            if let Err(error) = endless.write_all(&vec![b'x'; 64 * 1024]) {
                return error.kind();
            }
        }
    });
    let mut other = Connection::open(task.addr()).expect("it makes room");
    assert_eq!(other.get("/api/users").status, 200);
    let ended = sending.join().expect("it ends");
    assert!(
        matches!(ended, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{ended}"
    );
}

#[test]
#[ignore = "needs Node.js 18 or later"]
fn nodes_fetch_reads_every_early_answer() {
    let task = writable();
    let script = format!(
        "(async () => {{
            const body = 'x'.repeat({LONG}), statuses = [];
            for (let n = 0; n < 60; n++) {{
                const [method, path, status] = [['POST', '', 401], ['PUT', '', 405], ['POST', '/no', 405]][n % 3];
                const answer = await fetch('http://{}/api/users' + path, {{ method, body }});
                await answer.text();
                if (answer.status !== status) throw new Error(answer.status + ' for ' + method + path);
            }}
        }})().catch(error => {{ console.error(error); process.exit(1); }})",
        task.addr()
    );
    let ran = Command::new("node")
        .arg("-e")
        .arg(script)
        .output()
        .expect("Node.js is installed");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
