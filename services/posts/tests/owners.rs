//! Who writes which post: its owner, moderators and the service. What all three services do alike is
//! tested in `users`.

use serde_json::json;
use testkit::owned::Owned;

fn posts() -> Owned {
    Owned {
        binary: env!("CARGO_BIN_EXE_posts"),
        collection: "posts",
        owner: "user",
        members: json!({"thread": 1, "text": "T"}),
        change: json!({"text": "U"}),
    }
}

#[test]
fn each_caller_writes_what_they_may() {
    posts().each_caller_writes_what_they_may();
}

#[test]
fn an_owner_who_is_not_named_is_who_creates() {
    posts().an_owner_who_is_not_named_is_who_creates();
}

#[test]
fn an_owner_stays_and_only_moderators_and_the_service_change_it() {
    posts().an_owner_stays_and_only_moderators_and_the_service_change_it();
}
