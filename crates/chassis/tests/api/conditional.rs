//! Entity tags.

use std::collections::HashSet;

use crate::fixture::{Api, all, posts};

/// Paths whose answers have entity tags.
fn tagged(api: &Api) -> Vec<String> {
    let summary = (api.name == "posts").then(|| "/api/posts/summary?thread=1,2".to_owned());
    let lists = api.lists_by.iter().map(|(path, _)| format!("{path}1"));
    let collection = api.collection();
    lists
        .chain([
            format!("{collection}/1"),
            format!("{collection}?limit=3&sort=-id"),
            collection,
        ])
        .chain(summary)
        .collect()
}

#[test]
fn the_tag_just_received_is_answered_with_304() {
    for api in all() {
        for path in tagged(&api) {
            let etag = api.get(&path).header("etag").to_owned();
            assert!(
                etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2,
                "{etag}"
            );
            let weak = format!("W/{etag}");
            let among = format!("\"x\", {etag}");
            for method in ["GET", "HEAD"] {
                for tags in [etag.as_str(), &weak, &among, "*"] {
                    let response = api.ask(method, &path, &[("if-none-match", tags)]);
                    assert_eq!(response.status, 304, "{path} {tags}");
                    assert_eq!(response.header("etag"), etag, "{path} {tags}");
                    assert!(response.body.is_empty(), "{path} {tags}");
                    assert!(
                        !response.headers.contains_key("content-type"),
                        "{path} {tags}"
                    );
                }
            }
            for tags in ["\"x\"", "", "x", etag.trim_matches('"')] {
                let response = api.ask("GET", &path, &[("if-none-match", tags)]);
                assert_eq!(response.status, 200, "{path} {tags}");
            }
            let two_lines = [("if-none-match", "\"x\""), ("if-none-match", etag.as_str())];
            assert_eq!(api.ask("GET", &path, &two_lines).status, 304, "{path}");
        }
    }
}

#[test]
fn equal_contents_have_equal_tags_and_others_do_not() {
    for (one, other) in all().into_iter().zip(all()) {
        let mut seen = HashSet::new();
        for path in tagged(&one) {
            let etag = one.get(&path).header("etag").to_owned();
            assert_eq!(other.get(&path).header("etag"), etag, "{path}");
            assert!(seen.insert(etag), "{path}");
        }
    }
    let api = posts();
    let tag = |target| api.get(target).header("etag").to_owned();
    assert_eq!(tag("/api/posts/by-user/1"), tag("/api/posts?user=1"));
    assert_ne!(tag("/api/posts?limit=2"), tag("/api/posts?limit=2&after=2"));
}

#[test]
fn a_condition_does_not_hide_that_there_is_nothing() {
    for api in all() {
        let absent = format!("{}/7", api.collection());
        let response = api.ask("GET", &absent, &[("if-none-match", "*")]);
        assert_eq!(response.status, 404);
    }
}
