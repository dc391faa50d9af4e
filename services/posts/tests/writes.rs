//! Writes, by each caller: those that all services answer alike, who may write which post, and
//! those of this service's own model.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use serde_json::json;
use testkit::writes::{Caller, Collection, Writer};

testkit::write_suite!(crate::posts);
testkit::owner_suite!(crate::posts);

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

#[test]
fn a_client_that_asks_for_what_is_new_misses_no_post_while_eight_write() {
    const WRITERS: usize = 8;
    const POSTS: usize = 50;
    let writer = Writer::new(posts(), Caller::Service);
    let task = writer.binary().start();
    let ended = AtomicUsize::new(0);
    let write = || {
        let body = r#"{"thread":31,"text":"T","user":1}"#;
        let created = (0..POSTS).map(|_| writer.create(&task, body).json()["id"].as_u64());
        let created: Vec<_> = created.map(Option::unwrap).collect();
        ended.fetch_add(1, Relaxed);
        created
    };
    let poll = || {
        let mut seen = vec![0];
        loop {
            let all_ended = ended.load(Relaxed) == WRITERS;
            let last = seen[seen.len() - 1];
            let new = task.get(&format!("/api/posts/in-thread/31?after={last}"));
            let new = new.json();
            let new = new.as_array().unwrap();
            if new.is_empty() && all_ended {
                return seen.split_off(1);
            }
            seen.extend(new.iter().map(|post| post["id"].as_u64().unwrap()));
        }
    };
    let (seen, mut created) = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        let seen = scope.spawn(poll).join().unwrap();
        let created = writers.into_iter().flat_map(|one| one.join().unwrap());
        (seen, created.collect::<Vec<_>>())
    });
    created.sort_unstable();
    assert_eq!(created.len(), WRITERS * POSTS);
    assert_eq!(seen, created);
}
