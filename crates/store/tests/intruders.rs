//! Links under the names of the store's files, and files that someone else removes or changes,
//! on a real file system.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use common::User;
use serde_json::json;
use store::{Author, Object, OpenError, Store, WriteError, WriteLock};
use tempfile::TempDir;

/// A directory with an empty collection.
fn empty() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db.json");
    fs::write(&path, r#"{"users":[]}"#).unwrap();
    (directory, path)
}

fn user(username: &str) -> Object {
    serde_json::from_value(json!({"username": username, "name": "N", "bio": ""})).unwrap()
}

fn open(path: &Path) -> Result<Store<User>, OpenError> {
    Store::open_writable(WriteLock::take(path)?, u64::MAX)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

#[tokio::test]
async fn a_link_under_the_name_of_a_new_file_is_not_followed() {
    let (directory, path) = empty();
    let precious = directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let news = [".new", ".journal.new"].map(|ending| beside(&path, ending));
    for new in &news {
        symlink(&precious, new).unwrap();
    }
    // A start begins a journal, and closing folds it.
    let store = open(&path).unwrap();
    store.create(Author::Service, user("finn")).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    for file in [path.clone(), beside(&path, ".journal")] {
        assert!(fs::symlink_metadata(&file).unwrap().is_file(), "{file:?}");
    }
    assert_eq!(open(&path).unwrap().status().await.unwrap().records, 1);
}

#[tokio::test]
async fn a_link_under_the_name_of_the_lock_or_the_journal_is_not_written_through() {
    let (directory, path) = empty();
    let lock = beside(&path, ".lock");
    symlink(directory.path().join("elsewhere"), &lock).unwrap();
    let refused = open(&path).err().unwrap().to_string();
    assert!(refused.contains("db.json.lock"), "{refused}");
    assert!(!directory.path().join("elsewhere").exists());
    fs::remove_file(&lock).unwrap();

    let store = open(&path).unwrap();
    store.create(Author::Service, user("finn")).await.unwrap();
    // Copies the files as after a `kill -9`, with a link in place of the journal.
    let journal = beside(&path, ".journal");
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("db.json");
    fs::copy(&path, &copied).unwrap();
    let moved = copy.path().join("moved");
    fs::copy(&journal, &moved).unwrap();
    let before = fs::read(&moved).unwrap();
    symlink(&moved, beside(&copied, ".journal")).unwrap();
    let refused = open(&copied).err().unwrap().to_string();
    assert!(refused.contains("db.json.journal"), "{refused}");
    assert_eq!(fs::read(&moved).unwrap(), before);
}

#[tokio::test]
async fn a_writer_whose_lock_is_gone_or_another_writes_nothing_more() {
    for taken_again in [false, true] {
        let (_directory, path) = empty();
        let first = open(&path).unwrap();
        first.create(Author::Service, user("finn")).await.unwrap();
        fs::remove_file(beside(&path, ".lock")).unwrap();
        let second = taken_again.then(|| open(&path).unwrap());
        if let Some(second) = &second {
            second.create(Author::Service, user("jake")).await.unwrap();
        }
        let refused = first.create(Author::Service, user("pb")).await.unwrap_err();
        assert_eq!(refused, WriteError::Refused);
        let refusal = first.status().await.unwrap().refusal.unwrap();
        let remedy = "stop all that do, and start one";
        assert!(refusal.ends_with(remedy) || taken_again, "{refusal}");
        // The journal could not be folded, at least not by this one.
        first.close().await.unwrap_err();
        drop(first);
        if let Some(second) = second {
            second.create(Author::Service, user("bmo")).await.unwrap();
            second.close().await.unwrap();
        }
        let records = if taken_again { 3 } else { 1 };
        assert_eq!(
            open(&path).unwrap().status().await.unwrap().records,
            records
        );
    }
}

#[tokio::test]
async fn without_lock_and_journal_a_stop_saves_what_only_memory_has() {
    for lock_taken in [false, true] {
        let (_directory, path) = empty();
        let store = open(&path).unwrap();
        store.create(Author::Service, user("finn")).await.unwrap();
        for ending in [".lock", ".journal"] {
            fs::remove_file(beside(&path, ending)).unwrap();
        }
        let other = lock_taken.then(|| WriteLock::take(&path).unwrap());
        let closed = store.close().await.map_err(|error| error.to_string());
        let lost = closed
            .as_ref()
            .err()
            .is_some_and(|error| error.contains("1 batches"));
        assert_eq!(
            (closed.is_err(), lost),
            (lock_taken, lock_taken),
            "{closed:?}"
        );
        drop((store, other));
        // Another process that holds the lock may have begun to write.
        let records = usize::from(!lock_taken);
        let opened = open(&path).unwrap();
        assert_eq!(opened.status().await.unwrap().records, records);
    }
}

#[tokio::test]
async fn a_journal_that_someone_writes_to_is_saved_and_put_out_of_use() {
    for grown in [false, true] {
        let (_directory, path) = empty();
        let store = open(&path).unwrap();
        store.create(Author::Service, user("finn")).await.unwrap();
        let journal = fs::OpenOptions::new()
            .append(true)
            .open(beside(&path, ".journal"))
            .unwrap();
        if grown {
            (&journal).write_all(b"more").unwrap();
        } else {
            journal.set_len(0).unwrap();
        }
        let refused = store
            .create(Author::Service, user("jake"))
            .await
            .unwrap_err();
        assert_eq!(refused, WriteError::Refused, "{grown}");
        let refusal = store.status().await.unwrap().refusal.unwrap();
        assert!(refusal.contains("db.json holds all"), "{refusal}");
        // As after a `kill -9`: the writer never stops, so it does not fold the journal.
        std::mem::forget(store.clone());
        drop(store);
        let verified = store::verify::<User>(&path, u64::MAX).unwrap();
        assert_eq!(verified.records, 1, "{grown}");
    }
}

#[tokio::test]
async fn a_removed_db_json_is_told_from_a_changed_one() {
    let (_directory, path) = empty();
    let store = open(&path).unwrap();
    store.create(Author::Service, user("finn")).await.unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(
        store
            .create(Author::Service, user("jake"))
            .await
            .unwrap_err(),
        WriteError::Refused
    );
    let refusal = store.status().await.unwrap().refusal.unwrap();
    assert!(refusal.contains("was removed; put it back"), "{refusal}");
}
