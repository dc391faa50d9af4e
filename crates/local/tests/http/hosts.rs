//! The host of a request, in the field `Host` or in the target.

use crate::table::{first, hold, passed, refused};

#[tokio::test]
async fn the_host_is_one_and_can_be_one() {
    let host = |line: &str| format!("GET /api/users/1 HTTP/1.1\r\n{line}Connection: close\r\n\r\n");
    let refused = |attack, line: &str| refused(attack, "RFC 9112 3.2", host(line), &["400"]);
    let passed = |attack, line: &str, with| passed(attack, "RFC 9110 7.2", host(line), with, &[]);
    hold(vec![
        refused("no host", ""),
        refused("two hosts", "Host: forum\r\nHost: evil\r\n"),
        refused("the same host twice", "Host: forum\r\nHost: forum\r\n"),
        refused("a space in the host", "Host: forum evil\r\n"),
        refused("a path behind the host", "Host: forum/evil\r\n"),
        refused("a user before the host", "Host: evil@forum\r\n"),
        refused("a port that is no number", "Host: forum:http\r\n"),
        refused("two ports", "Host: forum:80:90\r\n"),
        refused("half an IPv6 address", "Host: [::1\r\n"),
        refused("letters that are not ASCII", "Host: f\u{f6}rum\r\n"),
        refused("a query behind the host", "Host: forum?evil\r\n"),
        passed("an empty host", "Host:\r\n", &["\r\nhost: \r\n"]),
        passed(
            "a port",
            "Host: forum.example:8080\r\n",
            &["\r\nhost: forum.example:8080\r\n"],
        ),
        passed(
            "an IPv6 address",
            "Host: [::1]:80\r\n",
            &["\r\nhost: [::1]:80\r\n"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_absolute_target_names_the_host() {
    let passed = |attack, line: &str, with| {
        passed(attack, "RFC 9112 3.2.2", first(line), with, &["forum\r\n"])
    };
    hold(vec![
        passed(
            "another host than the field",
            "GET http://other.example:81/api/users/%2e%2e/1?x HTTP/1.1",
            &["GET /api/users/%2e%2e/1?x HTTP/1.1\r\nhost: other.example:81\r\n"],
        ),
        passed(
            "another scheme",
            "GET https://other.example/api/users/1 HTTP/1.1",
            &[
                "GET /api/users/1 HTTP/1.1\r\nhost: other.example\r\n",
                "x-forwarded-proto: http\r\n",
            ],
        ),
        refused(
            "a user before the host",
            "RFC 9110 4.2.4",
            first("GET http://evil@forum/api/users/1 HTTP/1.1"),
            &["400"],
        ),
        refused(
            "no host beside it",
            "RFC 9112 3.2",
            "GET http://forum/api/users/1 HTTP/1.1\r\nConnection: close\r\n\r\n",
            &["400"],
        ),
        refused(
            "no path",
            "RFC 9112 3.2.1",
            first("GET http://forum HTTP/1.1"),
            &["200"],
        ),
        refused(
            "a path that only looks like the service's",
            "RFC 9112 3.2.2",
            first("GET http://forum//api/users/1 HTTP/1.1"),
            &["404"],
        ),
    ])
    .await;
}
