//! Folds beside writes: what goes on meanwhile, and what can come in between.

use std::{io::ErrorKind, path::Path, sync::Arc, thread, time::Duration};

use common::{Model, User};
use serde_json::json;

use crate::{
    author::Author,
    journal::{
        Folding, Occasion,
        file::{
            disk::Disk,
            file_journal::FileJournal,
            paths::{journal_path, new_path},
        },
        shared::Shared,
        writer,
    },
    store::Store,
    tests::{
        simulated::{FULL, Fault, Simulated},
        writer::{DB, Writer, count, create, open, user},
    },
};

/// Calls of `fold` that take a fold from nothing to its end.
const PARTS: usize = 6;

/// Begins a fold, or takes it on by one part: of the writer or of its helper.
pub(super) fn fold<M: Model>(writer: &mut writer::Writer<M, FileJournal>) {
    if !writer.journal().worker().work_now() {
        writer.fold(Occasion::Helped);
        writer.fold(Occasion::Idle);
    }
}

fn base(disk: &Simulated) -> String {
    String::from_utf8(disk.contents(Path::new(DB)).unwrap()).unwrap()
}

/// A writer with a write before so many parts of a fold, and one after them.
fn amid_a_fold(parts: usize) -> (Simulated, Arc<Shared<User>>, Writer) {
    let disk = Simulated::new(0);
    let (shared, mut writer) = open(&disk);
    create(&mut writer, "finn").unwrap();
    for _ in 0..parts {
        fold(&mut writer);
    }
    create(&mut writer, "jake").unwrap();
    (disk, shared, writer)
}

