use common::User;

use crate::{
    document::load::Document,
    round_trip::{assert_survives, keys, written},
};

const A: &str = "0000000000000000000000000000000a";
const B: &str = "0000000000000000000000000000000b";

/// A key with these members beside `key`.
fn key(members: &str) -> String {
    format!(r#"{{"key":"{A}",{members}}}"#)
}

/// A key that a file may have.
fn sound() -> String {
    let at = "2026-03-04T09:12:33.120Z";
    key(&format!(r#""user":3,"body":"{B}","id":1,"at":"{at}""#))
}

fn file(keys: &str) -> String {
    format!("{{\"users\": [],\n\"idempotencyKeys\": {keys}}}")
}

#[test]
fn keys_are_read_and_written_beside_the_last_ids_those_of_other_collections_too() {
    let (own, others) = (sound(), sound().replace("\"user\":3,", ""));
    let text = file(&format!(
        r#"{{"users": [{own}, {others}], "posts": [{others}], "threads": []}}"#
    ));
    let document = Document::<User>::parse(text.as_bytes()).unwrap();
    assert_eq!(keys(&document.state), [own.clone(), others.clone()]);
    assert_survives(&document);
    let lines = [
        "{".to_owned(),
        "  \"users\": [],".to_owned(),
        "  \"lastIds\": {\"users\":1},".to_owned(),
        "  \"idempotencyKeys\": {\"posts\": [".to_owned(),
        format!("    {others}"),
        "  ], \"users\": [".to_owned(),
        format!("    {own},"),
        format!("    {others}"),
        "  ]}".to_owned(),
        "}\n".to_owned(),
    ];
    let written = String::from_utf8(written(&document)).unwrap();
    assert_eq!(written, lines.join("\n"));
}

#[test]
fn a_file_without_keys_is_as_it_was() {
    for keys in ["{}", r#"{"users": []}"#, r#"{"posts": []}"#] {
        let document = Document::<User>::parse(file(keys).as_bytes()).unwrap();
        assert_eq!(written(&document), b"{\n  \"users\": []\n}\n");
    }
}

#[test]
fn bad_keys_are_refused_with_place_and_expectation() {
    let sound = sound();
    let listed = |keys: &str| format!(r#"{{"users": [{keys}]}}"#);
    for (keys, expected) in [
        (
            "[]".to_owned(),
            "line 2, column 19: invalid type: sequence, expected an object with the remembered keys of each collection",
        ),
        (
            r#"{"users": {}}"#.to_owned(),
            "line 2, column 29: invalid type: map, expected an array of remembered keys",
        ),
        (
            r#"{"users": [], "users": []}"#.to_owned(),
            "expected \"users\" only once",
        ),
        (
            listed("7"),
            "line 2, column 31: invalid type: integer `7`, expected a remembered key (an object)",
        ),
        (
            listed(&sound.replace(A, "a")),
            "expected 32 hexadecimal digits in lower case",
        ),
        (
            listed(&sound.replace(B, &B.to_uppercase())),
            "expected 32 hexadecimal digits in lower case",
        ),
        (
            listed(&sound.replace(":3", ":0")),
            "expected an integer from 1 to 9007199254740991",
        ),
        (
            listed(&sound.replace(":1,", ":1.5,")),
            "expected an integer from 1 to 9007199254740991",
        ),
        (
            listed(&sound.replace("2026", "26")),
            "expected an RFC 3339 time",
        ),
        (
            listed(&sound.replace("\"id\":1,", "")),
            "missing field `id`",
        ),
        (
            listed(&sound.replace("\"id\"", "\"x\":1,\"id\"")),
            "unknown field `x`",
        ),
        (
            listed(&sound.replace("\"id\":1", "\"id\":1,\"id\":1")),
            "duplicate field `id`",
        ),
        (
            listed(&format!("{sound},\n{sound}")),
            "line 3, column 133: expected each key of a user, or of the service, only once",
        ),
    ] {
        let said = Document::<User>::parse(file(&keys).as_bytes());
        let said = said.err().expect("it is refused").to_string();
        assert!(said.contains(expected), "{keys}: {said}");
        assert!(said.starts_with("line "), "{said}");
    }
}
