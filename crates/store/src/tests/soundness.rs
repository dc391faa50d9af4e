//! The next start reads every record that a write makes: with random bodies, merges, and
//! members that only the file has.

use common::{Model, Post, Timestamp, User};
use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use crate::{
    author::Author,
    batch::Batch,
    error::WriteError,
    json::read,
    memory::state::State,
    round_trip::{Files, records},
    write::{Operation, Precondition},
};

const NUMBER: &str = "$serde_json::private::Number";

/// A client's request. The body is any text.
#[derive(Debug, Clone)]
enum Ask {
    Create(String),
    Replace(u64, String),
    Patch(u64, String),
    Delete(u64),
}

impl Ask {
    /// The operation of this request on a collection of `M`, without the other model's
    /// members; `None` when the body is refused.
    fn operation<M: Model>(self) -> Option<Operation> {
        let none = Precondition::default();
        let object = |text: &str| match read(text.as_bytes()) {
            Ok(Value::Object(mut members)) => {
                let users = User::MEMBERS.iter().map(|member| member.name);
                let all = users.chain(Post::MEMBERS.iter().map(|member| member.name));
                let others = all.filter(|name| M::member(name).is_none());
                others.for_each(|name| drop(members.shift_remove(name)));
                Some(members)
            }
            _ => None,
        };
        Some(match self {
            Self::Create(text) => Operation::Create(object(&text)?, None),
            Self::Replace(id, text) => Operation::Replace(id, object(&text)?, none),
            Self::Patch(id, text) => Operation::Patch(id, object(&text)?.into(), none),
            Self::Delete(id) => Operation::Delete(id, none),
        })
    }
}

/// Where a text comes from. Files have more reserved names than bodies, since a body with such
/// a name is refused.
#[derive(Debug, Clone, Copy)]
enum Source {
    Client,
    File,
}

/// A name as it is spelled in JSON: a member's name, one of `serde_json`'s, or any other.
fn name(from: Source) -> impl Strategy<Value = String> {
    let own = [
        r#""id""#,
        r#""name""#,
        r#""createdAt""#,
        r#""badge""#,
        r#""x""#,
        r#""\u0078""#,
        r#""y""#,
        r#""""#,
    ];
    let reserved = [
        r#""$serde_json::private::Number""#,
        r#""$serde_json::private::RawValue""#,
        r#""\u0024serde_json::private::Number""#,
        r#""$serde_json::private::""#,
    ];
    let weight = match from {
        Source::Client => 1,
        Source::File => 20,
    };
    prop_oneof![
        20 => prop::sample::select(own.to_vec()).prop_map(str::to_owned),
        weight => prop::sample::select(reserved.to_vec()).prop_map(str::to_owned),
        2 => ".{0,6}".prop_map(|name| Value::from(name).to_string()),
    ]
}

