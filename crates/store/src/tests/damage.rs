//! Recovery from files that are damaged or do not belong together.

use std::{path::Path, sync::Arc};

use common::User;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    author::Author,
    error::OpenError,
    journal::{
        Occasion,
        file::{paths::journal_path, recovery::recover},
        shared::Shared,
    },
    store::open_writer,
    tests::{simulated::Simulated, writer::Writer},
    write::{Operation, Precondition},
};

const DB: &str = "/data/db.json";

/// A service's disk after some writes and a `kill -9`, and the users before the first batch
/// and after each.
fn killed() -> (Simulated, Vec<String>) {
    let disk = Simulated::new(0);
    let text = json!({"users": [
        {"id": 1, "username": "finn", "name": "Finn", "bio": ""},
        {"id": 2, "username": "jake", "name": "Jake", "bio": "b".repeat(600)}
    ]});
    disk.put(Path::new(DB), text.to_string().as_bytes());
    let mut states = vec![users(&disk).unwrap()];
    let (_, writer) = open(&disk).unwrap();
    let mut writer = writer.unwrap();
    let user = json!({"username": "bmo", "name": "BMO", "bio": "b".repeat(300)});
    for operation in [
        Operation::Create(serde_json::from_value(user).unwrap(), None),
        Operation::Patch(1, json!({"bio": "Adventurer."}), Precondition::default()),
        Operation::Delete(2, Precondition::default()),
    ] {
        let (answer, mut answered) = oneshot::channel();
        writer.write(vec![(Author::Service, operation, answer)]);
        assert!(answered.try_recv().unwrap().into_outcome().is_ok());
        states.push(users(&disk).unwrap());
    }
    (disk, states)
}

type Opened = (Arc<Shared<User>>, Option<Writer>);

fn open(disk: &Simulated) -> Result<Opened, OpenError> {
    open_writer(Arc::new(disk.clone()), Path::new(DB), None, u64::MAX)
}

/// The users that a start would recover.
fn users(disk: &Simulated) -> Result<String, OpenError> {
    let state = recover::<User>(disk, Path::new(DB))?.document.state;
    let users = (1..=state.last_id).filter_map(|id| state.get(id));
    Ok(users
        .map(|json| String::from_utf8(json.to_vec()).unwrap() + "\n")
        .collect())
}

fn journal(disk: &Simulated) -> Vec<u8> {
    disk.contents(&journal_path(Path::new(DB))).unwrap()
}

fn put_journal(disk: &Simulated, bytes: &[u8]) {
    disk.put(&journal_path(Path::new(DB)), bytes);
}

/// Checks that a refusal names the journal and the byte.
fn assert_names_place(refused: &OpenError) {
    let message = refused.to_string();
    let place = message.strip_prefix("/data/db.json.journal, byte ");
    assert!(
        place.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())),
        "{message}"
    );
}

#[test]
fn a_journal_cut_at_any_byte_is_refused() {
    let (disk, states) = killed();
    let whole = journal(&disk);
    assert_eq!(users(&disk).unwrap(), states[3]);
    for cut in 0..whole.len() {
        put_journal(&disk, &whole[..cut]);
        let refused = users(&disk).expect_err("a cut journal");
        assert_names_place(&refused);
    }
}

#[test]
fn a_batch_that_ends_anywhere_in_its_room_is_dropped() {
    let (disk, states) = killed();
    let whole = journal(&disk);
    let ends: Vec<_> = (0..whole.len())
        .filter(|at| whole[*at] == b'\n')
        .take(4)
        .collect();
    for cut in ends[0] + 1..ends[3] {
        let mut torn = whole.clone();
        torn[cut..].fill(b'\n');
        put_journal(&disk, &torn);
        let complete = ends.iter().filter(|end| cut >= **end).count();
        match users(&disk) {
            Ok(found) => assert_eq!(found, states[complete - 1], "cut at {cut}"),
            // Only one byte of the line is missing, which may be damage.
            Err(refused) => {
                assert!(ends.contains(&(cut + 1)), "cut at {cut}: {refused}");
                assert_names_place(&refused);
            }
        }
    }
}

