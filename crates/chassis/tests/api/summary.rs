//! Summaries by member.

use axum::body::Body;
use common::{Post, Thread};
use serde_json::{Value, json};

use crate::fixture::{Api, TOKEN, Writes, all_in, posts};

/// What a client computes from the list of the posts that have this id in the member.
fn of_the_list(api: &Api, member: &str, id: u64) -> Value {
    let list = api.get(&format!("/api/posts?{member}={id}")).records();
    let mut row = json!({member: id, "posts": list.len()});
    if let Some(last) = list.last() {
        row["lastPost"] = last["id"].clone();
        if let Some(created_at) = last.get("createdAt") {
            row["lastPostAt"] = created_at.clone();
        }
    }
    row
}

fn write(api: &Api, method: &str, target: &str, body: &Value) -> Value {
    let token = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    let response = api.send(method, target, &headers, Body::from(body.to_string()));
    assert!(response.status.is_success(), "{method} {target}");
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// A service of posts that takes writes.
fn writable() -> Api {
    let [_, _, posts] = all_in(Writes::Taken);
    posts
}

fn compare(api: &Api) {
    for member in ["thread", "user"] {
        let expected: Value = [3, 1, 999, 2]
            .map(|id| of_the_list(api, member, id))
            .into_iter()
            .collect();
        let summary = api.get(&format!("/api/posts/summary?{member}=3,1,999,2"));
        assert_eq!(summary.json(), expected);
    }
}

#[test]
fn a_summary_is_what_a_client_computes_from_the_lists() {
    compare(&posts());
    let api = writable();
    compare(&api);
    let last = api.get("/api/posts?thread=3").records().pop().unwrap();
    let last = format!("/api/posts/{}", last["id"]);
    let post = json!({"thread": 1, "text": "t", "user": 2});
    let created = write(&api, "POST", "/api/posts", &post);
    compare(&api);
    let summary = api.get("/api/posts/summary?thread=1").json();
    assert_eq!(summary[0]["lastPost"], created["id"]);
    assert_eq!(summary[0]["lastPostAt"], created["createdAt"]);
    write(&api, "PATCH", &last, &json!({"thread": 2, "user": 1}));
    compare(&api);
    write(&api, "DELETE", &last, &Value::Null);
    compare(&api);
}

#[test]
fn each_id_is_answered_once_in_the_order_of_the_request() {
    let api = posts();
    let plain = api.get("/api/posts/summary?thread=3,9,1");
    let expected = concat!(
        r#"[{"thread":3,"posts":13,"lastPost":58},{"thread":9,"posts":0},"#,
        r#"{"thread":1,"posts":13,"lastPost":60}]"#
    );
    assert_eq!(plain.body, expected);
    for query in [
        "thread=3&thread=9&thread=1",
        "thread=3,9&thread=1",
        "thread=3%2C9%2C1",
        "thread=3,3,9,1,9,1,3",
    ] {
        let same = api.get(&format!("/api/posts/summary?{query}"));
        assert_eq!(same.body, expected, "{query}");
        assert_eq!(same.header("etag"), plain.header("etag"), "{query}");
    }
    let ids = |count: u64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>();
    let most = format!("/api/posts/summary?user={}", ids(100).join(","));
    assert_eq!(api.get(&most).json().as_array().unwrap().len(), 100);
    let more = format!("/api/posts/summary?user={}", ids(101).join(","));
    assert_eq!(api.get(&more).problem(), "invalid-parameter");
}

#[test]
fn what_a_summary_cannot_answer_is_refused() {
    let api = posts();
    for (query, expected) in [
        ("", "the query parameter thread or user"),
        ("?", "the query parameter thread or user"),
        (
            "?thread=1&user=1",
            "parameter user: expected without thread",
        ),
        (
            "?user=1&thread=1",
            "parameter thread: expected without user",
        ),
        (
            "?thread=1&limit=5",
            "parameter limit: unknown; expected one of thread, user",
        ),
        (
            "?Thread=1",
            "parameter Thread: unknown; expected one of thread, user",
        ),
        ("?thread=0", "parameter thread: expected ids"),
        ("?thread=", "parameter thread: expected ids"),
        ("?thread=1,", "parameter thread: expected ids"),
        ("?thread=1,,2", "parameter thread: expected ids"),
        ("?thread=1&thread=01", "parameter thread: expected ids"),
        ("?user=-1", "parameter user: expected ids"),
        ("?user=9007199254740992", "parameter user: expected ids"),
        ("?user=%FF", "parameter user: expected ids"),
    ] {
        let response = api.get(&format!("/api/posts/summary{query}"));
        assert_eq!(response.status, 400, "{query}");
        assert_eq!(response.problem(), "invalid-parameter", "{query}");
        let problem = response.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{query}: {detail}");
    }
}

#[test]
fn the_tag_changes_with_the_summary_and_not_otherwise() {
    let api = writable();
    let tag = |ids| {
        let response = api.get(&format!("/api/posts/summary?thread={ids}"));
        response.header("etag").to_owned()
    };
    let before = (tag("1"), tag("2,3"));
    assert_ne!(before.0, before.1);
    let post = json!({"thread": 1, "text": "t", "user": 2});
    let post = write(&api, "POST", "/api/posts", &post);
    let after = (tag("1"), tag("2,3"));
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1);
    let post = format!("/api/posts/{}", post["id"]);
    write(&api, "PATCH", &post, &json!({"text": "other"}));
    assert_eq!(tag("1"), after.0, "no number has changed");
    write(&api, "DELETE", &post, &Value::Null);
    assert_eq!(tag("1"), before.0);
}

