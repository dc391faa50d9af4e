//! Conditional writes.

use crate::{Request, Response, Task, writes::Writer};

/// The problem of a condition that does not hold.
const FAILED: &str = "precondition-failed";

/// A write of the record with id 1 that changes nothing, so that its tag stays.
fn edit(writer: &Writer, task: &Task, method: &str, conditions: &[(&str, &str)]) -> Response {
    let target = writer.path(1);
    let mut request = match method {
        "DELETE" => writer.request(method, &target),
        "PATCH" => writer.write(method, &target, &serde_json::json!({})),
        _ => writer.write(method, &target, &writer.record("first")),
    };
    for (name, value) in conditions {
        request = request.header(name, *value);
    }
    task.ask(&request)
}

fn etag(writer: &Writer, task: &Task) -> String {
    task.get(&writer.path(1)).header("etag").to_owned()
}

/// # Panics
/// When an answer is another.
pub fn if_match_keeps_two_clients_from_overwriting_each_other(writer: &Writer) {
    let task = writer.start();
    let etag = etag(writer, &task);
    let patch = |tags: &str| {
        let request = writer.write("PATCH", &writer.path(1), &writer.change(tags));
        task.ask(&request.header("If-Match", tags))
    };
    for stale in [
        "\"x\"",
        &format!("W/{etag}"),
        "\"00000000000000000000000000000000\"",
    ] {
        assert_eq!(patch(stale).problem().0, FAILED, "{stale}");
    }
    assert_eq!(patch(&format!("\"x\", {etag}")).status, 200);
    assert_eq!(patch(&etag).problem().0, FAILED);
    assert_eq!(patch("*").status, 200);
    for method in writer.changes() {
        let outdated = edit(writer, &task, method, &[("If-Match", &etag)]);
        assert_eq!(outdated.problem().0, FAILED, "{method}");
    }
    let put = writer.write("PUT", &writer.path(9), &writer.record("x"));
    let put = task.ask(&put.header("If-Match", "*"));
    assert_eq!(put.problem().0, "not-found");
}

/// # Panics
/// When an answer is another.
pub fn if_match_compares_octets(writer: &Writer) {
    let task = writer.start();
    let etag = etag(writer, &task);
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
        let answer = edit(writer, &task, "PATCH", &[("If-Match", &other)]);
        assert_eq!(answer.problem().0, FAILED, "{other}");
    }
    let two_lines = [("If-Match", "\"x,*\""), ("If-Match", etag.as_str())];
    assert_eq!(edit(writer, &task, "PATCH", &two_lines).status, 200);
}

/// # Panics
/// When an answer is another.
pub fn if_none_match_refuses_what_it_names(writer: &Writer) {
    let task = writer.start();
    let etag = etag(writer, &task);
    let (weak, among) = (format!("W/{etag}"), format!("\"x,y\", {etag}"));
    let matching = ["*", &etag, &weak, &among];
    for method in writer.changes() {
        for tags in matching {
            for conditions in [
                &[("If-None-Match", tags)][..],
                &[("If-Match", &etag), ("If-None-Match", tags)],
            ] {
                let answer = edit(writer, &task, method, conditions);
                assert_eq!(answer.problem().0, FAILED, "{method} {tags}");
            }
        }
        let neither = [("If-Match", "\"x\""), ("If-None-Match", "\"x\"")];
        let answer = edit(writer, &task, method, &neither);
        assert_eq!(answer.problem().0, FAILED, "{method}");
    }
    assert_eq!(self::etag(writer, &task), etag);

    let others = ["\"x\"", "\"x,*,y\"", "\"*\"", &etag.to_uppercase(), ""];
    for method in ["PUT", "PATCH"] {
        for tags in others {
            let answer = edit(writer, &task, method, &[("If-None-Match", tags)]);
            assert_eq!(answer.status, 200, "{method} {tags}");
        }
    }
    if !writer.creates_and_deletes() {
        return;
    }
    let both = [("If-Match", etag.as_str()), ("If-None-Match", "\"x\"")];
    assert_eq!(edit(writer, &task, "DELETE", &both).status, 204);
    for method in writer.changes() {
        let answer = edit(writer, &task, method, &[("If-None-Match", "*")]);
        assert_eq!(answer.problem().0, "not-found", "{method}");
    }
}

/// # Panics
/// When an answer is another.
pub fn a_malformed_if_none_match_refuses_every_write(writer: &Writer) {
    let task = writer.start();
    let etag = etag(writer, &task);
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
    for method in writer.changes() {
        for tags in &malformed {
            let answer = edit(writer, &task, method, &[("If-None-Match", tags)]);
            assert_eq!(answer.problem().0, FAILED, "{method} {tags}");
        }
        let two_lines = [("If-None-Match", "\"x\""), ("If-None-Match", "*")];
        let answer = edit(writer, &task, method, &two_lines);
        assert_eq!(answer.problem().0, FAILED, "{method}");
    }
    for tags in &malformed {
        let read = Request::get(&writer.path(1)).header("If-None-Match", tags);
        assert_eq!(task.ask(&read).status, 200, "{tags}");
    }
}
