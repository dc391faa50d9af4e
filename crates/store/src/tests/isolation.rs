//! Writers that wait for the disk, and readers that do not.

use std::{path::Path, sync::Arc};

use common::{Id, Post};
use serde_json::json;

use crate::{
    author::Author, json::Object, query::Query, store::Store, tests::simulated::Simulated,
};

fn post(text: &str) -> Object {
    serde_json::from_value(json!({"thread": 1, "text": text, "user": 1})).unwrap()
}

fn open(disk: &Simulated) -> Store<Post> {
    Store::open_on(
        Arc::new(disk.clone()),
        Path::new("/data/db.json"),
        None,
        u64::MAX,
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_a_write_once_it_is_durable_and_not_before() {
    let disk = Simulated::new(0);
    let store = open(&disk);
    disk.hold_syncs(true);
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.create(Author::Service, post("a")).await }
    });
    // Waits until the line is in the file and its sync is in progress.
    let journal = Path::new("/data/db.json.journal");
    let written = || {
        disk.contents(journal)
            .unwrap()
            .windows(8)
            .any(|part| part == b"\"batch\":")
    };
    while !written() {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        assert_eq!(store.get(Id::new(1).unwrap()).await, Ok(None));
        assert_eq!(store.list(&Query::default()).await.unwrap().total, 0);
        assert_eq!(store.status().await.unwrap().writes, 0);
        assert!(!writing.is_finished());
    }
    disk.hold_syncs(false);
    let (id, record) = writing.await.unwrap().unwrap();
    assert_eq!(store.get(id).await, Ok(Some(record)));
    assert_eq!(store.list(&Query::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn writers_that_arrive_together_share_a_sync() {
    // The runtime polls fewer than 61 tasks before it turns to this one again.
    const WRITERS: u64 = 32;
    let disk = Simulated::new(0);
    let store = open(&disk);
    disk.hold_syncs(true);
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..WRITERS {
        let store = store.clone();
        writing.spawn(async move {
            store
                .create(Author::Service, post(&number.to_string()))
                .await
        });
    }
    // Every task runs and sends its write. The writer can finish none of them.
    tokio::task::yield_now().await;
    disk.hold_syncs(false);
    let written = writing.join_all().await.into_iter();
    let mut ids: Vec<_> = written.map(|written| written.unwrap().0).collect();
    ids.sort();
    assert!(ids.into_iter().map(Id::get).eq(1..=WRITERS));
    let status = store.status().await.unwrap();
    assert_eq!(status.writes, WRITERS);
    // The first batch has the writes that had arrived by then, the second has the others.
    assert!(status.syncs <= 2, "{} syncs", status.syncs);
}

#[tokio::test]
async fn closing_waits_for_a_disk_that_hangs_and_lets_its_thread_go_on() {
    let disk = Simulated::new(0);
    let store = open(&disk);
    let (id, record) = store.create(Author::Service, post("a")).await.unwrap();
    disk.hold_syncs_of("db.json.new");
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    // Waits until the fold has begun and the sync of its file is in progress.
    let new = Path::new("/data/db.json.new");
    while disk.contents(new).is_none_or(|new| new.is_empty()) {
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
    }
    assert_eq!(store.get(id).await, Ok(Some(record)));
    // A caller may stop waiting.
    closing.abort();
    assert!(closing.await.unwrap_err().is_cancelled());
    drop(store);
    disk.hold_syncs(false);
}
