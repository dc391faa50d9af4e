//! What becomes of requests with a key. After each write a start must find the same records and
//! keys, from the journal and from a `db.json`.

use std::time::Duration;

use common::{Model, Timestamp, User};
use serde_json::{Value, json};

use crate::{
    author::{Author, NotAllowed},
    batch::Batch,
    error::WriteError,
    json::Object,
    memory::state::State,
    round_trip::{Files, keys, written},
    rules::body,
    write::{IdempotencyKey, KeyedRequest, Operation, Precondition},
};

const SERVICE: Author = Author::Service;

fn start() -> Timestamp {
    serde_json::from_str("\"2026-03-04T09:12:33.120Z\"").unwrap()
}

/// So long before [`start`].
fn before(hours: u64) -> Timestamp {
    start().saturating_sub(Duration::from_hours(hours))
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

fn create(key: &str, members: Value) -> Operation {
    let members = object(members);
    let key = IdempotencyKey::new(key.as_bytes());
    let keyed = KeyedRequest::new(key, body::digest(&members));
    Operation::Create(members, Some(keyed))
}

fn user(username: &str) -> Value {
    json!({"username": username, "name": "N", "bio": ""})
}

fn files<M: Model>() -> Files<M> {
    let text = format!(r#"{{"{}":[]}}"#, M::COLLECTION);
    Files::start(text.as_bytes()).unwrap()
}

/// Sends a request: the record's id, and whether it is a replay.
fn send<M: Model>(
    files: &mut Files<M>,
    author: Author,
    operation: Operation,
    now: Timestamp,
) -> Result<(u64, bool), WriteError> {
    let written = files.write_as(author, operation, now)?;
    Ok((written.id, written.replayed))
}

#[test]
fn a_request_that_is_sent_again_makes_no_second_record() {
    let mut files = files::<User>();
    let first = files.write(create("k", user("finn")), start()).unwrap();
    let again = files.write(create("k", user("finn")), start()).unwrap();
    assert_eq!((first.id, first.replayed), (1, false));
    assert_eq!((again.id, again.replayed), (1, true));
    assert_eq!(again.record, first.record);
    let other = files.write(create("l", user("jake")), start()).unwrap();
    assert_eq!((other.id, other.replayed), (2, false));
}

#[test]
fn the_answer_has_the_record_as_it_is_now() {
    let mut files = files::<User>();
    files.write(create("k", user("finn")), start()).unwrap();
    let rename = Operation::Patch(1, json!({"username": "fionna"}), Precondition::default());
    let renamed = files.write(rename, start()).unwrap().record;
    // Another user has the username now. That request has been answered before.
    files.write(create("l", user("finn")), start()).unwrap();
    let again = files.write(create("k", user("finn")), start()).unwrap();
    assert_eq!((again.id, again.replayed, again.record), (1, true, renamed));
}

#[test]
fn another_body_is_refused() {
    let mut files = files::<User>();
    files.write(create("k", user("finn")), start()).unwrap();
    // Whether or not it would make a record.
    for members in [user("jake"), json!({"username": 7}), json!({})] {
        let refused = files.write(create("k", members), start()).unwrap_err();
        assert_eq!(refused, WriteError::KeyReused { id: 1 });
    }
}

#[test]
fn a_record_that_was_deleted_is_not_made_again() {
    let mut files = files::<User>();
    files.write(create("k", user("finn")), start()).unwrap();
    let delete = Operation::Delete(1, Precondition::default());
    files.write(delete, start()).unwrap();
    let refused = files.write(create("k", user("finn")), start()).unwrap_err();
    assert_eq!(refused, WriteError::MadeAndDeleted { id: 1 });
}

#[test]
fn a_refusal_is_not_remembered() {
    let mut files = files::<User>();
    files.write(create("j", user("finn")), start()).unwrap();
    for members in [user("finn"), json!({})] {
        files.write(create("k", members), start()).unwrap_err();
    }
    let made = files.write(create("k", user("jake")), start()).unwrap();
    assert_eq!((made.id, made.replayed), (2, false));
}

#[test]
fn a_key_is_its_callers_own_and_a_moderator_is_that_user() {
    let mut files = files::<common::Thread>();
    let thread = |owner: u64| create("k", json!({"title": "T", "createdBy": owner}));
    for (author, owner, expected) in [
        (SERVICE, 3, Ok((1, false))),
        (Author::User(3), 3, Ok((2, false))),
        (Author::User(4), 4, Ok((3, false))),
        (SERVICE, 3, Ok((1, true))),
        (Author::User(3), 3, Ok((2, true))),
        (Author::Moderator(3), 3, Ok((2, true))),
        (Author::Moderator(5), 3, Ok((4, false))),
        // What the caller may not do comes first.
        (
            Author::User(5),
            3,
            Err(WriteError::NotAllowed(NotAllowed::OtherOwner {
                member: "createdBy",
                user: 5,
            })),
        ),
        (Author::User(5), 5, Err(WriteError::KeyReused { id: 4 })),
    ] {
        let sent = send(&mut files, author, thread(owner), start());
        assert_eq!(sent, expected, "{author:?}, {owner}");
    }
}

#[test]
fn a_key_is_remembered_for_24_hours_by_its_own_time() {
    let mut files = files::<User>();
    for (username, hours) in [("finn", 25), ("jake", 24), ("bmo", 23)] {
        let request = create(username, user(username));
        files.write(request, before(hours)).unwrap();
    }
    let rename = |id| {
        let patch = json!({"username": format!("former-{id}")});
        Operation::Patch(id, patch, Precondition::default())
    };
    for id in 1..=3 {
        files.write(rename(id), before(3)).unwrap();
    }
    // Nothing has been written meanwhile that would have forgotten a key.
    assert_eq!(keys(&files.document.state).len(), 3);
    for (username, expected) in [
        ("bmo", (3, true)),
        ("jake", (4, false)),
        ("finn", (5, false)),
    ] {
        let sent = send(
            &mut files,
            SERVICE,
            create(username, user(username)),
            start(),
        );
        assert_eq!(sent, Ok(expected), "{username}");
    }
}

#[test]
fn any_write_forgets_what_is_older_than_24_hours() {
    let mut files = files::<User>();
    files.write(create("k", user("finn")), before(24)).unwrap();
    assert!(
        String::from_utf8(written(&files.document))
            .unwrap()
            .contains("idempotencyKeys")
    );
    let delete = Operation::Delete(1, Precondition::default());
    files.write(delete, start()).unwrap();
    assert_eq!(keys(&files.document.state), [""; 0]);
    let text = String::from_utf8(written(&files.document)).unwrap();
    assert_eq!(
        text,
        "{\n  \"users\": [],\n  \"lastIds\": {\"users\":1}\n}\n"
    );
}

#[test]
fn the_decisions_of_a_batch_see_its_own_keys() {
    let state = State::<User>::new();
    let mut batch = Batch::new(&state, start());
    let mut made = Vec::new();
    for _ in 0..64 {
        let written = batch.decide(SERVICE, create("k", user("finn"))).unwrap();
        made.push((written.id, written.replayed));
    }
    assert_eq!(made[0], (1, false));
    assert!(made[1..].iter().all(|sent| *sent == (1, true)));
    let reused = batch.decide(SERVICE, create("k", user("jake")));
    assert_eq!(reused.err(), Some(WriteError::KeyReused { id: 1 }));
    let delete = Operation::Delete(1, Precondition::default());
    batch.decide(SERVICE, delete).unwrap();
    let deleted = batch.decide(SERVICE, create("k", user("finn")));
    assert_eq!(deleted.err(), Some(WriteError::MadeAndDeleted { id: 1 }));
    let (changes, journalled) = batch.into_changes();
    assert_eq!((changes.len(), journalled.keys.remember.len()), (2, 1));
}

#[test]
fn an_id_in_a_key_is_not_given_again() {
    let at = start();
    let digest = "0".repeat(32);
    let key = format!(r#"{{"key":"{digest}","body":"{digest}","id":7,"at":"{at}"}}"#);
    let text = format!(r#"{{"users":[],"idempotencyKeys":{{"users":[{key}]}}}}"#);
    let mut files = Files::<User>::start(text.as_bytes()).unwrap();
    let made = files.write(create("k", user("finn")), start()).unwrap();
    assert_eq!(made.id, 8);
}
