//! The length of a request's body. When two servers disagree about where a body ends, a client can
//! prepend bytes to another client's request (request smuggling).

use crate::table::{AtTarget, Row, SMUGGLED, broken, get, hold, passed, post, refused};

#[tokio::test]
async fn a_length_that_is_no_number_is_refused() {
    let refused =
        |attack, lines: &str| refused(attack, "RFC 9110 8.6", post(lines, "hello"), &["400"]);
    hold(vec![
        refused("two lengths", "Content-Length: 5\r\nContent-Length: 4\r\n"),
        refused("a list of two lengths", "Content-Length: 5, 4\r\n"),
        refused("a list of equal lengths", "Content-Length: 5, 5\r\n"),
        refused("a plus sign", "Content-Length: +5\r\n"),
        refused("a minus sign", "Content-Length: -5\r\n"),
        refused("a hexadecimal number", "Content-Length: 0x5\r\n"),
        refused("a number with a space in it", "Content-Length: 0 5\r\n"),
        refused("a fraction", "Content-Length: 5.0\r\n"),
        refused("an empty length", "Content-Length:\r\n"),
        refused(
            "more than 64 bits",
            "Content-Length: 18446744073709551621\r\n",
        ),
        refused(
            "a vertical tab before the number",
            "Content-Length:\x0b5\r\n",
        ),
        refused("digits that are not ASCII", "Content-Length: ５\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn an_encoding_other_than_chunked_is_refused() {
    let refused = |attack, line: &str, answer| {
        let body = format!("0\r\n\r\n{SMUGGLED}");
        refused(attack, "RFC 9112 6.1", post(line, &body), answer)
    };
    hold(vec![
        refused("identity", "Transfer-Encoding: identity\r\n", &["400"]),
        refused(
            "chunked, not last",
            "Transfer-Encoding: chunked, identity\r\n",
            &["400"],
        ),
        refused("xchunked", "Transfer-Encoding: xchunked\r\n", &["400"]),
        refused(
            "chunked with a parameter",
            "Transfer-Encoding: chunked;q=1\r\n",
            &["400"],
        ),
        refused(
            "chunked in quotes",
            "Transfer-Encoding: \"chunked\"\r\n",
            &["400"],
        ),
        refused("an empty encoding", "Transfer-Encoding:\r\n", &["400"]),
        refused(
            "a vertical tab before chunked",
            "Transfer-Encoding:\x0bchunked\r\n",
            &["400"],
        ),
        refused(
            "chunked twice",
            "Transfer-Encoding: chunked, chunked\r\n",
            &["501"],
        ),
        refused(
            "chunked on two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            &["501"],
        ),
        refused(
            "chunked behind an empty member",
            "Transfer-Encoding: ,chunked\r\n",
            &["501"],
        ),
        refused(
            "gzip and chunked",
            "Transfer-Encoding: gzip, chunked\r\n",
            &["501"],
        ),
        refused(
            "identity, then chunked",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            &["501"],
        ),
        refused(
            "a space before the colon",
            "Transfer-Encoding : chunked\r\n",
            &["400"],
        ),
        refused(
            "a tab before the colon",
            "Transfer-Encoding\t: chunked\r\n",
            &["400"],
        ),
        refused(
            "a space before the name",
            " Transfer-Encoding: chunked\r\n",
            &["400"],
        ),
        refused(
            "chunked on a folded line",
            "Transfer-Encoding:\r\n chunked\r\n",
            &["400"],
        ),
        refused(
            "hidden behind a carriage return",
            "X: y\rTransfer-Encoding: chunked\r\n",
            &["400"],
        ),
        refused(
            "a NUL in the name",
            "Transfer-\0Encoding: chunked\r\n",
            &["400"],
        ),
        refused(
            "a NUL behind the value",
            "Transfer-Encoding: chunked\0\r\n",
            &["400"],
        ),
        refused("a name without a colon", "Transfer-Encoding\r\n", &["400"]),
    ])
    .await;
}

#[tokio::test]
async fn a_body_has_one_length_for_the_target() {
    let both = |attack, lines: &str| {
        let chunked = format!("5\r\nhello\r\n0\r\n\r\n{SMUGGLED}");
        // The load balancer closes the connection, although the client did not ask for that.
        passed(
            attack,
            "RFC 9112 6.3",
            post(lines, &chunked).replace("Connection: close\r\n", ""),
            &[
                "transfer-encoding: chunked\r\n",
                "\r\n5\r\nhello\r\n0\r\n\r\n",
            ],
            &["content-length"],
        )
    };
    hold(vec![
        both("a length, then chunked", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        both("chunked, then a length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
        both("chunked, then no length", "Transfer-Encoding: chunked\r\nContent-Length: x\r\n"),
        passed(
            "one length on two lines",
            "RFC 9110 8.6",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            &["content-length: 5\r\n", "\r\n\r\nhello"],
            &[],
        ),
        passed(
            "chunked in capitals behind a tab",
            "RFC 9112 7",
            post("Transfer-Encoding:\tCHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            &["transfer-encoding: chunked\r\n", "\r\n5\r\nhello\r\n0\r\n\r\n"],
            &[],
        ),
        passed(
            "no length, and bytes behind the head",
            "RFC 9112 6.3",
            post("", SMUGGLED),
            &["POST /api/users HTTP/1.1\r\n"],
            &["smuggled"],
        ),
        passed(
            "a GET with a body",
            "RFC 9110 9.3.1",
            format!("{}{SMUGGLED}", get(&format!("Content-Length: {}\r\n", SMUGGLED.len()))),
            &["content-length: ", "\r\n\r\nGET /api/users/smuggled"],
            &[],
        ),
        passed(
            "an underscore for the hyphen",
            "RFC 9110 5.1",
            post("Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "hello"),
            &["content-length: 5\r\n", "\r\n\r\nhello"],
            &["transfer"],
        ),
        refused(
            "chunked from an HTTP/1.0 client",
            "RFC 9112 6.1",
            "POST /api/users HTTP/1.0\r\nHost: forum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &["400"],
        ),
        broken(
            "a body shorter than its length",
            "RFC 9112 8",
            post("Content-Length: 10\r\n", "hello"),
            &["408"],
        ),
        Row {
            answers: &["200", "200"],
            target: AtTarget::Gets(2, &["GET /api/users/second HTTP/1.1\r\n"], &[]),
            ..passed(
                "a second request behind the body",
                "RFC 9112 9.3.2",
                format!(
                    "POST /api/users HTTP/1.1\r\nHost: forum\r\nContent-Length: 5\r\n\r\nhello{}",
                    get("").replace("users/1", "users/second")
                ),
                &[],
                &[],
            )
        },
    ])
    .await;
}
