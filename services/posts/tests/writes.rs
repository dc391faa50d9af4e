//! Writes, by each caller: those that all services answer alike, who may write which post, and
//! those of this service's own model.

use serde_json::json;
use testkit::writes::{Caller, Collection, Writer, owners};

testkit::write_suite!(crate::posts);

fn posts() -> Collection {
    Collection {
        binary: env!("CARGO_BIN_EXE_posts"),
        name: "posts",
        owner: Some("user"),
        members: |word| json!({"thread": 1, "text": word}),
        text: "text",
        wrong: r#"{"thread":"3","text":" \n\u200b"}"#,
        wrong_pointers: &["/thread", "/text"],
    }
}

#[test]
fn each_caller_writes_what_they_may() {
    owners::each_caller_writes_what_they_may(posts());
}

#[test]
fn an_owner_who_is_not_named_is_who_creates() {
    owners::an_owner_who_is_not_named_is_who_creates(posts());
}

#[test]
fn an_owner_stays_and_only_moderators_and_the_service_change_it() {
    owners::an_owner_stays_and_only_moderators_and_the_service_change_it(posts());
}

#[test]
fn a_key_is_its_callers_own() {
    owners::a_key_is_its_callers_own(posts());
}

#[test]
fn an_id_is_a_number_and_a_text_shows_something() {
    for caller in [Caller::Service, Caller::Moderator, Caller::User] {
        let writer = Writer::new(posts(), caller);
        let binary = writer.binary();
        let task = binary.start();
        for (body, kind) in [
            (
                r#"{"thread":{"$serde_json::private::Number":"3"},"text":"T","user":1}"#,
                "malformed-json",
            ),
            (r#"{"thread":"3","text":"T","user":1}"#, "invalid-record"),
            (r#"{"thread":3.0,"text":"T","user":1}"#, "invalid-record"),
            (
                r#"{"thread":3,"text":" \n\u200b","user":1}"#,
                "invalid-record",
            ),
        ] {
            let refused = writer.create(&task, body).problem().0;
            assert_eq!(refused, kind, "{caller:?}: {body}");
        }
        let text = r#"{"thread":3,"text":"\nT\u0000","user":1}"#;
        let post = writer.create(&task, text).json();
        assert_eq!(
            (&post["id"], &post["thread"], &post["text"]),
            (&json!(1), &json!(3), &json!("\nT\0"))
        );
        assert!(task.stop().status.success());
        assert_eq!(binary.start().get("/api/posts").json(), json!([post]));
    }
}
