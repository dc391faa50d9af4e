//! A writer of users on a simulated disk, which runs on the test's own thread.

use std::{path::Path, sync::Arc};

use common::User;
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    author::Author,
    error::WriteError,
    journal::{
        file::{file_journal::FileJournal, recovery::recover},
        shared::Shared,
        writer,
    },
    json::Object,
    store::open_writer,
    tests::simulated::Simulated,
    write::Operation,
};

pub(crate) const DB: &str = "/data/db.json";

pub(crate) type Writer = writer::Writer<User, FileJournal>;

pub(crate) fn open(disk: &Simulated) -> (Arc<Shared<User>>, Writer) {
    let (shared, writer) =
        open_writer(Arc::new(disk.clone()), Path::new(DB), None, u64::MAX).unwrap();
    (shared, writer.unwrap())
}

pub(crate) fn user(username: &str) -> Object {
    serde_json::from_value(json!({"username": username, "name": "N", "bio": ""})).unwrap()
}

pub(crate) fn create(writer: &mut Writer, username: &str) -> Result<(), WriteError> {
    let (answer, mut answered) = oneshot::channel();
    let operation = Operation::Create(user(username), None);
    writer.write(vec![(Author::Service, operation, answer)]);
    answered.try_recv().unwrap().into_outcome().map(drop)
}

/// How many users a start would recover.
pub(crate) fn count(disk: &Simulated) -> usize {
    let recovered = recover::<User>(disk, Path::new(DB)).unwrap();
    recovered.document.state.summary.count
}
