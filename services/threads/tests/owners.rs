//! Who writes which thread: its owner, moderators and the service. What all three services do alike is
//! tested in `users`.

use serde_json::json;
use testkit::owned::Owned;

fn threads() -> Owned {
    Owned {
        binary: env!("CARGO_BIN_EXE_threads"),
        collection: "threads",
        owner: "createdBy",
        members: json!({"title": "T"}),
        change: json!({"title": "U"}),
    }
}

#[test]
fn each_caller_writes_what_they_may() {
    threads().each_caller_writes_what_they_may();
}

#[test]
fn an_owner_who_is_not_named_is_who_creates() {
    threads().an_owner_who_is_not_named_is_who_creates();
}

#[test]
fn an_owner_stays_and_only_moderators_and_the_service_change_it() {
    threads().an_owner_stays_and_only_moderators_and_the_service_change_it();
}