#[test]
fn no_method_writes_a_summary() {
    let api = writable();
    let token = format!("Bearer {TOKEN}");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let headers = [("authorization", token.as_str())];
        let response = api.ask(method, "/api/posts/summary?thread=1", &headers);
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), "GET, HEAD, OPTIONS", "{method}");
    }
}

#[test]
fn the_names_are_those_of_the_model() {
    let (api, _app) = Api::starting::<Thread>(&[], &[], |routes| {
        routes.summary_by(&["createdBy"], "begun")
    });
    let document = api.document();
    let operation = &document["paths"]["/api/threads/begun"]["get"];
    assert_eq!(operation["operationId"], "summarizeThreads");
    assert_eq!(operation["parameters"][0]["name"], "createdBy");
    let schema = &document["components"]["schemas"]["ThreadSummary"];
    let properties = schema["properties"].as_object().unwrap();
    let names: Vec<_> = properties.keys().collect();
    assert_eq!(
        names,
        ["createdBy", "threads", "lastThread", "lastThreadAt"]
    );
}

#[test]
fn the_document_describes_a_summary() {
    let api = posts();
    let document = api.document();
    let get = &document["paths"]["/api/posts/summary"]["get"];
    assert_eq!(get["operationId"], "summarizePosts");
    let listed = get["parameters"].as_array().unwrap().iter();
    let listed = listed.filter(|parameter| parameter["in"] == "query");
    assert!(
        listed
            .map(|parameter| &parameter["name"])
            .eq(["thread", "user"])
    );
    let ok = &get["responses"]["200"]["content"]["application/json"];
    let items = "#/components/schemas/PostSummary";
    assert_eq!(ok["schema"]["items"]["$ref"], items);
    let schema = document.pointer(&items[1..]).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let names: Vec<_> = properties.keys().collect();
    assert_eq!(names, ["thread", "user", "posts", "lastPost", "lastPostAt"]);
    let rows = ok["example"].as_array().unwrap();
    let served = api.get("/api/posts/summary?thread=1,999").json();
    for row in rows.iter().chain(served.as_array().unwrap()) {
        let row = row.as_object().unwrap();
        assert!(
            row.keys().all(|name| properties.contains_key(name)),
            "{row:?}"
        );
        let required = schema["required"].as_array().unwrap();
        assert!(
            required
                .iter()
                .all(|name| row.contains_key(name.as_str().unwrap()))
        );
    }
}

#[test]
#[should_panic(expected = "/api/posts/summary: no index of ids over text")]
fn a_service_that_summarizes_by_a_member_without_an_index_does_not_start() {
    Api::starting::<Post>(&[], &[], |routes| {
        routes.summary_by(&["thread", "text"], "summary")
    });
}
