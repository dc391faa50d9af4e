//! A faulty `db.json`. The store's tests cover every kind of fault; these show what the operator
//! sees of them.

use std::fs;

use testkit::Ended;

use crate::service;

fn refused(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.log().iter().all(|line| line["message"] != "ready"));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    &ended.stderr
}

#[test]
fn faults_are_named_with_file_line_column_and_what_was_expected() {
    let finn = r#""username": "finn", "name": "Finn", "bio": """#;
    for (text, place, expected) in [
        (
            "{\n  \"users\": [\n}".to_owned(),
            "line 3, column 1",
            "expected value",
        ),
        (
            "{\"threads\": []}".to_owned(),
            "line 1, column 1",
            "expected a member \"users\" with an array",
        ),
        (
            "{\"users\": 7}".to_owned(),
            "line 1, column 11",
            "expected an array of users",
        ),
        (
            "{\"users\": [\n7]}".to_owned(),
            "line 2, column 1",
            "expected a user (an object)",
        ),
        (
            format!(
                "{{\"users\": [\n{{\"id\": 1, {finn}}},\n{{\"id\": 1, {}}}]}}",
                finn.replace("finn", "jake")
            ),
            "line 3, column 1",
            "expected an id other than 1, which another record has",
        ),
        (
            "{\"users\": [], \"lastIds\": {\"users\": 9},\n\"lastIds\": {\"users\": 2}}".to_owned(),
            "line 2, column 9",
            "expected \"lastIds\" only once",
        ),
        (
            format!("{{\"users\": [\n{{\"id\": 1, {finn}, \"x\": 1,\n\"x\": 2}}]}}"),
            "line 3, column 3",
            "expected \"x\" only once",
        ),
        (
            format!("{{\"users\": [\n  {{\"id\": 1.5, {finn}}}]}}"),
            "line 2, column 12",
            "expected an integer from 1",
        ),
        (
            format!("{{\"users\": [\n  {{\"id\": \"1\", {finn}}}]}}"),
            "line 2, column 12",
            "expected an integer from 1",
        ),
        (
            format!("{{\"users\": [\n  {{{finn}}}]}}"),
            "line 2",
            "missing field `id`",
        ),
        (
            format!(
                "{{\"users\": [\n  {{\"id\": 1, {}}}]}}",
                finn.replace("\"Finn\"", "7")
            ),
            "line 2, column 41",
            "expected a string",
        ),
    ] {
        let service = service().db(&text);
        let ended = service.run();
        let message = refused(&ended);
        assert!(
            message.starts_with(&format!("users: db.json, {place}")),
            "{message}\n{text}"
        );
        assert!(message.contains(expected), "{message}\n{text}");
        assert!(
            message.ends_with("; mend the file and start again"),
            "{message}"
        );
        assert_eq!(
            fs::read_to_string(service.db_path()).unwrap(),
            text,
            "left as it was"
        );
    }
}

#[test]
fn a_missing_file_is_refused_with_the_way_out() {
    let ended = service().arg("--db").arg("/nowhere/db.json").run();
    let expected = "users: /nowhere/db.json does not exist; name the file with --db or DB_PATH";
    assert_eq!(refused(&ended), expected);
}

#[test]
fn what_is_no_file_is_refused() {
    // `/dev/zero` never ends.
    for path in ["/", "/dev/zero"] {
        let ended = service().env("DB_PATH", path).run();
        let expected = format!("users: cannot read {path}: it is not a regular file; ");
        assert!(refused(&ended).starts_with(&expected), "{}", ended.stderr);
    }
}