/// A value as it is spelled in JSON. A few are not valid JSON.
fn value(from: Source) -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "true",
        "-0",
        "3",
        "1.0",
        "1E5",
        "1e999999",
        "-1e-999999",
        "12345678901234567890123.10",
        "18446744073709551616",
        r#""\u0000a""#,
        r#""abc""#,
        r#""3""#,
        r#""\ud83d\ude00""#,
        r#""{\"a\":1,\"a\":2}""#,
        "{}",
    ];
    let leaf = prop_oneof![
        30 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        6 => ".{0,12}".prop_map(|text| Value::from(text).to_string()),
        1 => prop::sample::select(vec!["01", "-", r#""\ud800""#, "1.", ""]).prop_map(str::to_owned),
        1 => (90..130_usize).prop_map(|levels| "[".repeat(levels) + &"]".repeat(levels)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let member = (name(from), inner).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            1 => items.prop_map(|items| format!("[{}]", items.join(","))),
            3 => prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// A body: all or some of the members that the models require, and any others.
fn body() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        3 => (0..4_u8).prop_map(|n| {
            // The members of both models: `Ask::operation` leaves those of the other one out.
            format!(r#""username":"user-{n}","name":"N","bio":"","thread":{},"text":"T","user":1"#, n + 1)
        }),
        1 => (name(Source::Client), value(Source::Client)).prop_map(|(name, value)| format!("{name}:{value}")),
        5 => Just(String::new()),
    ];
    let badge = prop_oneof![
        1 => Just(String::new()),
        2 => value(Source::Client).prop_map(|value| format!(r#""badge":{value}"#)),
    ];
    (known, badge).prop_map(|(known, badge)| {
        let members = [known, badge].into_iter().filter(|part| !part.is_empty());
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        2 => body().prop_map(Ask::Create),
        2 => (1..3_u64, body()).prop_map(|(id, body)| Ask::Replace(id, body)),
        8 => (1..3_u64, body()).prop_map(|(id, body)| Ask::Patch(id, body)),
        1 => (2..4_u64).prop_map(Ask::Delete),
    ]
}

/// The time of a clock that may be put back.
fn clock() -> impl Strategy<Value = Timestamp> {
    let seconds = prop::sample::select(vec![
        "2026-03-04T09:00:00Z",
        "2026-03-04T09:00:01Z",
        "1999-01-01T00:00:00Z",
    ]);
    seconds.prop_map(|text| serde_json::from_value(text.into()).unwrap())
}

fn survives<M: Model>(record: &str, badge: &str, asks: Vec<(Ask, Timestamp)>) {
    let file = |badge: &str| format!(r#"{{"{}":[{{"id":1,{record}{badge}}}]}}"#, M::COLLECTION);
    let with_badge = Files::<M>::start(file(&format!(r#","badge":{badge}"#)).as_bytes());
    let mut files = with_badge.unwrap_or_else(|| Files::start(file("").as_bytes()).unwrap());
    for (ask, now) in asks {
        if let Some(operation) = ask.operation::<M>() {
            // This panics when the write is accepted but a start would not read it.
            drop(files.write(operation, now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_accepted_is_read_by_the_next_start(
        badge in value(Source::File),
        asks in prop::collection::vec((ask(), clock()), 1..8),
    ) {
        survives::<User>(r#""username":"finn","name":"F","bio":"""#, &badge, asks.clone());
        survives::<Post>(r#""thread":1,"text":"t","user":1"#, &badge, asks);
    }

    /// If `verify` accepts the files, a start can write them and the next start can read them.
    #[test]
    fn what_a_journal_adds_can_be_written_and_read(put in body(), id in 0..3_u64) {
        let put = put.replacen('{', &format!(r#"{{"id":{id},"#), 1).replace(",}", "}");
        for put in [put, format!(r#"{{"id":{id},"username":"finn","name":"F","bio":""}}"#)] {
            let Ok(put) = RawValue::from_string(put) else { continue };
            let mut files = Files::<User>::start(
                br#"{"users":[{"id":2,"username":"finn","name":"F","bio":""}]}"#
            ).unwrap();
            files.append_record(put);
            if let Ok(recovered) = files.recovered() {
                crate::round_trip::assert_survives(&recovered);
            }
        }
    }
}

/// A record with a member that the model does not know. Its names have a special meaning in
/// `serde_json`.
#[test]
fn a_file_with_names_of_serde_json_is_served_as_it_is() {
    let badge = format!(r#"{{"{NUMBER}":"abc"}}"#);
    let text =
        format!(r#"{{"users":[{{"id":1,"username":"a","name":"A","bio":"","badge":{badge}}}]}}"#);
    let mut files = Files::<User>::start(text.as_bytes()).unwrap();
    let now = Timestamp::now();
    let patch = |patch| Operation::Patch(1, patch, Precondition::default());
    for bio in ["b", "c"] {
        files.write(patch(json!({ "bio": bio })), now).unwrap();
        let record = records(&files.document.state).remove(0);
        assert!(record.contains(&format!(r#""badge":{badge}"#)), "{record}");
    }
    files.write(patch(json!({"badge": null})), now).unwrap();
    assert!(!records(&files.document.state)[0].contains("badge"));
}

#[test]
fn a_journal_is_held_to_what_a_file_is_held_to() {
    let file = r#"{"users":[{"id":2,"username":"finn","name":"F","bio":""}]}"#;
    let user = r#""username":"jake","name":"J","bio":"""#;
    for (put, expected) in [
        (
            format!(r#"{{"id":1,{user},"x":1,"x":2}}"#),
            r#"user 1 cannot be read: expected "x" only once"#,
        ),
        (
            format!(r#"{{"id":1,{user},"x":"\ud800"}}"#),
            "user 1 cannot be read: unexpected end of hex escape",
        ),
        (
            format!(r"{{{user}}}"),
            "a user cannot be read: missing field `id`",
        ),
        (
            format!(r#"{{"id":0,{user}}}"#),
            "user 0 cannot be read: invalid value",
        ),
        (
            r#"{"id":1,"username":"jake","bio":""}"#.to_owned(),
            "user 1 cannot be read: missing field `name`",
        ),
        (
            r#"{"id":1,"username":"finn","name":"F","bio":""}"#.to_owned(),
            "user 1: expected a username that user 2 does not have",
        ),
        (
            "[]".to_owned(),
            "a user cannot be read: expected a user (an object)",
        ),
    ] {
        let mut files = Files::<User>::start(file.as_bytes()).unwrap();
        files.append_record(RawValue::from_string(put).unwrap());
        let said = files.recovered().err().expect(expected);
        assert!(said.starts_with(expected), "{said}");
    }
    let mut files = Files::<Post>::start(br#"{"posts":[]}"#).unwrap();
    let without_id = r#"{"thread":1,"text":"t","user":1}"#.to_owned();
    files.append_record(RawValue::from_string(without_id).unwrap());
    assert_eq!(
        files.recovered().err().unwrap(),
        "expected a post with an id"
    );
    // Reserved names, which an earlier release may have written.
    let mut files = Files::<User>::start(file.as_bytes()).unwrap();
    let old = format!(r#"{{"id":2,{user},"badge":{{"{NUMBER}":"abc"}}}}"#);
    files.append_record(RawValue::from_string(old.clone()).unwrap());
    let recovered = files.recovered().unwrap();
    assert_eq!(records(&recovered.state), [old]);
    crate::round_trip::assert_survives(&recovered);
}

#[test]
fn no_version_of_a_record_is_older_than_the_one_before() {
    let at = |text: &str| serde_json::from_value::<Timestamp>(text.into()).unwrap();
    let (early, late) = (at("2026-03-04T09:00:00Z"), at("2026-03-04T10:00:00Z"));
    let mut files = Files::<User>::start(br#"{"users":[]}"#).unwrap();
    let user = json!({"username": "finn", "name": "F", "bio": ""});
    let create = Operation::Create(user.as_object().unwrap().clone(), None);
    let patch = |bio: &str| Operation::Patch(1, json!({ "bio": bio }), Precondition::default());
    files.write(create, late).unwrap();
    for (bio, now, expected) in [
        ("a", early, late),
        ("b", at("2026-03-04T11:00:00Z"), at("2026-03-04T11:00:00Z")),
        ("c", late, at("2026-03-04T11:00:00Z")),
    ] {
        files.write(patch(bio), now).unwrap();
        let record: Value = serde_json::from_str(&records(&files.document.state)[0]).unwrap();
        assert_eq!(record["createdAt"], late.to_string());
        assert_eq!(record["updatedAt"], expected.to_string());
    }
}

#[test]
fn after_the_last_id_no_record_is_created() {
    let text = r#"{"users":[],"lastIds":{"users":9007199254740990}}"#;
    let mut files = Files::<User>::start(text.as_bytes()).unwrap();
    let create = |name: &str| {
        let user = json!({"username": name, "name": "F", "bio": ""});
        Operation::Create(user.as_object().unwrap().clone(), None)
    };
    let last = files.write(create("finn"), Timestamp::now()).unwrap();
    assert_eq!(last.id, 9_007_199_254_740_991);
    let refused = files.write(create("jake"), Timestamp::now()).err();
    assert_eq!(refused, Some(WriteError::NoMoreIds));
    let state = State::<User>::new();
    let mut batch = Batch::new(&state, Timestamp::now());
    assert_eq!(
        batch
            .decide(Author::Service, create("finn"))
            .map(|written| written.id),
        Ok(1)
    );
}