/// Waits until the disk holds what is asked for.
fn until(held: impl Fn() -> bool) {
    while !held() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn writes_are_answered_while_db_json_is_written() {
    let disk = Simulated::new(0);
    let store =
        Store::<User>::open_on(Arc::new(disk.clone()), Path::new(DB), None, u64::MAX).unwrap();
    store.create(Author::Service, user("finn")).await.unwrap();
    disk.hold_syncs_of("db.json.new");
    // The idle fold begins, and its file is not durable before the test says so.
    let new = new_path(Path::new(DB));
    until(|| disk.contents(&new).is_some_and(|text| !text.is_empty()));
    for number in 0..100 {
        let user = user(&format!("user-{number}"));
        store.create(Author::Service, user).await.unwrap();
    }
    assert!(!base(&disk).contains("finn"));
    assert_eq!(store.status().await.unwrap().records, 101);
    disk.hold_syncs(false);
    until(|| base(&disk).contains("user-99"));
    drop(store);
}

#[test]
fn what_comes_during_a_fold_stays_in_the_journal() {
    let disk = Simulated::new(0);
    let (_, mut writer) = open(&disk);
    create(&mut writer, "before").unwrap();
    for part in 0..PARTS {
        fold(&mut writer);
        create(&mut writer, &format!("during-{part}")).unwrap();
    }
    let journal = disk.contents(&journal_path(Path::new(DB))).unwrap();
    let journal = String::from_utf8(journal).unwrap();
    assert!(base(&disk).contains("before") && !base(&disk).contains("during-0"));
    assert!(!journal.contains("before") && journal.contains("during-0"));
    disk.restart(true);
    assert_eq!(count(&disk), 1 + PARTS);
}

#[test]
fn a_fold_whose_files_cannot_be_written_is_made_up_for_and_writes_go_on() {
    // Of the helper's two parts, after the writer's.
    for (helper, fault) in [1, 3].into_iter().flat_map(|helper| {
        let faults = [FULL, Fault::Fails(ErrorKind::Other)];
        faults.map(|fault| (helper, fault))
    }) {
        let mut failures = 0;
        for after in 1..12 {
            let (disk, shared, mut writer) = amid_a_fold(helper);
            disk.arm(after, fault);
            fold(&mut writer);
            disk.restart(false);
            writer.fold(Occasion::Helped);
            if helper == 3 && fault != FULL && after == 1 {
                // The name of the new db.json could not be made durable: that is in doubt.
                assert!(shared.refusal.get().is_some());
                continue;
            }
            assert_eq!(shared.refusal.get(), None, "{helper} {fault:?} {after}");
            if shared.folding() == Folding::Fails {
                failures += 1;
                for new in [Path::new(DB), &journal_path(Path::new(DB))] {
                    assert_eq!(disk.contents(&new_path(new)), None, "the disk may be full");
                }
            }
            create(&mut writer, "pb").unwrap();
            for _ in 0..2 * PARTS {
                fold(&mut writer);
            }
            assert_eq!(shared.folding(), Folding::Works);
            assert!(base(&disk).contains("pb"), "{helper} {fault:?} {after}");
            disk.restart(true);
            assert_eq!(count(&disk), 3);
        }
        assert!(failures > 0, "{helper} {fault:?}");
    }
}

#[test]
fn a_new_journal_that_cannot_be_caught_up_is_removed_and_written_anew() {
    // Reading the last batch fails, or writing or syncing it.
    for after in 1..=3 {
        let (disk, shared, mut writer) = amid_a_fold(4);
        let new = new_path(&journal_path(Path::new(DB)));
        assert!(disk.contents(&new).is_some());
        disk.arm(after, Fault::Fails(ErrorKind::Other));
        fold(&mut writer);
        assert_eq!(shared.refusal.get(), None);
        assert!(disk.contents(&new).is_none(), "the disk may be full");
        for _ in 0..PARTS {
            fold(&mut writer);
        }
        assert_eq!(shared.folding(), Folding::Works);
        disk.restart(true);
        assert_eq!(count(&disk), 2);
    }
}

#[test]
fn a_stop_during_a_fold_leaves_all_in_db_json() {
    for parts in 0..=PARTS {
        let (disk, shared, mut writer) = amid_a_fold(parts);
        writer.close();
        assert_eq!(shared.closed.get(), Some(&Ok(())), "{parts}");
        drop(writer);
        disk.take_away(&journal_path(Path::new(DB)));
        assert_eq!(count(&disk), 2, "{parts}");
    }
}

#[test]
fn a_stop_waits_for_the_piece_of_a_fold_that_is_being_written_and_not_for_the_rest() {
    const PIECE: usize = 300 * 1024;
    let notes = "x".repeat(PIECE);
    let users = [1, 2, 3].map(|id| {
        json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": "", "notes": notes})
    });
    let disk = Simulated::new(0);
    let text = json!({"users": users}).to_string();
    disk.put(Path::new(DB), text.as_bytes());
    let (_, mut writer) = open(&disk);
    create(&mut writer, "finn").unwrap();
    writer.fold(Occasion::Idle);
    let (worker, watched) = (writer.journal().worker(), writer.journal().worker());
    disk.hold_syncs_of("db.json.new");
    let helper = thread::spawn(move || while worker.work() {});
    let new = new_path(Path::new(DB));
    let length = || disk.contents(&new).map_or(0, |text| text.len());
    until(|| length() > PIECE);
    let (first, begun) = (disk.identity(&new).unwrap(), length());
    let stopping = thread::spawn(move || writer.close());
    until(|| watched.is_stopped());
    for _ in 0..1000 {
        assert_eq!(
            disk.identity(&new).unwrap(),
            first,
            "the helper still writes"
        );
        thread::yield_now();
    }
    disk.let_one_sync_pass();
    // The writer begins a file of its own, and the sync of its first piece waits.
    until(|| {
        assert!(length() <= begun, "the helper goes on");
        disk.identity(&new)
            .unwrap()
            .is_some_and(|new| Some(new) != first)
    });
    disk.hold_syncs(false);
    stopping.join().unwrap();
    helper.join().unwrap();
    assert_eq!(count(&disk), 4);
    assert!(base(&disk).contains("finn"));
}

#[test]
fn files_that_others_change_during_a_fold_are_noticed() {
    let at = journal_path(Path::new(DB));
    for parts in 1..PARTS {
        // Whatever was changed, nothing that was acknowledged is lost.
        let run = |change: &dyn Fn(&Simulated)| {
            let (disk, shared, mut writer) = amid_a_fold(parts);
            change(&disk);
            for _ in 0..2 * PARTS {
                fold(&mut writer);
            }
            assert!(create(&mut writer, "pb").is_err(), "{parts}");
            assert!(shared.refusal.get().is_some(), "{parts}");
            writer.close();
            drop(writer);
            disk
        };
        let edited = br#"{"users": []}"#;
        let disk = run(&|disk| disk.put(Path::new(DB), edited));
        assert_eq!(base(&disk).as_bytes(), edited, "{parts}");
        let disk = run(&|disk| disk.take_away(&at));
        assert_eq!(count(&disk), 2, "{parts}");
        let disk = run(&|disk| {
            disk.take_away(&at);
            disk.put(&at, b"precious");
        });
        assert_eq!(disk.contents(&at).unwrap(), b"precious", "{parts}");
        disk.take_away(&at);
        assert_eq!(count(&disk), 2, "{parts}");
    }
}
