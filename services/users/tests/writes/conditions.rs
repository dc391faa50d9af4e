//! Conditional writes.

use serde_json::json;
use testkit::{Request, Response, Task};

use crate::{authorized, create, problem, user, writable, write};

#[test]
fn if_match_keeps_two_clients_from_overwriting_each_other() {
    let task = writable().start();
    let etag = create(&task, "finn").header("etag").to_owned();
    let patch = |tags: &str| {
        let request =
            write("PATCH", "/api/users/1", &json!({"bio": tags})).header("If-Match", tags);
        task.ask(&request)
    };
    for stale in [
        "\"x\"",
        &format!("W/{etag}"),
        "\"00000000000000000000000000000000\"",
    ] {
        assert_eq!(problem(&patch(stale)).0, "precondition-failed", "{stale}");
    }
    assert_eq!(patch(&format!("\"x\", {etag}")).status, 200);
    assert_eq!(problem(&patch(&etag)).0, "precondition-failed");
    assert_eq!(patch("*").status, 200);
    let delete = authorized("DELETE", "/api/users/1").header("If-Match", etag);
    assert_eq!(problem(&task.ask(&delete)).0, "precondition-failed");
    let put = write("PUT", "/api/users/9", &user("x")).header("If-Match", "*");
    assert_eq!(problem(&task.ask(&put)).0, "not-found");
}

#[test]
fn if_match_compares_octets() {
    let task = writable().start();
    let etag = create(&task, "finn").header("etag").to_owned();
    let digits = etag.trim_matches('"');
    let number = digits.trim_start_matches('0');
    for other in [
        format!("\"+{digits}\""),
        format!("\"0{digits}\""),
        format!("\"+{number}\""),
        format!("\"{}\"", digits.to_uppercase()),
        format!("\"x,{digits}\""),
        "\"x,*,y\"".to_owned(),
        "\"*\"".to_owned(),
        format!("{etag}, *"),
        format!("{etag} {etag}"),
        format!("\"x,{etag}"),
        digits.to_owned(),
    ] {
        let answer = edit(&task, "PATCH", &[("If-Match", &other)]);
        assert_eq!(problem(&answer).0, "precondition-failed", "{other}");
    }
    let two_lines = [("If-Match", "\"x,*\""), ("If-Match", etag.as_str())];
    assert_eq!(edit(&task, "PATCH", &two_lines).status, 200);
}

/// A write of the first record that changes nothing, so that its tag stays.
fn edit(task: &Task, method: &str, conditions: &[(&str, &str)]) -> Response {
    let mut request = match method {
        "DELETE" => authorized(method, "/api/users/1"),
        "PATCH" => write(method, "/api/users/1", &json!({})),
        _ => write(method, "/api/users/1", &user("finn")),
    };
    for (name, value) in conditions {
        request = request.header(name, *value);
    }
    task.ask(&request)
}

#[test]
fn if_none_match_refuses_what_it_names() {
    let task = writable().start();
    let etag = create(&task, "finn").header("etag").to_owned();
    let (weak, among) = (format!("W/{etag}"), format!("\"x,y\", {etag}"));
    let matching = ["*", &etag, &weak, &among];
    for method in ["PUT", "PATCH", "DELETE"] {
        for tags in matching {
            let answer = edit(&task, method, &[("If-None-Match", tags)]);
            assert_eq!(problem(&answer).0, "precondition-failed", "{method} {tags}");
            let answer = edit(
                &task,
                method,
                &[("If-Match", &etag), ("If-None-Match", tags)],
            );
            assert_eq!(problem(&answer).0, "precondition-failed", "{method} {tags}");
        }
        let neither = [("If-Match", "\"x\""), ("If-None-Match", "\"x\"")];
        let answer = edit(&task, method, &neither);
        assert_eq!(problem(&answer).0, "precondition-failed", "{method}");
    }
    assert_eq!(task.get("/api/users/1").header("etag"), etag);

    let others = ["\"x\"", "\"x,*,y\"", "\"*\"", &etag.to_uppercase(), ""];
    for method in ["PUT", "PATCH"] {
        for tags in others {
            let answer = edit(&task, method, &[("If-None-Match", tags)]);
            assert_eq!(answer.status, 200, "{method} {tags}");
        }
    }
    let both = [("If-Match", etag.as_str()), ("If-None-Match", "\"x\"")];
    assert_eq!(edit(&task, "DELETE", &both).status, 204);
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = edit(&task, method, &[("If-None-Match", "*")]);
        assert_eq!(problem(&answer).0, "not-found", "{method}");
    }
}

#[test]
fn a_malformed_if_none_match_refuses_every_write() {
    let task = writable().start();
    let etag = create(&task, "finn").header("etag").to_owned();
    let malformed = [
        format!("{etag}, *"),
        "\"a\", *".to_owned(),
        "*, *".to_owned(),
        etag.trim_matches('"').to_owned(),
        etag.trim_end_matches('"').to_owned(),
        "\"x".to_owned(),
        format!("\"x\" {etag}"),
        format!("\"x,{etag}"),
        "x".to_owned(),
    ];
    for method in ["PUT", "PATCH", "DELETE"] {
        for tags in &malformed {
            let answer = edit(&task, method, &[("If-None-Match", tags)]);
            assert_eq!(problem(&answer).0, "precondition-failed", "{method} {tags}");
        }
        let two_lines = [("If-None-Match", "\"x\""), ("If-None-Match", "*")];
        let answer = edit(&task, method, &two_lines);
        assert_eq!(problem(&answer).0, "precondition-failed", "{method}");
    }
    for tags in &malformed {
        let read = Request::get("/api/users/1").header("If-None-Match", tags);
        assert_eq!(task.ask(&read).status, 200, "{tags}");
    }
}
