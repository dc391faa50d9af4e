//! Lists, page by page.

use serde_json::Value;

use crate::fixture::{Api, Response, all, posts};

/// Where a `Link` header leads.
fn next(response: &Response) -> Option<String> {
    let link = response.headers.get("link")?.to_str().unwrap();
    let target = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(target.unwrap_or_else(|| panic!("{link}")).to_owned())
}

/// All lists of a service that have pages, with their query so far.
fn lists(api: &Api) -> Vec<String> {
    let mut lists: Vec<_> = api
        .lists_by
        .iter()
        .map(|(path, _)| format!("{path}2?"))
        .collect();
    lists.push(format!("{}?", api.collection()));
    lists.push(format!("{}/?", api.collection()));
    for member in api.filters {
        let value = if *member == "username" { "user-9" } else { "2" };
        lists.push(format!("{}?{member}={value}&", api.collection()));
    }
    let many: Vec<_> = (1..=70).map(|id| id.to_string()).collect();
    lists.push(format!("{}?id={}&", api.collection(), many.join(",")));
    lists.push(format!("{}?id={}&", api.collection(), many.join("&id=")));
    if api.name == "posts" {
        lists.push("/api/posts?id=1,2,4,5,10,16,22,28&user=2&".into());
        lists.push("/api/posts/in-thread/2?id=1,5,9,13,17,25&".into());
        lists.push("/api/posts?user=2&thread=3&".into());
        lists.push("/api/posts/in-thread/2?user=1&".into());
    }
    lists
}

#[test]
fn following_the_links_reaches_every_record_once() {
    for api in all() {
        for list in lists(&api) {
            for sort in ["id", "-id"] {
                let whole = api.get(&format!("{list}sort={sort}")).records();
                assert!(!whole.is_empty(), "{list}");
                for limit in [1, 4, whole.len(), 1000] {
                    let mut target = Some(format!("{list}limit={limit}&sort={sort}"));
                    let mut seen: Vec<Value> = Vec::new();
                    while let Some(page) = target {
                        let response = api.get(&page);
                        let records = response.records();
                        assert_eq!(response.header("x-total-count"), whole.len().to_string());
                        assert!(records.len() <= limit, "{page}");
                        target = next(&response);
                        assert_eq!(
                            target.is_some(),
                            seen.len() + records.len() < whole.len(),
                            "{page}"
                        );
                        seen.extend(records);
                    }
                    assert_eq!(seen, whole, "{list} {sort} {limit}");
                }
            }
        }
    }
}

#[test]
fn after_need_not_be_an_id_of_the_list() {
    for api in all() {
        let ids = |query: &str| -> Vec<u64> {
            let list = api.get(&format!("{}?{query}", api.collection())).records();
            list.iter()
                .map(|record| record["id"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(ids("after=56"), [57, 58, 59, 60]);
        assert_eq!(ids("after=60"), [0; 0]);
        assert_eq!(ids("after=9007199254740991"), [0; 0]);
        assert_eq!(ids("after=7&limit=2"), [8, 9]);
        assert_eq!(ids("after=7&limit=2&sort=-id"), [6, 5]);
        assert_eq!(ids("after=1&sort=-id"), [0; 0]);
        assert_eq!(ids("after=0&limit=2"), [1, 2]);
        assert_eq!(ids("after=0&sort=-id"), [0; 0]);
        assert_eq!(ids("after=9007199254740991&sort=-id&limit=1"), [60]);
    }
}

#[test]
fn head_counts_without_a_body() {
    for api in all() {
        let head = api.ask("HEAD", &format!("{}?limit=1", api.collection()), &[]);
        assert_eq!(head.header("x-total-count"), api.records.len().to_string());
        assert!(next(&head).is_some());
        assert!(head.body.is_empty());
    }
}

#[test]
fn links_keep_what_was_asked_and_replace_after() {
    let api = posts();
    for (asked, next) in [
        (
            "/api/posts/?user=2&sort=-id&after=50&limit=3",
            "/api/posts/?user=2&sort=-id&limit=3&after=40",
        ),
        (
            "/api/posts?&%61fter=50&us%65r=2&&limit=2",
            "/api/posts?us%65r=2&limit=2&after=55",
        ),
        (
            "/api/posts/by-user/2?id=1,4,10&id=13&limit=2",
            "/api/posts/by-user/2?id=1,4,10&id=13&limit=2&after=4",
        ),
    ] {
        let response = api.get(asked);
        assert_eq!(response.header("link"), format!("<{next}>; rel=\"next\""));
    }
}

#[test]
fn an_unchanged_page_is_not_sent_again_and_still_links_on() {
    for api in all() {
        let target = format!("{}?limit=5", api.collection());
        let first = api.get(&target);
        let again = api.ask("GET", &target, &[("if-none-match", first.header("etag"))]);
        assert_eq!(again.status, 304);
        assert_eq!(again.header("link"), first.header("link"));
        assert_eq!(again.header("x-total-count"), first.header("x-total-count"));
    }
}
