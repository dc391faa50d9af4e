//! What writes make of records.

use serde_json::{Value, json};

use crate::{
    Request,
    writes::{TIME, Writer},
};

/// # Panics
/// When an answer is another.
pub fn a_record_is_created_by_those_who_may(writer: &Writer) {
    let task = writer.start();
    let sent = writer.record("second");
    let created = task.ask(&writer.write("POST", &writer.list(), &sent));
    if !writer.creates_and_deletes() {
        assert_eq!(created.problem().0, "forbidden");
        assert_eq!(task.get(&writer.path(2)).status, 404);
        return;
    }
    assert_eq!(
        (created.status, created.header("location")),
        (201, &*writer.path(2))
    );
    let record = created.json();
    assert_eq!(record["createdAt"], record["updatedAt"]);
    for (name, value) in sent.as_object().into_iter().flatten() {
        assert_eq!(record[name], *value, "{name}");
    }
    let read = task.get(&writer.path(2));
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.json(), record);
}

/// # Panics
/// When an answer is another.
pub fn a_record_is_replaced_and_patched(writer: &Writer) {
    let task = writer.start();
    let path = writer.path(1);
    let before = task.get(&path);
    let second = writer.record("second");
    let replaced = task.ask(&writer.write("PUT", &path, &second));
    assert_eq!(replaced.status, 200);
    assert_eq!(replaced.json()["createdAt"], TIME);
    assert_ne!(replaced.header("etag"), before.header("etag"));
    for (name, value) in second.as_object().into_iter().flatten() {
        assert_eq!(replaced.json()[name], *value, "{name}");
    }

    let patched = task.ask(&writer.write("PATCH", &path, &writer.change("c")));
    let mut expected = replaced.json();
    expected[writer.collection.text] = "c".into();
    expected["updatedAt"] = patched.json()["updatedAt"].clone();
    assert_eq!((patched.status, patched.json()), (200, expected));
    assert_eq!(task.get(&path).header("etag"), patched.header("etag"));
    let merge_patch = writer.request("PATCH", &path);
    let merge_patch = merge_patch.body("application/merge-patch+json", "{}");
    assert_eq!(task.ask(&merge_patch).json(), patched.json());
    // A client may send back unchanged what it read.
    let same = task.ask(&writer.write("PUT", &path, &patched.json()));
    assert_eq!(same.json(), patched.json());
}

/// # Panics
/// When an answer is another.
pub fn a_record_is_deleted_by_those_who_may(writer: &Writer) {
    let task = writer.start();
    let path = writer.path(1);
    let deleted = task.ask(&writer.request("DELETE", &path));
    if !writer.creates_and_deletes() {
        assert_eq!(deleted.problem().0, "forbidden");
        assert_eq!(task.get(&path).status, 200);
        return;
    }
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    assert_eq!(task.get(&path).problem().0, "not-found");
    let created = task.ask(&writer.write("POST", &writer.list(), &writer.record("first")));
    assert_eq!(created.header("location"), writer.path(2));
}

/// # Panics
/// When an answer is another.
pub fn a_record_that_is_not_there_is_not_written(writer: &Writer) {
    let task = writer.start();
    let absent = writer.path(9);
    for request in [
        Request::get(&absent),
        writer.request("DELETE", &absent),
        writer.write("PATCH", &absent, &json!({})),
        writer.write("PUT", &absent, &writer.record("x")),
    ] {
        assert_eq!(task.ask(&request).problem().0, "not-found");
    }
}

/// # Panics
/// When an answer is another.
pub fn numbers_and_unknown_members_of_the_file_stay_as_they_are(writer: &Writer) {
    let score = "\"score\":12345678901234567890123.10";
    let task = writer.start_with(&format!(",{score}"));
    let path = writer.path(1);
    assert!(task.get(&path).text().contains(score));
    for change in [
        writer.write("PATCH", &path, &writer.change("b")),
        writer.write("PUT", &path, &writer.record("second")),
    ] {
        assert!(task.ask(&change).text().contains(score));
    }
}

/// # Panics
/// When an answer is another.
pub fn times_may_be_repeated_in_any_spelling(writer: &Writer) {
    let task = writer.start();
    let path = writer.path(1);
    let read = task.get(&path);
    let mut record = read.json();
    record["createdAt"] = "2026-03-04T09:12:33.360000000000Z".into();
    record["updatedAt"] = "2026-03-04T09:12:33.360000+00:00".into();
    for method in ["PUT", "PATCH"] {
        let same = task.ask(&writer.write(method, &path, &record));
        assert_eq!((same.status, same.json()), (200, read.json()), "{method}");
    }
    let changed = task.ask(&writer.write("PATCH", &path, &writer.change("b")));
    assert_eq!(changed.json()["createdAt"], TIME);
    let detail = |record: &Value| {
        let refused = task.ask(&writer.write("PUT", &path, record));
        let expected = ("invalid-record".to_owned(), vec!["/updatedAt".to_owned()]);
        assert_eq!(refused.problem(), expected);
        refused.json()["errors"][0]["detail"].to_string()
    };
    let outdated = detail(&record);
    assert!(
        outdated.contains("the record was changed since it was read"),
        "{outdated}"
    );
    record["updatedAt"] = "2999-01-01T00:00:00Z".into();
    let invented = detail(&record);
    assert!(invented.contains("is set by the server"), "{invented}");
}
