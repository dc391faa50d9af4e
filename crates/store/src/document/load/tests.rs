use common::{Post, User};

use super::*;
use crate::round_trip::written;

fn texts<M: Model>(state: &State<M>) -> Vec<String> {
    let text = |id| {
        state
            .get(id)
            .map(|json| String::from_utf8(json.to_vec()).unwrap())
    };
    (1..=state.last_id).filter_map(text).collect()
}

/// What is said of a text that is refused, in pieces of any size.
fn refused<M: Model>(text: &str) -> String {
    let said = said::<M>(text.as_bytes(), text.len() + 1);
    for piece_bytes in [1, 2, 3, 5, 8, 13, 21, 64] {
        assert_eq!(
            self::said::<M>(text.as_bytes(), piece_bytes),
            said,
            "{text}"
        );
    }
    said
}

fn said<M: Model>(text: &[u8], piece_bytes: usize) -> String {
    match Document::<M>::read_in_pieces(text, piece_bytes) {
        Err(Unread::Fault(fault)) => fault.to_string(),
        Err(Unread::Io(error)) => panic!("{error}"),
        Ok(_) => panic!("{} was read", String::from_utf8_lossy(text)),
    }
}

#[test]
fn what_no_model_knows_is_kept_as_it_is() {
    let text = r#" { "version": 3, "users" : [
        { "zeal" : 1.50, "id": 1, "username": "finn", "name": "F", "bio": "", "x": {"b": [1, 2]} } ] } "#;
    let expected = r#"{"zeal":1.50,"id":1,"username":"finn","name":"F","bio":"","x":{"b":[1,2]}}"#;
    assert_eq!(
        texts(&Document::<User>::parse(text.as_bytes()).unwrap().state),
        [expected]
    );
}

#[test]
fn posts_without_ids_are_numbered_in_file_order() {
    let text = r#"{"posts":[{"thread":2,"text":"a","user":1},{"thread":1,"text":"b","user":1}]}"#;
    let expected = [
        r#"{"id":1,"thread":2,"text":"a","user":1}"#,
        r#"{"id":2,"thread":1,"text":"b","user":1}"#,
    ];
    assert_eq!(
        texts(&Document::<Post>::parse(text.as_bytes()).unwrap().state),
        expected
    );
}

