//! Which records lists hold.

use serde_json::Value;

use crate::fixture::{Api, all, posts, threads, users};

fn having(api: &Api, members: &[(&str, u64)]) -> Vec<Value> {
    let matches = |record: &&Value| members.iter().all(|(name, value)| record[*name] == *value);
    api.records.iter().filter(matches).cloned().collect()
}

#[test]
fn a_collection_is_a_compact_array_in_id_order() {
    for api in all() {
        let response = api.get(&api.collection());
        assert_eq!(response.body, Value::from(api.records.clone()).to_string());
        assert_eq!(
            response.header("x-total-count"),
            api.records.len().to_string()
        );
        assert!(!response.headers.contains_key("link"));
    }
}

#[test]
fn sort_turns_the_order() {
    for api in all() {
        let list = |sort| {
            api.get(&format!("{}?sort={sort}", api.collection()))
                .records()
        };
        assert_eq!(list("id"), api.records);
        assert!(list("-id").iter().rev().eq(&api.records));
    }
}

#[test]
fn posts_are_listed_by_thread_and_by_user() {
    let api = posts();
    for (path, member) in api.lists_by {
        for value in 1..=4 {
            let expected = having(&api, &[(member, value)]);
            let in_path = api.get(&format!("{path}{value}"));
            assert_eq!(in_path.records(), expected);
            assert_eq!(in_path.header("x-total-count"), expected.len().to_string());
            let in_query = api.get(&format!("/api/posts?{member}={value}"));
            assert_eq!(in_query.records(), expected);
        }
        assert_eq!(api.get(&format!("{path}999")).body, "[]");
        assert_eq!(api.get(&format!("{path}999")).header("x-total-count"), "0");
    }
}

#[test]
fn filters_are_combined_with_and() {
    let api = posts();
    for thread in 1..=5 {
        for user in 1..=4 {
            let expected = having(&api, &[("thread", thread), ("user", user)]);
            for target in [
                format!("/api/posts?thread={thread}&user={user}"),
                format!("/api/posts?user={user}&thread={thread}"),
                format!("/api/posts/in-thread/{thread}?user={user}"),
                format!("/api/posts/by-user/{user}?thread={thread}"),
                format!("/api/posts/by-user/{user}?thread={thread}&user={user}"),
            ] {
                let response = api.get(&target);
                assert_eq!(response.records(), expected, "{target}");
                assert_eq!(response.header("x-total-count"), expected.len().to_string());
            }
        }
    }
    assert_eq!(api.get("/api/posts/by-user/1?user=2").body, "[]");
}

#[test]
fn threads_are_filtered_by_who_began_them() {
    let api = threads();
    for user in 1..=6 {
        let response = api.get(&format!("/api/threads?createdBy={user}"));
        assert_eq!(response.records(), having(&api, &[("createdBy", user)]));
    }
}

#[test]
fn users_are_found_by_name() {
    let api = users();
    assert_eq!(
        api.get("/api/users?username=user-12").records(),
        [api.records[10].clone()]
    );
    assert_eq!(api.get("/api/users?username=%75ser-12").records().len(), 1);
    for nobody in ["user-7", "USER-12", "user", "", "%FF", "user-12%20"] {
        assert_eq!(
            api.get(&format!("/api/users?username={nobody}")).body,
            "[]",
            "{nobody}"
        );
    }
}
