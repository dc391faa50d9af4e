//! The setting changes nothing but what it is for.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use testkit::{Request, Task};

use crate::{ORIGINS, for_pages, requests, service};

/// The bytes of the answer to a request, without what depends on the time.
fn bytes(task: &Task, request: &Request) -> Vec<String> {
    let request = request.clone().header("X-Request-Id", "same");
    let request = request.header("Connection", "close").to_bytes();
    let mut stream = TcpStream::connect(task.addr()).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let lines = answer.split_inclusive("\r\n").map(str::to_owned);
    let timed = ["date: ", "retry-after: "];
    let timed = |line: &String| timed.iter().any(|name| line.starts_with(name));
    lines.filter(|line| !timed(line)).collect()
}

fn of_a_page(request: &Request) -> Request {
    request
        .clone()
        .header("Origin", ORIGINS[0])
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "authorization")
}

#[test]
fn without_the_setting_a_page_gets_the_bytes_that_everyone_gets() {
    // Each has its own user with one write a minute.
    let (plain, pages) = (service().start(), service().start());
    for (status, request) in requests::all() {
        let expected = bytes(&plain, &request);
        assert!(expected[0].contains(&status.to_string()), "{expected:?}");
        let about = |line: &String| line.starts_with("access-control") || line.starts_with("vary");
        assert!(!expected.iter().any(about), "{expected:?}");
        assert_eq!(bytes(&pages, &of_a_page(&request)), expected);
    }
}

#[test]
fn the_setting_adds_its_headers_and_changes_nothing_else() {
    let (plain, pages) = (service().start(), for_pages().start());
    for (_, request) in requests::all() {
        let expected = bytes(&plain, &request);
        let mut lines = bytes(&pages, &request.header("Origin", ORIGINS[0]));
        let all = lines.len();
        lines.retain(|line| !line.starts_with("access-control") && !line.starts_with("vary"));
        assert_eq!(all - lines.len(), 3);
        assert_eq!(lines, expected);
    }
}