#[test]
fn records_may_stand_in_any_order() {
    let posts = [7, 3, 9, 1].map(|id| format!(r#"{{"id":{id},"thread":1,"text":"t","user":1}}"#));
    let text = format!(r#"{{"posts":[{}]}}"#, posts.join(","));
    let state = Document::<Post>::parse(text.as_bytes()).unwrap().state;
    assert_eq!(texts(&state), [3, 1, 0, 2].map(|at| posts[at].clone()));
    let key = common::Key::Id(1);
    assert!(state.posting(0, &key).unwrap().ids().eq([1, 3, 7, 9]));
}

/// A file with one user of these members.
fn user(members: &str) -> String {
    format!("{{\"users\": [\n  {{{members}}}\n]}}")
}

#[test]
fn a_bad_file_is_refused_with_place_and_expectation() {
    let fine = r#""username": "finn", "name": "F", "bio": """#;
    let cases = [
        (String::new(), "line 1, column 1: EOF while parsing a value"),
        ("{\"users\": [}".into(), "line 1, column 12: expected value"),
        (
            "[]".into(),
            "line 1, column 1: invalid type: sequence, expected an object with a member \"users\"",
        ),
        (
            "{}".into(),
            "line 1, column 1: expected a member \"users\" with an array",
        ),
        (
            "{\"users\": {}}".into(),
            "line 1, column 10: invalid type: map, expected an array of users",
        ),
        (
            "{\"users\": [], \"users\": []}".into(),
            "line 1, column 21: expected \"users\" only once",
        ),
        (
            "{\"users\": []} x".into(),
            "line 1, column 15: trailing characters",
        ),
        (
            "{\"users\": [7]}".into(),
            "line 1, column 12: expected a user (an object)",
        ),
        (
            "{\"users\":\n[[1, \"finn\", \"F\", \"\", null, null]]}".into(),
            "line 2, column 2: expected a user (an object)",
        ),
        (user(fine), "line 2, column 46: missing field `id`"),
        (
            user(&format!("\"id\": 0, {fine}")),
            "line 2, column 10: invalid value: integer `0`, expected an integer from 1 to 9007199254740991",
        ),
        (
            user(&format!("\"id\": \"1\", {fine}")),
            "line 2, column 12: invalid type: string \"1\", expected an integer",
        ),
        (
            user(&format!("\"id\": 1.5, {fine}")),
            "line 2, column 12: invalid type: floating point `1.5`, expected an integer",
        ),
        (
            user(&format!("\"id\": 1, \"id\": 2, {fine}")),
            "line 2, column 16: duplicate field `id`",
        ),
        (
            user("\"id\": 1, \"username\": \"Finn\", \"name\": \"é\", \"bio\": \"\""),
            "line 2, column 30: expected 1 to 32 characters of a-z, 0-9, _ and -",
        ),
        (
            user("\"id\": 1, \"username\": \"finn\", \"name\": \"é\", \"bio\": 7"),
            "line 2, column 53: invalid type: integer `7`, expected a string",
        ),
        (
            user("\"id\": 1, \"username\": \"finn\", \"name\": \"\", \"bio\": \"\""),
            "line 2, column 42: expected 1 to 100 characters, got 0",
        ),
        (
            user(&format!("\"id\": 1, {fine}, \"createdAt\": \"yesterday\"")),
            "expected an RFC 3339 time",
        ),
        (
            user(&format!("\"id\": 1, {fine}, \"x\": \"\\ud800\"")),
            "hex escape",
        ),
        (
            user(&format!(
                "\"id\": 1, {fine}}},\n  {{\"id\": 1, {}",
                fine.replace("finn", "jake")
            )),
            "line 3, column 3: expected an id other than 1, which another record has",
        ),
        (
            user(&format!("\"id\": 1, {fine}}},\n  {{\"id\": 2, {fine}")),
            "line 3, column 3: expected a username that user 1 does not have",
        ),
    ];
    for (text, expected) in cases {
        let got = refused::<User>(&text);
        assert!(
            got.contains(expected),
            "{text}\n  got      {got}\n  expected {expected}"
        );
    }
    let binary = Document::<User>::parse(b"{\"users\": [\n\xff]}")
        .err()
        .unwrap()
        .to_string();
    assert_eq!(binary, "line 2, column 1: expected UTF-8");
}

#[test]
fn a_key_that_stands_twice_is_refused_with_its_place() {
    let fine = r#""username": "finn", "name": "F", "bio": """#;
    let cases = [
        (
            "{\"users\": [], \"lastIds\": {\"users\": 9},\n \"lastIds\": {\"users\": 1}}".into(),
            "line 2, column 10: expected \"lastIds\" only once",
        ),
        (
            "{\"users\": [], \"lastIds\": {\"users\": 9, \"users\": 1}}".into(),
            "line 1, column 45: expected \"users\" only once",
        ),
        (
            "{\"version\": 1, \"v\\u0065rsion\": 1, \"users\": []}".into(),
            "line 1, column 29: expected \"version\" only once",
        ),
        (
            "{\"users\":[],\"q\":{\"a\":1,\"a\":2}}".into(),
            "line 1, column 26: expected \"a\" only once",
        ),
        (
            "{\"q\": {\"\\\"]\": \"a\",\n \"c\": [1, {\"é\": 1, \"\\u00e9\" : {\"b\": }}]}}".into(),
            "line 2, column 37: expected value",
        ),
        (
            "{\"q\": {\"\\\"]\": \"a\",\n \"c\": [1, {\"é\": 1, \"\\u00e9\" : {}}]}, \"users\": []}".into(),
            "line 2, column 27: expected \"é\" only once",
        ),
        (
            "{\"q\": [{\"\\ud800\": 1}, {\"\\ud800\": 1,\n\"\\ud800\": 2}], \"users\": []}".into(),
            "line 2, column 8: expected \"\\\"\\\\ud800\\\"\" only once",
        ),
        (
            "{\"users\": [], \"lastIds\": {\"users\": 9007199254740992}}".into(),
            "line 1, column 52: expected the last id given in users",
        ),
        (
            "{\"users\": [], \"lastIds\": []}".into(),
            "line 1, column 25: invalid type: sequence, expected an object with the last id given in each collection",
        ),
        (
            user(&format!("\"id\": 1, {fine}, \"x\": 1, \"x\": 2")),
            "line 2, column 67: expected \"x\" only once",
        ),
        (
            user(&format!(
                "\"id\": 1, {fine}, \"x\": [{{\"y\": 1, \"\\u0079\": 2}}]"
            )),
            "line 2, column 79: expected \"y\" only once",
        ),
    ];
    for (text, expected) in cases {
        let got = refused::<User>(&text);
        assert!(
            got.contains(expected),
            "{text}\n  got      {got}\n  expected {expected}"
        );
    }
}

#[test]
fn other_members_may_nest_deep_and_use_a_name_in_several_objects() {
    let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
    for other in [
        r#"{"a": {"a": [{"a": "a"}, {"a": 1}]}, "b": {"a": 2}}"#,
        r#"["a", "a", {"a": "a"}]"#,
        "\"a\"",
        &nested(10_000),
    ] {
        let text = format!("{{\"a\": {other}, \"users\": []}}");
        assert!(Document::<User>::parse(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn posts_have_ids_or_none_of_them_has() {
    let mixed =
        r#"{"posts":[{"thread":2,"text":"a","user":1},{"id":5,"thread":1,"text":"b","user":1}]}"#;
    assert_eq!(
        refused::<Post>(mixed),
        "line 1, column 44: expected either every record with an id or none"
    );
    assert_eq!(
        refused::<Post>(r#"{"posts":[{"id":null,"thread":2,"text":"a","user":1}]}"#),
        "line 1, column 11: expected an id, an integer from 1 to 9007199254740991"
    );
}

#[test]
fn what_is_read_does_not_depend_on_the_pieces() {
    let fine = r#""name": "é\u00e9😀", "bio": "]}, {\"" "#;
    let text = format!(
        r#" {{"version": -1.5e3, "a": [{{"users": []}}, "é"], "users": [
    {{"id": 4, "username": "a", {fine}, "x": {{"b": [ 1, 2 ]}}}},{{"id":2,"username":"b",{fine}}},
  {{ "id":7,"username": "c", {fine}}} ] , "lastIds": {{"users": 12, "posts": 3}},
  "number": 12 }}
"#
    );
    let whole = Document::<User>::parse(text.as_bytes()).unwrap();
    let records = texts(&whole.state);
    let expected = [2, 4, 7].map(|id| format!(r#"{{"id":{id},"#));
    assert!(
        records
            .iter()
            .zip(expected)
            .all(|(json, id)| json.starts_with(&id))
    );
    for piece_bytes in 1..=text.len() + 1 {
        let read = Document::<User>::read_in_pieces(text.as_bytes(), piece_bytes);
        let (document, digest) = read.unwrap();
        assert_eq!(digest, Digest::of(text.as_bytes()), "{piece_bytes}");
        assert_eq!(texts(&document.state), records, "{piece_bytes}");
        assert_eq!(document.state.last_id, 12);
        assert_eq!(written(&document), written(&whole), "{piece_bytes}");
    }
}

#[test]
fn of_several_faults_the_first_is_named() {
    let fine = r#""name":"F","bio":"""#;
    let users = [
        format!(r#"{{"id":1,"username":"a",{fine}}}"#),
        format!(r#"{{"id":2,"username":"a",{fine}}}"#),
        format!(r#"{{"id":3,"username":"A",{fine}}}"#),
        r#"{"id":4,"#.to_owned(),
    ];
    for (users, expected) in [
        (
            &users[..],
            "line 3, column 1: expected a username that user 1",
        ),
        (
            &users[1..],
            "line 3, column 22: expected 1 to 32 characters",
        ),
        (&users[3..], "line 2, column 8: EOF while parsing"),
    ] {
        let text = format!("{{\"users\":[\n{}", users.join(",\n"));
        let said = refused::<User>(&text);
        assert!(said.starts_with(expected), "{text}: {said}");
        for piece_bytes in [1, 10, 1000] {
            let text = [text.as_bytes(), b"\xff"].concat();
            let said = self::said::<User>(&text, piece_bytes);
            let beginning = expected.split(':').next().unwrap();
            if users.len() > 1 {
                assert!(said.starts_with(beginning), "{said}");
            } else {
                assert_eq!(said, "line 2, column 9: expected UTF-8");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_is_not_taken_for_a_shorter_one() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is broken"))
        }
    }
    let text = user(r#""id":1,"username":"finn","name":"F","bio":"""#);
    for end in 0..=text.len() {
        for piece_bytes in [1, 7, 1000] {
            let file = text.as_bytes()[..end].chain(Broken);
            let read = Document::<User>::read_in_pieces(file, piece_bytes);
            assert!(matches!(read, Err(Unread::Io(_))), "{end}, {piece_bytes}");
        }
    }
}
