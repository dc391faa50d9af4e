//! Fields for one connection only, and the fields that tell a target about its client.

use crate::table::{get, hold, passed, post, refused};

#[tokio::test]
async fn fields_for_one_connection_stay_on_it() {
    let passed = |attack, lines: &str, with, without| {
        passed(attack, "RFC 9110 7.6.1", get(lines), with, without)
    };
    hold(vec![
        passed(
            "the known ones",
            "Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nTE: gzip\r\nX: y\r\n",
            &["\r\nx: y\r\n"],
            &["keep-alive", "proxy-", "\r\nte:", "\r\nconnection:"],
        ),
        passed(
            "named ones",
            "Connection: X-Hop , ,x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nX-Hop: 3\r\nX: y\r\n",
            &["\r\nx: y\r\n"],
            &["x-hop", "x-other", "\r\nconnection:"],
        ),
        passed(
            "named beside bytes that are not ASCII",
            "Connection: caf\u{e9}, X-Hop\r\nX-Hop: 1\r\n",
            &[],
            &["x-hop"],
        ),
        passed(
            "trailers are welcome",
            "TE: trailers, gzip\r\nConnection: TE\r\n",
            &["\r\nte: trailers\r\n", "\r\nconnection: te\r\n"],
            &["gzip"],
        ),
        passed(
            "a WebSocket",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n",
            &["GET /api/users/1 HTTP/1.1\r\n"],
            &["upgrade", "\r\nconnection:"],
        ),
        passed(
            "h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
            &["GET /api/users/1 HTTP/1.1\r\n"],
            &["upgrade", "http2-settings", "\r\nconnection:"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn naming_a_field_in_connection_does_not_take_away_what_the_load_balancer_needs() {
    let named = |attack, lines: &str, body: &str, with, without| {
        passed(attack, "RFC 9110 7.6.1", post(lines, body), with, without)
    };
    hold(vec![
        named("the host", "Connection: Host\r\n", "", &["\r\nhost: forum\r\n"], &[]),
        named(
            "the length",
            "Connection: Content-Length\r\nContent-Length: 5\r\n",
            "hello",
            &["\r\ncontent-length: 5\r\n", "\r\n\r\nhello"],
            &[],
        ),
        named(
            "the encoding",
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            &["\r\ntransfer-encoding: chunked\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n"],
            &[],
        ),
        named(
            "the client's address",
            "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, X-Amzn-Trace-Id\r\nX-Forwarded-For: 6.6.6.6\r\n",
            "",
            &[
                "\r\nx-forwarded-for: 6.6.6.6, 127.0.0.1\r\n",
                "\r\nx-forwarded-proto: http\r\n",
                "\r\nx-forwarded-port: ",
                "\r\nx-amzn-trace-id: Root=1-",
            ],
            &[],
        ),
        // This harms only the client itself.
        named(
            "the client's own credentials",
            "Connection: Authorization\r\nAuthorization: Bearer x\r\n",
            "",
            &[],
            &["authorization"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_forged_address_stays_a_claim() {
    let passed = |attack, lines: &str, with, without| {
        passed(attack, "RFC 7239 8.1", get(lines), with, without)
    };
    let many = ["10.0.0.1"; 31].join(",");
    let lines = "X-Forwarded-For: 10.0.0.1\r\n".repeat(31);
    let odd = format!("X-Forwarded-For: caf\u{e9}, {many}\r\n");
    hold(vec![
        passed(
            "an address",
            "X-Forwarded-For: 6.6.6.6\r\n",
            &["\r\nx-forwarded-for: 6.6.6.6, 127.0.0.1\r\n"],
            &["\r\nx-forwarded-for: 6.6.6.6\r\n"],
        ),
        passed(
            "addresses on two lines",
            "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\nX-Forwarded-For: 8.8.8.8\r\n",
            &["\r\nx-forwarded-for: 6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1\r\n"],
            &[],
        ),
        passed(
            "what is no address",
            "X-Forwarded-For: \"<script>\", ,caf\u{e9}\r\n",
            &["caf\u{e9}, 127.0.0.1\r\n"],
            &[],
        ),
        passed(
            "protocol and port",
            "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: wss\r\n",
            &["\r\nx-forwarded-proto: http\r\n"],
            &["https", "wss", "443\r\n"],
        ),
        passed(
            "fields that the load balancer does not write",
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-Host: evil\r\n",
            &["\r\nforwarded: for=6.6.6.6\r\nx-forwarded-host: evil\r\n"],
            &[],
        ),
        refused(
            "31 addresses",
            "ALB 463",
            get(&format!("X-Forwarded-For: {many}\r\n")),
            &["463"],
        ),
        refused("31 lines", "ALB 463", get(&lines), &["463"]),
        refused(
            "31 addresses and an odd one",
            "ALB 463",
            get(&odd),
            &["463"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_trace_id_is_kept_made_or_given_a_self() {
    let root = "1-67891233-abcdef012345678912345678";
    let passed = |attack, line: &str, with, without| {
        passed(attack, "ALB request tracing", get(line), with, without)
    };
    hold(vec![
        passed("none", "", &["\r\nx-amzn-trace-id: Root=1-"], &["Self="]),
        passed(
            "a root",
            &format!("X-Amzn-Trace-Id: Root={root}\r\n"),
            &[
                "\r\nx-amzn-trace-id: Self=1-",
                ";Root=1-67891233-abcdef012345678912345678\r\n",
            ],
            &[],
        ),
        passed(
            "a root and a forged self",
            &format!("X-Amzn-Trace-Id: Self=evil;Root={root};Sampled=1\r\n"),
            &[";Root=1-67891233-abcdef012345678912345678;Sampled=1\r\n"],
            &["evil"],
        ),
        passed(
            "fields of its own",
            "X-Amzn-Trace-Id: CalledFrom=app\r\n",
            &["\r\nx-amzn-trace-id: Root=1-", ";CalledFrom=app\r\n"],
            &["Self="],
        ),
        passed(
            "two lines",
            "X-Amzn-Trace-Id: A=1\r\nX-Amzn-Trace-Id: B=2\r\n",
            &[";A=1\r\n"],
            &["B=2"],
        ),
        passed(
            "bytes that are not ASCII",
            "X-Amzn-Trace-Id: caf\u{e9}\r\n",
            &["\r\nx-amzn-trace-id: Root=1-"],
            &["caf"],
        ),
    ])
    .await;
}
