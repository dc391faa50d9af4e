//! Chunked bodies (RFC 9112 section 7.1), valid and malicious.

use crate::table::{SMUGGLED, broken, hold, passed, post};

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

#[tokio::test]
async fn a_chunk_that_is_none_ends_the_request() {
    let broken = |attack, body: &str| broken(attack, "RFC 9112 7.1", post(CHUNKED, body), &["400"]);
    let long = "x".repeat(70_000);
    hold(vec![
        broken("no size", "\r\nhello\r\n0\r\n\r\n"),
        broken("a size that is no number", "zz\r\nhello\r\n0\r\n\r\n"),
        broken("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        broken("a minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        broken("a plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        broken("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        broken("two sizes", "5 5\r\nhello\r\n0\r\n\r\n"),
        broken(
            "a size over 64 bits",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        broken("fewer bytes than the size", "7\r\nhello\r\n0\r\n\r\n"),
        broken("more bytes than the size", "3\r\nhello\r\n0\r\n\r\n"),
        broken("a line feed alone behind the size", "5\nhello\r\n0\r\n\r\n"),
        broken(
            "a carriage return alone behind the size",
            "5\rhello\r\n0\r\n\r\n",
        ),
        broken("a line feed alone behind the data", "5\r\nhello\n0\r\n\r\n"),
        broken("a line feed in an extension", "5;a\nhello\r\n0\r\n\r\n"),
        broken(
            "an endless extension",
            &format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        ),
        broken("an endless trailer", &format!("0\r\nX: {long}\r\n\r\n")),
        broken(
            "a request in the place of trailers",
            &format!("0\r\n{SMUGGLED}"),
        ),
        broken(
            "a trailer with a space before the colon",
            "0\r\nX : y\r\n\r\n",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_body_without_its_last_chunk_is_waited_for_and_given_up() {
    hold(vec![
        broken(
            "no last line",
            "RFC 9112 8",
            post(CHUNKED, "5\r\nhello\r\n0\r\n"),
            &["408"],
        ),
        broken(
            "no last chunk",
            "RFC 9112 8",
            post(CHUNKED, "5\r\nhello\r\n"),
            &["408"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn chunks_are_written_anew_for_the_target() {
    let trailers = "TE: trailers\r\nTrailer: X-Sum, Host, Content-Length, X-Forwarded-For, Connection, Authorization\r\n";
    let last = |trailers: &str| format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    hold(vec![
        passed(
            "extensions, zeros and capitals",
            "RFC 9112 7.1.1",
            post(CHUNKED, "0005;a=\"b;c\" ;d\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n"),
            &["\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"],
            &[";a"],
        ),
        passed(
            "a trailer",
            "RFC 9110 6.5",
            post(&format!("{CHUNKED}{trailers}"), &last("X-Sum: 1\r\n")),
            &["\r\n0\r\nx-sum: 1\r\n\r\n"],
            &[],
        ),
        passed(
            "trailers that are no trailers",
            "RFC 9110 6.5.1",
            post(
                &format!("{CHUNKED}{trailers}"),
                &last("Host: evil\r\nContent-Length: 9\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: evil\r\nAuthorization: evil\r\nX-Sum: 1\r\n"),
            ),
            &["\r\n0\r\nx-sum: 1\r\n\r\n"],
            &["evil", "6.6.6.6", "content-length"],
        ),
    ])
    .await;
}
