//! The writer beside a journal that is no file.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use common::User;
use serde_json::json;
use tokio::sync::oneshot;

use super::{Waiting, Writer};
use crate::{
    author::Author,
    error::{CloseError, WriteError},
    journal::{
        AppendError, Folding, Journal, Occasion,
        answers::{Answer, Outcome},
        shared::Shared,
    },
    memory::state::State,
    write::{Changes, Operation},
};

/// A journal that does what the test says.
struct Scripted {
    /// The result of each append to come; after the last one, all succeed.
    results: VecDeque<AppendError>,
    /// The changes of each batch, from position 1 on.
    batches: Vec<usize>,
    /// The position of the state and the number of changes of each append, whatever came of it.
    asked: Vec<(u64, usize)>,
    occasions: Vec<Occasion>,
    folding: Folding,
}

impl Journal<User> for Scripted {
    fn append(&mut self, state: &State<User>, batch: Changes) -> Result<(), AppendError> {
        assert_eq!(state.position, self.batches.len() as u64);
        self.asked.push((state.position, batch.records.len()));
        if let Some(error) = self.results.pop_front() {
            return Err(error);
        }
        self.batches.push(batch.records.len());
        Ok(())
    }

    fn idle_wait(&self) -> Option<Duration> {
        None
    }

    fn fold(&mut self, state: &State<User>, occasion: Occasion) -> io::Result<()> {
        assert_eq!(state.position, self.batches.len() as u64);
        self.occasions.push(occasion);
        Ok(())
    }

    fn folding(&self) -> Folding {
        self.folding
    }

    fn close(&mut self, _: &State<User>, _: Option<&String>) -> Result<(), CloseError> {
        Ok(())
    }
}

fn writer(results: impl IntoIterator<Item = AppendError>) -> Writer<User, Scripted> {
    let journal = Scripted {
        results: results.into_iter().collect(),
        batches: Vec::new(),
        asked: Vec::new(),
        occasions: Vec::new(),
        folding: Folding::Works,
    };
    Writer::new(Arc::new(Shared::new(State::new(), u64::MAX)), journal)
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// The outcomes of creating users of these names with one call.
fn create<const N: usize>(
    writer: &mut Writer<User, Scripted>,
    usernames: [&str; N],
) -> [Outcome; N] {
    let waiting = usernames.map(|username| -> (Waiting, oneshot::Receiver<Answer>) {
        let members = json!({"username": username, "name": "N", "bio": ""});
        let operation = Operation::Create(serde_json::from_value(members).unwrap(), None);
        let (answer, answered) = oneshot::channel();
        ((Author::Service, operation, answer), answered)
    });
    let mut answered = Vec::new();
    let mut operations = Vec::new();
    for (write, answer) in waiting {
        operations.push(write);
        answered.push(answer);
    }
    writer.write(operations);
    let mut outcomes = answered.into_iter().map(|mut answered| {
        let answer = answered.try_recv().unwrap();
        answer.into_outcome()
    });
    std::array::from_fn(|_| outcomes.next().unwrap())
}

#[test]
fn each_batch_is_appended_behind_the_one_that_readers_see() {
    let mut writer = writer([]);
    let [finn, again, jake] = create(&mut writer, ["finn", "finn", "jake"]);
    assert!(finn.is_ok() && jake.is_ok());
    assert!(matches!(again, Err(WriteError::Conflict { .. })));
    let [refused] = create(&mut writer, ["jake"]);
    assert!(matches!(refused, Err(WriteError::Conflict { .. })));
    assert!(create(&mut writer, ["bmo"])[0].is_ok());
    // What changes nothing takes no position.
    assert_eq!(writer.journal().asked, [(0, 2), (1, 1)]);
    assert_eq!(writer.journal().occasions, [Occasion::Batch; 3]);
    assert_eq!(writer.shared.state().position, 2);
    assert_eq!(writer.shared.state().summary.count, 3);
}

#[test]
fn a_batch_that_is_put_off_is_never_seen_and_the_next_one_takes_its_position() {
    let mut writer = writer([AppendError::PutOff(full())]);
    for outcome in create(&mut writer, ["finn", "finn"]) {
        assert!(matches!(outcome, Err(WriteError::PutOff)));
    }
    assert_eq!(writer.shared.state().summary.count, 0);
    let [finn] = create(&mut writer, ["finn"]);
    assert!(finn.is_ok_and(|written| written.id == 1));
    assert_eq!(writer.journal().asked, [(0, 1), (0, 1)]);
}

#[test]
fn after_an_append_that_is_refused_or_in_doubt_the_journal_is_asked_nothing_more() {
    for (error, expected) in [
        (AppendError::Refused(full()), WriteError::Refused),
        (AppendError::InDoubt(full()), WriteError::InDoubt),
    ] {
        let mut writer = writer([error]);
        for outcome in create(&mut writer, ["finn", "finn"]) {
            assert_eq!(outcome.err(), Some(expected.clone()));
        }
        let [jake] = create(&mut writer, ["jake"]);
        assert_eq!(jake.err(), Some(WriteError::Refused));
        writer.fold(Occasion::Idle);
        assert_eq!(writer.journal().asked, [(0, 1)]);
        assert_eq!(writer.journal().occasions, []);
        assert_eq!(writer.shared.state().summary.count, 0);
    }
}

#[test]
fn a_journal_that_must_be_folded_first_is_asked_to_fold_and_nothing_else() {
    let mut writer = writer([]);
    writer.journal.folding = Folding::Overdue;
    let [finn] = create(&mut writer, ["finn"]);
    assert_eq!(finn.err(), Some(WriteError::PutOff));
    assert_eq!(writer.journal().asked, []);
    assert_eq!(writer.journal().occasions, [Occasion::Batch]);
    assert_eq!(writer.shared.folding(), Folding::Overdue);
    writer.journal.folding = Folding::Works;
    assert!(create(&mut writer, ["finn"])[0].is_ok());
}
