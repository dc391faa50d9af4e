//! The contents of the store's files on a real file system.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use common::{Id, Post, User};
use serde_json::{Value, json};
use store::{
    Author, Findings, JournalFindings, Object, OpenError, Precondition, Store, WriteLock, verify,
};
use tempfile::TempDir;

/// A directory with this `db.json`.
fn with(db: &Value) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.json");
    fs::write(&path, db.to_string()).unwrap();
    (directory, path)
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

fn user(username: &str) -> Object {
    object(json!({"username": username, "name": "N", "bio": ""}))
}

fn open(path: &Path) -> Result<Store<User>, OpenError> {
    Store::open_writable(WriteLock::take(path)?, u64::MAX)
}

fn file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The files of a writer that has written and not folded its journal.
async fn left_behind(usernames: &[&str]) -> (TempDir, PathBuf) {
    let (_running, path) = with(&json!({"users": []}));
    let store = open(&path).unwrap();
    for username in usernames {
        store.create(Author::Service, user(username)).await.unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    for name in ["db.json", "db.json.journal"] {
        fs::copy(path.with_file_name(name), copy.path().join(name)).unwrap();
    }
    let path = copy.path().join("db.json");
    (copy, path)
}

#[tokio::test]
async fn posts_without_ids_get_them_for_good() {
    let post = |text| json!({"thread": 1, "text": text, "user": 1});
    let (_directory, path) = with(&json!({"posts": [post("a"), post("b")]}));
    let store = Store::<Post>::open_writable(WriteLock::take(&path).unwrap(), u64::MAX).unwrap();
    let ids: Vec<_> = file(&path)["posts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|post| post["id"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);
    store
        .delete(
            Author::Service,
            Id::new(1).unwrap(),
            Precondition::default(),
        )
        .await
        .unwrap();
    let (id, _) = store
        .create(Author::Service, object(post("c")))
        .await
        .unwrap();
    store.close().await.unwrap();
    assert_eq!(id.get(), 3);
    assert_eq!(file(&path)["posts"][0]["id"], 2);
}

#[tokio::test]
async fn the_last_id_is_kept_where_no_record_tells_it() {
    let (_directory, path) = with(&json!({"users": [], "lastIds": {"threads": 7}}));
    let store = open(&path).unwrap();
    for username in ["a", "b"] {
        let (id, _) = store.create(Author::Service, user(username)).await.unwrap();
        store
            .delete(Author::Service, id, Precondition::default())
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    assert_eq!(file(&path)["lastIds"], json!({"threads": 7, "users": 2}));
    let store = open(&path).unwrap();
    assert_eq!(
        store
            .create(Author::Service, user("c"))
            .await
            .unwrap()
            .0
            .get(),
        3
    );
}

#[tokio::test]
async fn new_files_have_the_owner_and_the_permissions_of_db_json() {
    let (_directory, path) = with(&json!({"users": []}));
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    // Only root may change a file's owner; for other users this changes nothing.
    let _ = std::os::unix::fs::chown(&path, Some(65532), Some(65532));
    let before = fs::metadata(&path).unwrap();
    let store = open(&path).unwrap();
    store.create(Author::Service, user("a")).await.unwrap();
    store.close().await.unwrap();
    for path in [path.clone(), path.with_file_name("db.json.journal")] {
        let after = fs::metadata(&path).unwrap();
        assert_eq!(after.mode(), before.mode());
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    }
}

#[tokio::test]
async fn after_a_hand_edit_no_write_is_acknowledged_and_a_restart_serves_it() {
    let (_directory, path) = with(&json!({"users": []}));
    let store = open(&path).unwrap();
    let edited = json!({"users": [{"id": 5, "username": "by-hand", "name": "H", "bio": ""}]});
    fs::write(&path, edited.to_string()).unwrap();
    assert!(store.create(Author::Service, user("a")).await.is_err());
    let refusal = store.status().await.unwrap().refusal.unwrap();
    assert!(
        refusal.contains("restart this service: it serves the file as it is then"),
        "{refusal}"
    );
    store.close().await.unwrap();
    drop(store);
    assert_eq!(file(&path), edited);
    let store = open(&path).unwrap();
    assert_eq!(
        store
            .create(Author::Service, user("a"))
            .await
            .unwrap()
            .0
            .get(),
        6
    );
}

#[tokio::test]
async fn verify_says_what_the_files_hold() {
    let (_directory, path) = left_behind(&["a", "b"]).await;
    let journal = |changes, torn_bytes| {
        Some(JournalFindings {
            changes,
            torn_bytes,
        })
    };
    let sound = Findings {
        records_in_file: 0,
        records: 2,
        last_id: 2,
        journal: journal(2, 0),
    };
    assert_eq!(verify::<User>(&path, u64::MAX).unwrap(), sound);

    // Only a part of the last batch was written.
    let at = path.with_file_name("db.json.journal");
    let whole = fs::read(&at).unwrap();
    let end = whole.iter().rposition(|byte| *byte != b'\n').unwrap();
    let mut torn = whole.clone();
    torn[end - 40..].fill(b'\n');
    fs::write(&at, &torn).unwrap();
    let found = verify::<User>(&path, u64::MAX).unwrap();
    assert_eq!(found.records, 1);
    assert!(found.journal.is_some_and(|journal| journal.torn_bytes > 0));

    fs::remove_file(&at).unwrap();
    let empty = Findings {
        records: 0,
        last_id: 0,
        journal: None,
        ..sound
    };
    assert_eq!(verify::<User>(&path, u64::MAX).unwrap(), empty);
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        verify::<User>(&path, u64::MAX),
        Err(OpenError::Missing { .. })
    ));
}

#[tokio::test]
async fn a_cut_journal_is_refused_and_goes_on_as_its_message_says() {
    let (_directory, path) = left_behind(&["a", "b"]).await;
    let at = path.with_file_name("db.json.journal");
    let whole = fs::read(&at).unwrap();
    let end = whole.iter().rposition(|byte| *byte != b'\n').unwrap();
    fs::write(&at, &whole[..end - 40]).unwrap();
    let refused = open(&path).err().unwrap().to_string();
    let command = format!("truncate -s {} '{}'", whole.len(), at.display());
    assert!(refused.ends_with(&command), "{refused}");
    // Does what the `truncate` command does.
    let length = whole.len() as u64;
    fs::OpenOptions::new()
        .write(true)
        .open(&at)
        .unwrap()
        .set_len(length)
        .unwrap();
    assert_eq!(open(&path).unwrap().status().await.unwrap().records, 1);
}

#[test]
fn a_small_collection_may_have_many_keys() {
    let digest = |number: u32| format!("{number:032x}");
    let keys: Vec<_> = (0..10_000)
        .map(|number| {
            let (key, at) = (digest(number), "2026-03-04T09:12:33.120Z");
            json!({"key": key, "body": key, "id": 9, "at": at})
        })
        .collect();
    let (_directory, path) = with(&json!({"users": [], "idempotencyKeys": {"users": keys}}));
    let found = verify::<User>(&path, 1000).unwrap();
    assert_eq!((found.records, found.last_id), (0, 9));
}
