//! The request line, and the syntax of the lines below it.

use crate::table::{AtTarget, Row, SMUGGLED, first, get, hold, passed, post, refused};

/// A request with this first line. Its target reaches the service unchanged.
fn as_sent(attack: &'static str, line: &'static str, arrives: &'static [&'static str]) -> Row {
    passed(attack, "RFC 9112 3.2", first(line), arrives, &[])
}

#[tokio::test]
async fn a_first_line_that_is_none_is_refused() {
    let refused = |attack, line: &str| refused(attack, "RFC 9112 3", first(line), &["400"]);
    hold(vec![
        refused("HTTP/0.9", "GET /api/users/1"),
        refused("HTTP/1.2", "GET /api/users/1 HTTP/1.2"),
        refused("http in small letters", "GET /api/users/1 http/1.1"),
        refused("a space in the target", "GET /api/users/1 2 HTTP/1.1"),
        refused("two spaces", "GET  /api/users/1 HTTP/1.1"),
        refused("a tab for the space", "GET\t/api/users/1 HTTP/1.1"),
        refused("a space before the method", " GET /api/users/1 HTTP/1.1"),
        refused("a method that is no token", "GE(T /api/users/1 HTTP/1.1"),
        refused("no method", "/api/users/1 HTTP/1.1"),
        refused("a NUL in the target", "GET /api/users/\0 HTTP/1.1"),
        refused(
            "a carriage return in the target",
            "GET /api/users/\r1 HTTP/1.1",
        ),
        refused("a target without a slash", "GET api/users/1 HTTP/1.1"),
        refused("a target that is an authority", "GET forum:80 HTTP/1.1"),
        refused("a relative target", "GET ?limit=1 HTTP/1.1"),
    ])
    .await;
    hold(vec![
        crate::table::refused(
            "HTTP/2 without asking",
            "RFC 9113 3.4",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[],
        ),
        crate::table::refused(
            "TLS",
            "RFC 9112 3",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            &["400"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn methods_for_proxies_end_here() {
    let connect = |line: &str| format!("{}{SMUGGLED}", first(line));
    hold(vec![
        refused(
            "TRACE",
            "RFC 9110 9.3.8",
            first("TRACE /api/users/1 HTTP/1.1"),
            &["405"],
        ),
        refused(
            "CONNECT",
            "RFC 9110 9.3.6",
            connect("CONNECT forum:80 HTTP/1.1"),
            &["405"],
        ),
        refused(
            "CONNECT with a path",
            "RFC 9112 3.2.3",
            connect("CONNECT /api/users HTTP/1.1"),
            &["405"],
        ),
        // No rule matches the path `*`.
        refused(
            "OPTIONS *",
            "RFC 9110 9.3.7",
            first("OPTIONS * HTTP/1.1"),
            &["404"],
        ),
        refused("GET *", "RFC 9112 3.2.4", first("GET * HTTP/1.1"), &["404"]),
        as_sent(
            "a method of its own",
            "brew /api/users/1 HTTP/1.1",
            &["brew /api/users/1 HTTP/1.1\r\n"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_path_is_matched_and_sent_on_as_it_is() {
    let elsewhere = |attack, line: &str| refused(attack, "RFC 9110 4.2.3", first(line), &["404"]);
    hold(vec![
        as_sent(
            "encoded dots",
            "GET /api/users/%2e%2e/posts HTTP/1.1",
            &["GET /api/users/%2e%2e/posts HTTP/1.1\r\n"],
        ),
        as_sent(
            "dots",
            "GET /api/users/../posts HTTP/1.1",
            &["GET /api/users/../posts HTTP/1.1\r\n"],
        ),
        as_sent(
            "an encoded slash",
            "GET /api/users/..%2fposts HTTP/1.1",
            &["GET /api/users/..%2fposts HTTP/1.1\r\n"],
        ),
        as_sent(
            "an encoded line",
            "GET /api/users/%0d%0aX:%20y HTTP/1.1",
            &["GET /api/users/%0d%0aX:%20y HTTP/1.1\r\n"],
        ),
        as_sent(
            "an encoded NUL",
            "GET /api/users/%00 HTTP/1.1",
            &["GET /api/users/%00 HTTP/1.1\r\n"],
        ),
        as_sent(
            "what is no encoding",
            "GET /api/users/%zz% HTTP/1.1",
            &["GET /api/users/%zz% HTTP/1.1\r\n"],
        ),
        as_sent(
            "slashes and a backslash",
            "GET /api/users//\\1/ HTTP/1.1",
            &["GET /api/users//\\1/ HTTP/1.1\r\n"],
        ),
        as_sent(
            "a query with a path",
            "GET /api/users?/api/posts?#x HTTP/1.1",
            &["GET /api/users?/api/posts? HTTP/1.1\r\n"],
        ),
        elsewhere("an encoded letter", "GET /api/%75sers/1 HTTP/1.1"),
        elsewhere("a slash too many", "GET //api/users/1 HTTP/1.1"),
        elsewhere("another case", "GET /API/users/1 HTTP/1.1"),
        elsewhere("dots before the service", "GET /x/../api/users/1 HTTP/1.1"),
        elsewhere("a path in the query", "GET /x?/api/users/1 HTTP/1.1"),
    ])
    .await;
}

#[tokio::test]
async fn a_line_that_is_no_field_is_refused() {
    let refused = |attack, line: &str| refused(attack, "RFC 9112 5.1", get(line), &["400"]);
    hold(vec![
        refused("a space before the colon", "X : y\r\n"),
        refused("a tab before the colon", "X\t: y\r\n"),
        refused("an empty name", ": y\r\n"),
        refused("no colon", "X\r\n"),
        refused("a space in the name", "X Y: z\r\n"),
        refused("a bracket in the name", "X(Y): z\r\n"),
        refused("a letter that is not ASCII in the name", "X\u{e9}: z\r\n"),
        refused("a NUL in the value", "X: y\0z\r\n"),
        refused("a bell in the value", "X: y\x07z\r\n"),
        refused("a carriage return in the value", "X: y\rz\r\n"),
        refused("two carriage returns", "X: y\r\r\n"),
        refused("a folded line", "X: y\r\n z\r\n"),
        refused("a line of spaces", "X: y\r\n \r\n"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_odd_and_allowed_arrives_in_one_form() {
    hold(vec![
        passed(
            "line feeds alone",
            "RFC 9112 2.2",
            "POST /api/users/lf HTTP/1.1\nHost: forum\nConnection: close\nContent-Length: 5\n\nhello",
            &["POST /api/users/lf HTTP/1.1\r\nhost: forum\r\ncontent-length: 5\r\n", "\r\n\r\nhello"],
            &[],
        ),
        passed(
            "empty lines before the first",
            "RFC 9112 2.2",
            format!("\r\n\r\n{}", get("")),
            &["GET /api/users/1 HTTP/1.1\r\n"],
            &[],
        ),
        passed(
            "spaces around a value",
            "RFC 9112 5",
            get("X:  \t y \t \r\nEmpty:\r\n"),
            &["\r\nx: y\r\nempty: \r\n"],
            &[],
        ),
        passed(
            "bytes that are not ASCII in a value",
            "RFC 9110 5.5",
            get("X: caf\u{e9}\r\n"),
            &["\r\nx: caf\u{e9}\r\n"],
            &[],
        ),
        passed(
            "a name that the ALB drops, and its neighbours",
            "RFC 9110 5.6.2",
            get("X-1: a\r\n!#$%&'*+-.^_`|~9: evil\r\nX_Forwarded_For: evil\r\nX-2: b\r\n"),
            &["\r\nx-1: a\r\nx-2: b\r\n"],
            &["evil"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_long_head_is_refused_and_a_large_one_is_not() {
    let x = |count| "x".repeat(count);
    let lines =
        |count: usize| (0..count).fold(String::new(), |lines, n| format!("{lines}X-{n}: y\r\n"));
    hold(vec![
        refused(
            "a target over 16 KB",
            "RFC 9112 3",
            first(&format!("GET /api/users/{} HTTP/1.1", x(17_000))),
            &["414"],
        ),
        // The whole head is too large, and hyper checks that first.
        refused(
            "a target over 64 KB",
            "RFC 9112 3",
            first(&format!("GET /api/users/{} HTTP/1.1", x(70_000))),
            &["431"],
        ),
        refused(
            "a method without an end",
            "RFC 9112 3",
            x(700_000),
            &["431"],
        ),
        refused(
            "a field over 16 KB",
            "RFC 9110 5.4",
            get(&format!("X: {}\r\n", x(17_000))),
            &["400"],
        ),
        refused(
            "a name over 64 KB",
            "RFC 9110 5.4",
            get(&format!("{}: y\r\n", x(70_000))),
            &["431"],
        ),
        refused(
            "a head over 64 KB",
            "RFC 6585 5",
            get(&format!("X: {}\r\n", x(15_000)).repeat(5)),
            &["431"],
        ),
        refused("101 fields", "RFC 6585 5", get(&lines(99)), &["431"]),
        passed(
            "100 fields",
            "RFC 9110 5.4",
            get(&lines(98)),
            &["\r\nx-0: y\r\n", "\r\nx-97: y\r\n"],
            &[],
        ),
        passed(
            "60 KB",
            "RFC 9110 5.4",
            get(&format!("X: {}\r\n", x(15_000)).repeat(4)),
            &["\r\nx: xxx"],
            &[],
        ),
    ])
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_and_none_behind_a_refused_one() {
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: forum\r\n\r\n");
    let bad = "GET /api/users/bad HTTP/1.1\r\nHost: forum\r\nX : y\r\n\r\n";
    hold(vec![
        Row {
            answers: &["200", "404", "200", "200"],
            target: AtTarget::Gets(2, &["/api/users/a ", "/api/users/b "], &[]),
            ..passed(
                "a pipeline to a target and past it",
                "RFC 9112 9.3.2",
                [
                    one("/api/users/a"),
                    one("/x"),
                    one("/api"),
                    get("").replace("users/1", "users/b"),
                ]
                .concat(),
                &[],
                &[],
            )
        },
        Row {
            answers: &["200", "400"],
            target: AtTarget::Gets(1, &["/api/users/a "], &[]),
            ..passed(
                "a request behind a bad one",
                "RFC 9112 9.6",
                [one("/api/users/a"), bad.to_owned(), SMUGGLED.to_owned()].concat(),
                &[],
                &[],
            )
        },
        Row {
            answers: &["200"],
            target: AtTarget::Gets(1, &[], &[]),
            ..passed(
                "a request behind the last one",
                "RFC 9112 9.6",
                [get(""), SMUGGLED.to_owned()].concat(),
                &[],
                &[],
            )
        },
        Row {
            answers: &["200", "501"],
            ..passed(
                "a request behind an encoding that is refused",
                "RFC 9112 6.1",
                [
                    one("/api/users/a"),
                    post("Transfer-Encoding: gzip, chunked\r\n", SMUGGLED),
                ]
                .concat(),
                &["/api/users/a "],
                &[],
            )
        },
    ])
    .await;
}
