//! Hostile bodies: each is refused with its problem, and nothing changes.

use serde_json::json;

use crate::writes::{USER, Writer};

/// A body, the problem that answers it, and the pointers to its wrong members.
type Hostile = (String, &'static str, Vec<String>);

fn hostile(body: impl Into<String>, problem: &'static str, pointers: &[&str]) -> Hostile {
    let pointers = pointers.iter().map(ToString::to_string);
    (body.into(), problem, pointers.collect())
}

/// Sends each body. Expects its problem, and that nothing changes.
fn assert_refused(writer: &Writer, method: &str, bodies: &[Hostile]) {
    let task = writer.start();
    let before = task.get(&writer.list()).body;
    for (body, problem, pointers) in bodies {
        let request = writer.request(method, &writer.target(method));
        let response = task.ask(&request.body("application/json", body.as_str()));
        let shown: String = body.chars().take(80).collect();
        let expected = match *problem {
            // Who may not create is told so before what is wrong with the record, if it is an object.
            "invalid-record"
                if method == "POST" && !writer.creates_and_deletes() && *pointers != [""] =>
            {
                ("forbidden".to_owned(), Vec::new())
            }
            problem => (problem.to_owned(), pointers.clone()),
        };
        assert_eq!(response.problem(), expected, "{method} {shown}");
        if *problem == "malformed-json" {
            let problem = response.json();
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(
                detail.starts_with("line ") && detail.contains(", column "),
                "{detail}"
            );
        }
    }
    assert_eq!(task.get(&writer.list()).body, before);
}

/// # Panics
/// When an answer is another.
pub fn every_hostile_new_record_is_its_own_problem(writer: &Writer) {
    let text = writer.collection.text;
    let with = |name: &str, value: &str| {
        let record = writer.record("new").to_string();
        let record = record.trim_end_matches('}');
        format!("{record},\"{name}\":{value}}}")
    };
    let long = |bytes: usize| {
        let mut record = writer.record("new");
        record[text] = "".into();
        record[text] = "x".repeat(bytes - record.to_string().len()).into();
        record.to_string()
    };
    let mut wrong = vec!["/a~1b"];
    wrong.extend(writer.collection.wrong_pointers);
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    assert_refused(
        writer,
        "POST",
        &[
            hostile("", "malformed-json", &[]),
            hostile("{\"a\": \"x\",\n oops}", "malformed-json", &[]),
            hostile("\u{feff}{}", "malformed-json", &[]),
            hostile(with("nested", &nested), "malformed-json", &[]),
            hostile(with("half", r#""\ud800""#), "malformed-json", &[]),
            hostile(with(text, r#""twice""#), "malformed-json", &[]),
            hostile("[]", "invalid-record", &[""]),
            hostile("null", "invalid-record", &[""]),
            hostile(with("id", "7"), "invalid-record", &["/id"]),
            hostile(with_unknown(&with_owner(writer)), "invalid-record", &wrong),
            hostile(long(64 * 1024), "invalid-record", &[&format!("/{text}")]),
            hostile(long(64 * 1024 + 1), "too-large", &[]),
        ],
    );
}

/// The wrong members, and the owner, which the service's key has to name.
fn with_owner(writer: &Writer) -> String {
    let wrong = writer.collection.wrong;
    match writer.collection.owner {
        Some(owner) => wrong.replacen('{', &format!("{{\"{owner}\":{USER},"), 1),
        None => wrong.to_owned(),
    }
}

/// The members with one more that no model knows.
fn with_unknown(members: &str) -> String {
    members.replacen('{', r#"{"a/b":1,"#, 1)
}

/// # Panics
/// When an answer is another.
pub fn every_hostile_edit_is_its_own_problem(writer: &Writer) {
    let wrong = writer.collection.wrong;
    let pointers = writer.collection.wrong_pointers;
    let mut unknown = vec!["/a~1b"];
    unknown.extend(pointers);
    assert_refused(
        writer,
        "PATCH",
        &[
            hostile("{", "malformed-json", &[]),
            hostile(r#"{"id":2}"#, "invalid-record", &["/id"]),
            hostile(r#"{"id":1.0}"#, "invalid-record", &["/id"]),
            hostile(wrong, "invalid-record", pointers),
            hostile(with_unknown(wrong), "invalid-record", &unknown),
            hostile(r#"{"unknown":null}"#, "invalid-record", &["/unknown"]),
            hostile("7", "invalid-record", &[""]),
        ],
    );
    assert_refused(
        writer,
        "PUT",
        &[
            hostile("{", "malformed-json", &[]),
            hostile(wrong, "invalid-record", pointers),
            hostile(with_unknown(wrong), "invalid-record", &unknown),
            hostile("[1]", "invalid-record", &[""]),
        ],
    );
}

/// # Panics
/// When an answer is another.
pub fn other_media_types_are_refused_with_those_that_are_not(writer: &Writer) {
    let task = writer.start();
    for (method, media_type, header) in [
        ("POST", "text/plain", "accept-post"),
        ("POST", "application/merge-patch+json", "accept-post"),
        ("PUT", "application/merge-patch+json", "accept"),
        ("PATCH", "application/json-patch+json", "accept-patch"),
    ] {
        let request = writer.request(method, &writer.target(method));
        let response = task.ask(&request.body(media_type, "{}"));
        let problem = response.problem().0;
        assert_eq!(problem, "unsupported-media-type", "{method} {media_type}");
        assert!(response.header(header).contains("json"), "{method}");
    }
    let mut connection = task.connect();
    let without = writer.request("PATCH", &writer.path(1));
    let without = without.header("Content-Length", 2);
    connection.send(&[without.to_bytes(), b"{}".to_vec()].concat());
    let response = connection.response("PATCH");
    assert_eq!(response.problem().0, "unsupported-media-type");
    let merge_patch = writer.request("PATCH", &writer.path(1));
    let merge_patch = merge_patch.body(
        "application/merge-patch+json",
        json!(writer.change("b")).to_string(),
    );
    assert_eq!(task.ask(&merge_patch).status, 200);
}

/// # Panics
/// When an answer is another.
pub fn a_chunked_body_is_bounded_too(writer: &Writer) {
    let task = writer.start();
    for method in ["POST", "PUT", "PATCH"] {
        let mut connection = task.connect();
        let head = writer.request(method, &writer.target(method));
        let head = head
            .header("Content-Type", "application/json")
            .header("Transfer-Encoding", "chunked");
        connection.send(&head.to_bytes());
        let spaces = " ".repeat(48 * 1024);
        let chunk = format!("{:x}\r\n{spaces}\r\n", spaces.len());
        connection.send(chunk.as_bytes());
        connection.send(chunk.as_bytes());
        let response = connection.response(method);
        assert_eq!(response.problem().0, "too-large", "{method}");
    }
}
