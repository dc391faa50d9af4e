//! Writes, by each caller: those that all services answer alike, who may write which thread, and
//! those of this service's own model.

use serde_json::json;
use testkit::writes::{Caller, Collection, Writer};

testkit::write_suite!(crate::threads);
testkit::owner_suite!(crate::threads);

fn threads() -> Collection {
    Collection {
        binary: env!("CARGO_BIN_EXE_threads"),
        name: "threads",
        owner: Some("createdBy"),
        members: |word| json!({"title": word}),
        text: "title",
        wrong: r#"{"title":"\u00ad"}"#,
        wrong_pointers: &["/title"],
    }
}

#[test]
fn an_owner_is_a_number_and_a_title_shows_something() {
    for (caller, owner) in [
        (Caller::Service, "invalid-record"),
        (Caller::Moderator, "invalid-record"),
        // Users name themselves or nobody.
        (Caller::User, "forbidden"),
    ] {
        let writer = Writer::new(threads(), caller);
        let binary = writer.binary();
        let task = binary.start();
        for (body, kind) in [
            (
                r#"{"title":"T","createdBy":{"$serde_json::private::Number":"3"}}"#,
                "malformed-json",
            ),
            (r#"{"title":"T","createdBy":[1]}"#, owner),
            (r#"{"title":"\u00ad","createdBy":1}"#, "invalid-record"),
        ] {
            let refused = writer.create(&task, body).problem().0;
            assert_eq!(refused, kind, "{caller:?}: {body}");
        }
        let thread = writer
            .create(&task, r#"{"title":" T","createdBy":1}"#)
            .json();
        assert_eq!((&thread["id"], &thread["title"]), (&json!(1), &json!(" T")));
        assert!(task.stop().status.success());
        assert_eq!(binary.start().get("/api/threads").json(), json!([thread]));
    }
}
