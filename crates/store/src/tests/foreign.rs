//! Files that someone else removes or replaces while a writer runs.

use std::path::Path;

use crate::{
    error::WriteError,
    journal::{Occasion, file::paths::journal_path},
    tests::{
        simulated::{EARLY, EARLY_ERRORS, Fault, Simulated},
        writer::{DB, count, create, open},
    },
};

#[test]
fn what_a_removed_journal_held_is_saved_and_writes_are_refused() {
    for idle in [false, true] {
        let disk = Simulated::new(0);
        let (shared, mut writer) = open(&disk);
        create(&mut writer, "finn").unwrap();
        create(&mut writer, "jake").unwrap();
        disk.take_away(&journal_path(Path::new(DB)));
        if idle {
            writer.fold(Occasion::Closing);
        }
        assert_eq!(create(&mut writer, "pb"), Err(WriteError::Refused));
        let refusal = shared.refusal.get().unwrap();
        assert!(
            refusal.contains("db.json.journal: was removed"),
            "{refusal}"
        );
        assert!(refusal.ends_with("restart this service"), "{refusal}");
        disk.restart(true);
        assert_eq!(count(&disk), 2);
        create(&mut open(&disk).1, "pb").unwrap();
    }
}

#[test]
fn what_a_removed_journal_held_is_saved_as_soon_as_it_can_be() {
    // The fault meets each call of the saving in turn.
    for after in 1..20 {
        let disk = Simulated::new(0);
        let (shared, mut writer) = open(&disk);
        create(&mut writer, "finn").unwrap();
        disk.take_away(&journal_path(Path::new(DB)));
        disk.arm(after, EARLY);
        writer.fold(Occasion::Closing);
        let _ = create(&mut writer, "jake");
        let refusal = shared.refusal.get().unwrap();
        assert!(refusal.contains("db.json holds all"), "{after}: {refusal}");
        disk.restart(true);
        assert_eq!(count(&disk), 1, "{after}");
    }
}

#[test]
fn what_a_replaced_journal_held_is_saved_and_the_other_file_is_left_alone() {
    let other = &b"precious"[..];
    for early in 0..20 {
        let disk = Simulated::new(0);
        let (shared, mut writer) = open(&disk);
        create(&mut writer, "finn").unwrap();
        let at = journal_path(Path::new(DB));
        disk.take_away(&at);
        disk.put(&at, other);
        if early > 0 {
            disk.arm(early, EARLY);
            writer.fold(Occasion::Closing);
        }
        assert!(create(&mut writer, "jake").is_err());
        let refusal = shared.refusal.get().unwrap();
        assert!(
            refusal.contains("was replaced by someone else; db.json holds all"),
            "{refusal}"
        );
        assert!(refusal.contains("away, then restart"), "{refusal}");
        // The disk answers what the stop asks.
        disk.restart(false);
        writer.close();
        let closed = shared.closed.get().unwrap().as_ref().unwrap_err();
        let said = closed.to_string();
        assert!(
            said.contains("db.json holds all that it did; move the file that is there now away"),
            "{said}"
        );
        assert_eq!(disk.contents(&at).unwrap(), other);
        disk.take_away(&at);
        assert_eq!(count(&disk), 1);
    }
}

#[test]
fn a_fold_that_cannot_begin_is_made_up_for_and_writes_go_on() {
    // The fault meets each call of the fold in turn.
    let faults = |after| EARLY_ERRORS.map(|error| (after, Fault::Early(error)));
    for (after, fault) in (1..22).flat_map(faults) {
        let disk = Simulated::new(0);
        let (shared, mut writer) = open(&disk);
        create(&mut writer, "finn").unwrap();
        disk.arm(after, fault);
        writer.fold(Occasion::Closing);
        // If the fold met no fault, the write does.
        if let Err(error) = create(&mut writer, "jake") {
            assert_eq!(error, WriteError::PutOff, "{fault:?}");
            create(&mut writer, "jake").unwrap();
        }
        assert_eq!(shared.refusal.get(), None);
        writer.fold(Occasion::Closing);
        let base = disk.contents(Path::new(DB)).unwrap();
        assert!(base.windows(4).any(|part| part == b"jake"), "{after}");
        disk.restart(true);
        assert_eq!(count(&disk), 2, "{after}");
    }
}

#[test]
fn a_stop_says_whether_db_json_alone_is_a_backup() {
    // Wherever the last fold is interrupted. Only the new journal, the last step, may be missing.
    let mut complete = Vec::new();
    for after in 1..25 {
        let disk = Simulated::new(0);
        let (shared, mut writer) = open(&disk);
        create(&mut writer, "finn").unwrap();
        disk.arm(after, EARLY);
        writer.close();
        let closed = shared.closed.get().unwrap();
        disk.restart(false);
        disk.take_away(&journal_path(Path::new(DB)));
        let has_all = disk.contents(Path::new(DB)).is_some() && count(&disk) == 1;
        assert_eq!(closed.is_ok(), has_all, "{after}: {closed:?}");
        complete.push(has_all);
    }
    assert!(complete.is_sorted() && complete[23] && !complete[0]);
}
