//! HTTP correctness of a service without a load balancer. Each case has the bytes that a client
//! sends, the statuses of all answers until the connection closes, and the section of the RFC that
//! demands them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::with_users;

/// A request that is answered only if smuggling succeeds.
const SMUGGLED: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

/// The longest wait for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Sends bytes, and reads until the server closes the connection.
fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut block = [0; 4096];
    loop {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    let heads = answer.split("HTTP/1.").skip(1);
    heads.map(|head| &head[2..5]).collect()
}

/// What a client tries, the section of the RFC, the bytes and the statuses.
type Row = (&'static str, &'static str, String, &'static [&'static str]);

fn hold(rows: &[Row]) {
    let task = with_users(1).env("WRITE_TOKEN", "token-0123456789").start();
    let mut wrong = Vec::new();
    for (attack, rfc, bytes, expected) in rows {
        let answer = exchange(task.addr(), bytes.as_bytes());
        if statuses(&answer) != *expected {
            wrong.push(format!(
                "{attack} ({rfc}): {answer:?} instead of {expected:?}"
            ));
        }
        assert_eq!(task.get("/api/users/1").status, 200, "after {attack}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A GET with these lines that asks to close the connection, followed by a smuggled request.
fn get(lines: &str) -> String {
    format!("GET /api/users/1 HTTP/1.1\r\n{lines}Connection: close\r\n\r\n{SMUGGLED}")
}

/// A PATCH with these lines and this body.
fn patch(lines: &str, body: &str) -> String {
    format!(
        "PATCH /api/users/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-0123456789\r\nContent-Type: application/json\r\n{lines}\r\n{body}"
    )
}

#[test]
fn a_request_has_one_length() {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let lengths = |attack, lines: &str| -> Row {
        (
            attack,
            "RFC 9110 8.6",
            patch(lines, &format!("{{}}{SMUGGLED}")),
            &["400"],
        )
    };
    let encodings = |attack, line: &str, status| -> Row {
        let body = format!("2\r\n{{}}\r\n0\r\n\r\n{SMUGGLED}");
        (attack, "RFC 9112 6.1", patch(line, &body), status)
    };
    let chunks = |attack, body: &str| -> Row {
        (
            attack,
            "RFC 9112 7.1",
            patch(CHUNKED, &format!("{body}{SMUGGLED}")),
            &["400"],
        )
    };
    hold(&[
        lengths("two lengths", "Content-Length: 2\r\nContent-Length: 1\r\n"),
        lengths("a list of lengths", "Content-Length: 2, 2\r\n"),
        lengths("a plus sign", "Content-Length: +2\r\n"),
        lengths("an empty length", "Content-Length:\r\n"),
        lengths(
            "more than 64 bits",
            "Content-Length: 18446744073709551618\r\n",
        ),
        encodings(
            "a length, then chunked",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            &["200"],
        ),
        encodings(
            "chunked, then a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            &["200"],
        ),
        encodings("identity", "Transfer-Encoding: identity\r\n", &["400"]),
        encodings(
            "chunked, not last",
            "Transfer-Encoding: chunked, identity\r\n",
            &["400"],
        ),
        encodings("xchunked", "Transfer-Encoding: xchunked\r\n", &["400"]),
        encodings(
            "gzip and chunked",
            "Transfer-Encoding: gzip, chunked\r\n",
            &["501"],
        ),
        encodings(
            "chunked twice",
            "Transfer-Encoding: chunked, chunked\r\n",
            &["501"],
        ),
        encodings(
            "chunked on two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            &["501"],
        ),
        encodings(
            "a space before the colon",
            "Transfer-Encoding : chunked\r\n",
            &["400"],
        ),
        encodings(
            "a folded line",
            "Transfer-Encoding:\r\n chunked\r\n",
            &["400"],
        ),
        encodings(
            "hidden behind a carriage return",
            "X: y\rTransfer-Encoding: chunked\r\n",
            &["400"],
        ),
        encodings("a NUL", "Transfer-Encoding: chunked\0\r\n", &["400"]),
        chunks("no size", "\r\n{}\r\n0\r\n\r\n"),
        chunks("a size with 0x", "0x2\r\n{}\r\n0\r\n\r\n"),
        chunks(
            "a size over 64 bits",
            "10000000000000002\r\n{}\r\n0\r\n\r\n",
        ),
        chunks("fewer bytes than the size", "4\r\n{}\r\n0\r\n\r\n"),
        chunks("more bytes than the size", "1\r\n{}\r\n0\r\n\r\n"),
        chunks("a line feed alone", "2\n{}\r\n0\r\n\r\n"),
        chunks("no last line", "2\r\n{}\r\n0\r\n"),
    ]);
}

#[test]
fn a_request_has_one_host() {
    let host = |attack, lines: &str| -> Row { (attack, "RFC 9112 3.2", get(lines), &["400"]) };
    let first = |attack, rfc, target: &str, status| -> Row {
        let bytes = get("Host: x\r\n").replacen("/api/users/1", target, 1);
        (attack, rfc, bytes, status)
    };
    hold(&[
        host("no host", ""),
        host("two hosts", "Host: x\r\nHost: x\r\n"),
        host("a space in the host", "Host: x y\r\n"),
        host("a user before the host", "Host: evil@x\r\n"),
        host("a path behind the host", "Host: x/evil\r\n"),
        ("an empty host", "RFC 9110 7.2", get("Host:\r\n"), &["200"]),
        first(
            "an absolute target",
            "RFC 9112 3.2.2",
            "http://elsewhere:80/api/users/1",
            &["200"],
        ),
        first(
            "a user in the target",
            "RFC 9110 4.2.4",
            "http://evil@x/api/users/1",
            &["400"],
        ),
        first("an authority", "RFC 9112 3.2.3", "x:80", &["400"]),
        first(
            "an encoded letter",
            "RFC 9110 4.2.3",
            "/api/%75sers/1",
            &["404"],
        ),
        first(
            "encoded dots",
            "RFC 9110 4.2.3",
            "/api/threads/%2e%2e/users/1",
            &["404"],
        ),
        first(
            "dots",
            "RFC 9110 4.2.3",
            "/api/threads/../users/1",
            &["404"],
        ),
        first(
            "an encoded slash",
            "RFC 9110 4.2.3",
            "/api%2fusers/1",
            &["404"],
        ),
    ]);
}

#[test]
fn what_a_client_sends_makes_no_line_in_an_answer() {
    let task = with_users(3).start();
    for (target, lines) in [
        ("/api/users?limit=1&username=%0d%0aX-Evil:%20evil", ""),
        ("/api/users?limit=1&id=%0d%0aX-Evil:%20evil", ""),
        ("/api/users?limit=%0d%0aX-Evil:%20evil", ""),
        ("/api/users?%0d%0aX-Evil:%20evil=1", ""),
        ("/api/users/%0d%0aX-Evil:%20evil", ""),
        ("/%0d%0aX-Evil:%20evil", ""),
        ("/api/users/1", "X-Request-Id: %0d%0aX-Evil: evil\r\n"),
        ("/api/users/1", "X-Request-Id: a\tX-Evil: evil\r\n"),
        (
            "/api/users/1",
            "Origin: http://evil\r\nX-Forwarded-Host: evil\r\n",
        ),
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
        let answer = exchange(task.addr(), request.as_bytes());
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            !head.to_lowercase().contains("\r\nx-evil") && !head.contains("://evil"),
            "{target} {lines:?}: {head}"
        );
        assert_eq!(statuses(&answer).len(), 1, "{answer}");
    }
}
