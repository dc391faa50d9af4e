//! Entry points for the fuzzer (`crates/fuzz`). They exist only when it builds this crate.

use common::{Model, Post, Timestamp, User};
use serde_json::{Value, value::RawValue};

use crate::{
    document::load::Document,
    journal::file::format::JournalContents,
    json,
    memory::remembered::KeyChanges,
    round_trip::{self, Files},
    rules::body,
    write::{Changes, IdempotencyKey, KeyedRequest, Operation, Precondition, Written},
};

/// Reads any bytes as a `db.json`. They must be refused, or yield the same after they are
/// written and read again, and the same records as another JSON reader finds.
///
/// # Panics
/// When this is not so.
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

/// The records that another JSON reader finds in a `db.json`, in id order. None if other
/// members are nested too deeply for it.
fn records<M: Model>(bytes: &[u8]) -> Vec<Value> {
    let document = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let mut records = document[M::COLLECTION]
        .as_array()
        .cloned()
        .unwrap_or_default();
    records.sort_by_key(|record| record["id"].as_u64());
    records
}

/// Reads any bytes as a journal, and as a record and a list of keys in a journal. They must be
/// refused, or be the same after they are written to a `db.json` and read again.
///
/// # Panics
/// When the next start does not read what a start has read from the journal.
pub fn journal(bytes: &[u8]) {
    let _ = JournalContents::parse(bytes, User::COLLECTION);
    let record = std::str::from_utf8(bytes).map(str::trim);
    // A line of a journal has no line feed inside, so neither has a record in it.
    let Some(record) = record.ok().filter(|record| !record.contains('\n')) else {
        return;
    };
    if let Ok(remember) = serde_json::from_str(record) {
        let mut files = started::<User>(FINN);
        let forget = None;
        files.append(Changes {
            records: Vec::new(),
            keys: KeyChanges { forget, remember },
        });
        let recovered = files.recovered().expect("keys can always be applied");
        round_trip::assert_survives(&recovered);
    }
    if let Ok(record) = RawValue::from_string(record.to_owned()) {
        let mut files = started::<User>(FINN);
        files.append_record(record);
        if let Ok(recovered) = files.recovered() {
            round_trip::assert_survives(&recovered);
        }
    }
}

/// Sends any bytes as the body of each kind of write. The write must be refused, or the next
/// start must find what was written.
///
/// # Panics
/// When this is not so.
pub fn body(bytes: &[u8]) {
    if let Ok(body) = json::read(bytes) {
        write::<User>(FINN, &body);
        write::<Post>(POST, &body);
    }
}

const FINN: &str = r#""username":"finn","name":"F","bio":"""#;
const POST: &str = r#""thread":1,"text":"t","user":1"#;

/// A record with members that the model does not know, and a name that has a special meaning
/// in `serde_json`.
fn started<M: Model>(record: &str) -> Files<M> {
    let badge = r#"{"x":1E5,"$serde_json::private::Number":"abc"}"#;
    let collection = M::COLLECTION;
    let text = format!(r#"{{"{collection}":[{{"id":1,{record},"badge":{badge},"x":[]}}]}}"#);
    Files::start(text.as_bytes()).expect("this file is sound")
}

fn write<M: Model>(record: &str, body: &Value) {
    let now = Timestamp::now();
    let mut files = started::<M>(record);
    // Each panics when an accepted write is not what the next start reads.
    let _ = files.write(
        Operation::Patch(1, body.clone(), Precondition::default()),
        now,
    );
    if let Value::Object(members) = body {
        let replace = Operation::Replace(1, members.clone(), Precondition::default());
        let _ = files.write(replace, now);
        let keyed = KeyedRequest::new(IdempotencyKey::new(b"k"), body::digest(members));
        let create = || Operation::Create(members.clone(), Some(keyed));
        let created = files.write(create(), now).ok();
        let again = files.write(create(), now).ok();
        let record = |written: Option<Written>| written.map(|written| (written.id, written.record));
        assert_eq!(record(again), record(created));
    }
}

/// Takes two JSON texts, separated by a line feed, as a record and a merge patch of it. The
/// patch must be refused, or yield a record with the same id.
///
/// # Panics
/// When this is not so.
pub fn merge_patch(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == b'\n').map(json::read);
    let (Some(Ok(Value::Object(members))), Some(Ok(patch))) = (texts.next(), texts.next()) else {
        return;
    };
    let now = Timestamp::now();
    let mut files = Files::<User>::start(br#"{"users":[]}"#).expect("this file is sound");
    if files.write(Operation::Create(members, None), now).is_err() {
        return;
    }
    let patched = files.write(Operation::Patch(1, patch, Precondition::default()), now);
    let Ok(Written {
        id,
        record: Some(record),
        ..
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
