//! Lists of the records with given ids.

use serde_json::Value;

use crate::fixture::{Api, all, posts};

/// The ids of the records of a list.
fn listed(api: &Api, target: &str) -> Vec<u64> {
    let records = api.get(target).records();
    let id = |record: &Value| record["id"].as_u64().unwrap();
    records.iter().map(id).collect()
}

/// So many ids with commas between them. There are records with the first ones.
fn many(count: u64) -> String {
    let ids: Vec<_> = (1..=count).map(|id| id.to_string()).collect();
    ids.join(",")
}

#[test]
fn records_are_listed_by_id_in_id_order_and_each_once() {
    for api in all() {
        for (query, expected) in [
            ("id=3", &[3][..]),
            ("id=12,3,5", &[3, 5, 12]),
            ("id=12&id=3&id=5", &[3, 5, 12]),
            ("id=12,3&id=5", &[3, 5, 12]),
            ("id=12%2C3", &[3, 12]),
            ("%69d=12", &[12]),
            ("id=5,3,5&id=3", &[3, 5]),
            ("id=3,7,61,12", &[3, 12]),
            ("id=7", &[]),
            ("id=9007199254740991,1", &[1]),
        ] {
            let target = format!("{}?{query}", api.collection());
            assert_eq!(listed(&api, &target), expected, "{target}");
            for method in ["GET", "HEAD"] {
                let response = api.ask(method, &target, &[]);
                let total = response.header("x-total-count");
                assert_eq!(total, expected.len().to_string(), "{method} {target}");
            }
        }
    }
}

#[test]
fn the_records_are_those_of_the_whole_list() {
    for api in all() {
        let some = [2, 3, 30, 58];
        let target = format!("{}?id=2,3,30,58", api.collection());
        let mut expected = api.records.clone();
        expected.retain(|record| some.iter().any(|id| record["id"] == *id));
        assert_eq!(api.get(&target).body, Value::from(expected).to_string());
    }
}

#[test]
fn ids_are_combined_with_all_other_parameters() {
    let api = posts();
    for (target, expected) in [
        ("/api/posts?id=3,12,5,8&sort=-id", &[12, 8, 5, 3][..]),
        ("/api/posts?id=3,12,5,8&limit=2", &[3, 5]),
        ("/api/posts?id=3,12,5,8&after=5", &[8, 12]),
        ("/api/posts?id=3,12,5,8&after=6&sort=-id", &[5, 3]),
        ("/api/posts?id=3,12,5,8&after=3&limit=1", &[5]),
        // Post n is in thread n % 4 + 1, by user n % 3 + 1.
        ("/api/posts?thread=1&id=3,12,5,8", &[8, 12]),
        ("/api/posts?id=3,12,5,8&user=3", &[5, 8]),
        ("/api/posts?user=3&id=3,12,5,8&thread=1", &[8]),
        ("/api/posts/in-thread/1?id=3,12,5,8", &[8, 12]),
        ("/api/posts/in-thread/1/?id=3,12,5,8&user=3", &[8]),
        ("/api/posts/by-user/3?id=3&id=12&id=5&id=8", &[5, 8]),
        ("/api/posts/by-user/9?id=3,12,5,8", &[]),
    ] {
        assert_eq!(listed(&api, target), expected, "{target}");
    }
    let page = api.get("/api/posts/in-thread/1?id=3,12,5,8&limit=1");
    assert_eq!(page.header("x-total-count"), "2");
    assert!(page.header("link").contains("id=3,12,5,8&limit=1&after=8"));
}

#[test]
fn a_hundred_ids_are_taken_and_no_more_repeated_ones_counted() {
    for api in all() {
        let lists = api.lists_by.iter().map(|(path, _)| format!("{path}2"));
        for path in lists.chain([api.collection()]) {
            let ninety_nine = many(99);
            for query in [
                many(100),
                format!("{ninety_nine}&id=1"),
                "1,".repeat(99) + "1",
            ] {
                let response = api.get(&format!("{path}?id={query}"));
                assert_eq!(response.status, 200, "{path}?id={query}");
            }
            for query in [
                many(101),
                format!("{ninety_nine}&id=1,1"),
                "1,".repeat(100) + "1",
            ] {
                let response = api.get(&format!("{path}?id={query}"));
                assert_eq!(response.status, 400, "{path}?id={query}");
                assert_eq!(response.problem(), "invalid-parameter");
                assert_eq!(
                    response.json()["detail"],
                    "query parameter id: expected at most 100 ids, repeated ones counted each time"
                );
            }
        }
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for api in all() {
        for value in [
            "",
            ",",
            "1,",
            ",1",
            "1,,2",
            "0",
            "1,0",
            "1e3",
            "+1",
            "%2B1",
            "-1",
            "01",
            "1.0",
            "1,%202",
            "1;2",
            "1%7C2",
            "[1]",
            "x",
            "9007199254740992",
            "1&id=",
            "1&id",
        ] {
            let target = format!("{}?id={value}", api.collection());
            let response = api.get(&target);
            assert_eq!(response.status, 400, "{target}");
            assert_eq!(response.problem(), "invalid-parameter", "{target}");
            assert_eq!(
                response.json()["detail"],
                "query parameter id: expected ids with commas between them, as in 3,7,12",
                "{target}"
            );
        }
    }
}

/// The tag is that of the records: whoever asks for the same ones in another way has them.
#[test]
fn a_list_by_id_that_did_not_change_is_not_sent_again() {
    for api in all() {
        let target = format!("{}?id=5,3,99&limit=1", api.collection());
        let first = api.get(&target);
        let tag = first.header("etag");
        for method in ["GET", "HEAD"] {
            let again = api.ask(method, &target, &[("if-none-match", tag)]);
            assert_eq!(again.status, 304, "{target}");
            assert_eq!(again.header("x-total-count"), "2");
            assert_eq!(again.header("link"), first.header("link"));
        }
        let other = api.get(&format!("{}?id=3&id=3", api.collection()));
        assert_eq!(other.header("etag"), tag);
        let other = api.get(&format!("{}?id=5", api.collection()));
        assert_ne!(other.header("etag"), tag);
    }
}

#[test]
fn the_document_describes_ids_as_an_array() {
    for api in all() {
        let list = &api.document()["paths"][api.collection()]["get"];
        let parameters = list["parameters"].as_array().unwrap();
        let id = parameters
            .iter()
            .find(|parameter| parameter["name"] == "id");
        let id = id.unwrap();
        assert_eq!((&id["in"], &id["style"]), (&"query".into(), &"form".into()));
        assert_eq!(id["explode"], false);
        let schema = &id["schema"];
        assert_eq!(
            (&schema["minItems"], &schema["maxItems"]),
            (&1.into(), &100.into())
        );
        assert_eq!(schema["items"]["maximum"], 9_007_199_254_740_991_u64);
    }
}
