//! Doors for the fuzzer (`crates/fuzz`). Only there when it builds this crate.

use common::{Model, Post, Timestamp, User};
use serde_json::{Value, value::RawValue};

use crate::{
    document::text::Document,
    journal::file::entry::Journal,
    json,
    round_trip::{self, Files},
    write::{Change, Operation, Precondition, Written},
};

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
    let written = round_trip::written(&document);
    if !document.numbered {
        assert_eq!(records::<M>(&written), records::<M>(bytes));
    }
    round_trip::assert_survives(&document);
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

/// Any bytes as a journal, and as a record in one: refused, or read, written to
/// `db.json` and read again.
///
/// # Panics
/// When what a start has read of a journal, the next start does not read.
pub fn journal(bytes: &[u8]) {
    let _ = Journal::parse(bytes, User::COLLECTION);
    let record = std::str::from_utf8(bytes).map(str::trim);
    // A line has no line feeds, and so has no record in it.
    let Some(record) = record.ok().filter(|record| !record.contains('\n')) else {
        return;
    };
    if let Ok(record) = RawValue::from_string(record.to_owned()) {
        let mut files = started::<User>(FINN);
        files.append(vec![Change::Put(record)]);
        if let Ok(recovered) = files.recovered() {
            round_trip::assert_survives(&recovered);
        }
    }
}

/// Any bytes as the body of every write: refused, or the next start finds what
/// was written.
///
/// # Panics
/// When it does not.
pub fn body(bytes: &[u8]) {
    if let Ok(body) = json::read(bytes) {
        write::<User>(FINN, &body);
        write::<Post>(POST, &body);
    }
}

const FINN: &str = r#""username":"finn","name":"F","bio":"""#;
const POST: &str = r#""thread":1,"text":"t","user":1"#;

/// A record with members that only the file knows, and names that mean something
/// to `serde_json`.
fn started<M: Model>(record: &str) -> Files<M> {
    let badge = r#"{"x":1E5,"$serde_json::private::Number":"abc"}"#;
    let collection = M::COLLECTION;
    let text = format!(r#"{{"{collection}":[{{"id":1,{record},"badge":{badge},"x":[]}}]}}"#);
    Files::start(text.as_bytes()).expect("this file is sound")
}

fn write<M: Model>(record: &str, body: &Value) {
    let now = Timestamp::now();
    let mut files = started::<M>(record);
    // They panic when a write was accepted that does not survive.
    let _ = files.write(
        Operation::Patch(1, body.clone(), Precondition::default()),
        now,
    );
    if let Value::Object(members) = body {
        let replace = Operation::Replace(1, members.clone(), Precondition::default());
        let _ = files.write(replace, now);
        let _ = files.write(Operation::Create(members.clone()), now);
    }
}

/// Any two JSON texts, with a line feed between them, as a record and a merge
/// patch of it: what comes out is a record with the same id, or refused.
///
/// # Panics
/// When it is neither.
pub fn merge_patch(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == b'\n').map(json::read);
    let (Some(Ok(Value::Object(members))), Some(Ok(patch))) = (texts.next(), texts.next()) else {
        return;
    };
    let now = Timestamp::now();
    let mut files = Files::<User>::start(br#"{"users":[]}"#).expect("this file is sound");
    if files.write(Operation::Create(members), now).is_err() {
        return;
    }
    let patched = files.write(Operation::Patch(1, patch, Precondition::default()), now);
    let Ok(Written {
        id,
        record: Some(record),
    }) = patched
    else {
        return;
    };
    assert_eq!(id, 1);
    let again = json::read(&record.json).expect("a record has no name that is reserved");
    let again = files.write(Operation::Patch(1, again, Precondition::default()), now);
    let again = again.expect("a record is its own patch");
    assert_eq!(again.record, Some(record));
}