#[test]
fn a_journal_with_any_bit_flipped_is_refused_or_means_the_same() {
    let (disk, states) = killed();
    let whole = journal(&disk);
    let end = whole.iter().rposition(|byte| *byte != b'\n').unwrap() + 1;
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            put_journal(&disk, &damaged);
            match users(&disk) {
                Ok(found) => assert!(at > end && found == states[3], "byte {at}, bit {bit}"),
                Err(refused) => assert_names_place(&refused),
            }
        }
    }
}

#[test]
fn a_db_json_with_any_byte_flipped_or_cut_off_is_refused_while_there_is_a_journal() {
    let (disk, _) = killed();
    let whole = disk.contents(Path::new(DB)).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        for damaged in [&damaged, &whole[..at]] {
            disk.put(Path::new(DB), damaged);
            let refused = users(&disk).expect_err("another db.json");
            assert!(
                refused.to_string().starts_with("/data/db.json"),
                "{refused}"
            );
        }
    }
}

#[test]
fn after_a_torn_batch_writing_goes_on() {
    let (disk, states) = killed();
    let mut torn = journal(&disk);
    let last = torn.iter().rposition(|byte| *byte != b'\n').unwrap();
    torn[last - 20..].fill(b'\n');
    put_journal(&disk, &torn);
    let (_, mut writer) = open(&disk).unwrap();
    assert_eq!(users(&disk).unwrap(), states[2]);
    let (answer, mut answered) = oneshot::channel();
    let delete = Operation::Delete(2, Precondition::default());
    writer
        .as_mut()
        .unwrap()
        .write(vec![(Author::Service, delete, answer)]);
    assert!(answered.try_recv().unwrap().into_outcome().is_ok());
    assert_eq!(users(&disk).unwrap(), states[3]);
}

#[test]
fn what_was_replayed_is_in_db_json_after_the_start() {
    let (disk, states) = killed();
    let (_, _writer) = open(&disk).unwrap();
    let text = disk.contents(Path::new(DB)).unwrap();
    let alone = Simulated::new(0);
    alone.put(Path::new(DB), &text);
    assert_eq!(users(&alone).unwrap(), states[3]);
    let value: Value = serde_json::from_slice(&text).unwrap();
    assert!(
        value.get("lastIds").is_none(),
        "user 3, the last one, tells it"
    );
}

#[test]
fn a_journal_of_another_db_json_is_refused_unless_it_holds_nothing() {
    let (disk, _) = killed();
    let backup = br#"{"users": []}"#;
    let before = disk.contents(Path::new(DB)).unwrap();
    disk.put(Path::new(DB), backup);
    let refused = users(&disk).unwrap_err().to_string();
    assert!(
        refused.contains("mv '/data/db.json.journal' '/data/db.json.journal.old'"),
        "{refused}"
    );
    disk.put(Path::new(DB), &before);
    let (_, writer) = open(&disk).unwrap();
    drop(writer);
    // The start has folded the journal, as a clean stop does.
    disk.put(Path::new(DB), backup);
    assert_eq!(users(&disk).unwrap(), "");
}

#[test]
fn a_db_json_that_someone_else_changed_is_not_written() {
    for dirty in [false, true] {
        let (disk, states) = killed();
        let (shared, writer) = open(&disk).unwrap();
        let mut writer = writer.unwrap();
        let mut delete = |id| {
            let (answer, mut answered) = oneshot::channel();
            writer.write(vec![(
                Author::Service,
                Operation::Delete(id, Precondition::default()),
                answer,
            )]);
            answered.try_recv().unwrap().into_outcome().is_ok()
        };
        assert!(!dirty || delete(3));
        disk.put(Path::new(DB), br#"{"users": []}"#);
        assert!(
            !delete(1),
            "not acknowledged on top of somebody else's file"
        );
        writer.fold(Occasion::Closing);
        assert_eq!(disk.contents(Path::new(DB)).unwrap(), br#"{"users": []}"#);
        let refusal = shared.refusal.get().unwrap();
        assert!(
            refusal.contains("/data/db.json: was changed by someone else"),
            "{refusal}"
        );
        assert!(
            shared.state().get(1).is_some(),
            "what readers see is what it was"
        );
        drop(writer);
        // No acknowledged write is lost silently: without any, the edited file is served;
        // otherwise the start is refused.
        match users(&disk) {
            Ok(found) => assert!(!dirty && found.is_empty() && !states.is_empty()),
            Err(refused) => assert!(dirty && matches!(refused, OpenError::ForeignJournal { .. })),
        }
    }
}
