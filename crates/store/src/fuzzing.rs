//! Doors for the fuzzer (`crates/fuzz`). Only there when it builds this crate.

use common::{Model, Post, Timestamp, User};
use serde_json::Value;

use crate::{document::Document, edit, journal::Journal};

/// Any bytes as a `db.json`: refused, or the same after writing and reading again,
/// and the same records as another reader of JSON finds.
///
/// # Panics
/// When they are not the same.
pub fn document(bytes: &[u8]) {
    round_trip::<User>(bytes);
    round_trip::<Post>(bytes);
}

fn round_trip<M: Model>(bytes: &[u8]) {
    let Ok(document) = Document::<M>::parse(bytes) else {
        return;
    };
    let mut written = Vec::new();
    let write = document.others.write(&document.state, &mut written);
    write.expect("memory takes all that is written");
    if !document.numbered {
        assert_eq!(records::<M>(&written), records::<M>(bytes));
    }
    let again = Document::<M>::parse(&written).expect("what was written can be read");
    assert_eq!(again.state.summary, document.state.summary);
    assert_eq!(again.state.last_id, document.state.last_id);
    let mut twice = Vec::new();
    let write = again.others.write(&again.state, &mut twice);
    write.expect("memory takes all that is written");
    assert_eq!(twice, written);
}

/// What another reader of JSON finds in a `db.json`, in id order. Nothing where
/// other members are nested too deep for it.
fn records<M: Model>(bytes: &[u8]) -> Vec<Value> {
    let document = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let mut records = document[M::COLLECTION]
        .as_array()
        .cloned()
        .unwrap_or_default();
    records.sort_by_key(|record| record["id"].as_u64());
    records
}

/// Any bytes as a journal: refused or read.
pub fn journal(bytes: &[u8]) {
    let _ = Journal::parse(bytes, User::COLLECTION);
}

/// Any two JSON texts as a record and a merge patch of it: what comes out is a
/// record with the same id, or refused.
///
/// # Panics
/// When it is neither.
pub fn merge_patch(bytes: &[u8]) {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let (Some(Ok(Value::Object(members))), Some(Ok(patch))) = (values.next(), values.next()) else {
        return;
    };
    let now = Timestamp::now();
    let Ok(record) = edit::created::<User>(&members, 7, now) else {
        return;
    };
    let Ok(patched) = edit::patched::<User>(&record, &patch, now) else {
        return;
    };
    let json = serde_json::to_vec(&patched).expect("an object is JSON");
    let user: User = serde_json::from_slice(&json).expect("a patched record is a record");
    assert_eq!(user.id.get(), 7);
    let again = edit::patched::<User>(&patched, &Value::Object(patched.clone()), now);
    assert_eq!(again, Ok(patched), "a record is its own patch");
}
