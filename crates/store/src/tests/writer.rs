//! A writer of users on a simulated disk, which runs on the test's own thread.

use std::{path::Path, sync::Arc};

use common::User;
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    author::Author,
    error::WriteError,
    journal::{file::recovery::recover, shared::Shared, writer::Writer},
    json::Object,
    tests::simulated::Simulated,
    write::Operation,
};

pub(crate) const DB: &str = "/data/db.json";

pub(crate) fn open(disk: &Simulated) -> (Arc<Shared<User>>, Writer<User>) {
    let (shared, writer) =
        Writer::open(Arc::new(disk.clone()), Path::new(DB), None, u64::MAX).unwrap();
    (shared, writer.unwrap())
}

pub(crate) fn user(username: &str) -> Object {
    serde_json::from_value(json!({"username": username, "name": "N", "bio": ""})).unwrap()
}

pub(crate) fn create(writer: &mut Writer<User>, username: &str) -> Result<(), WriteError> {
    let (answer, mut answered) = oneshot::channel();
    let operation = Operation::Create(user(username));
    writer.write(vec![(Author::Service, operation, answer)]);
    answered.try_recv().unwrap().into_outcome().map(drop)
}

/// How many users a start would recover.
pub(crate) fn count(disk: &Simulated) -> usize {
    let recovered = recover::<User>(disk, Path::new(DB)).unwrap();
    recovered.document.state.summary.count
}
