//! What the service serves: its own `db.json`, over TCP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};
use testkit::{Binary, Request, Task};

const DB: &str = include_str!("../db.json");

fn service() -> Binary {
    Binary::new(env!("CARGO_BIN_EXE_posts"))
}

fn start() -> Task {
    service().db(DB).start()
}

/// The records of a `db.json`.
fn records(db: &str, collection: &str) -> Vec<Value> {
    let db: Value = serde_json::from_str(db).unwrap();
    db[collection].as_array().unwrap().clone()
}

fn posts() -> Vec<Value> {
    records(DB, "posts")
}

/// The posts whose member has this value.
fn having(posts: &[Value], member: &str, value: &Value) -> Value {
    posts
        .iter()
        .filter(|post| post[member] == *value)
        .cloned()
        .collect()
}

#[test]
fn every_route_answers() {
    let task = start();
    let mut connection = task.connect();
    for (target, status) in [
        ("/", 200),
        ("/api", 200),
        ("/api/", 200),
        ("/api/posts", 200),
        ("/api/posts/", 200),
        ("/api/posts/1", 200),
        ("/api/posts/999", 404),
        ("/api/posts/0x1", 400),
        ("/api/posts/in-thread/1", 200),
        ("/api/posts/in-thread/1/", 200),
        ("/api/posts/in-thread/999", 200),
        ("/api/posts/in-thread/abc", 400),
        ("/api/posts/by-user/1", 200),
        ("/api/posts/by-user/1e3", 400),
        ("/api/posts/summary?thread=1", 200),
        ("/api/posts/summary/?user=1,2", 200),
        ("/api/posts/summary", 400),
        ("/api/posts/openapi.json", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        ("/metrics", 200),
        ("/api/users", 404),
        ("/api/threads", 404),
    ] {
        assert_eq!(connection.get(target).status, status, "{target}");
        let head = connection.ask(&Request::new("HEAD", target));
        assert_eq!(head.status, status, "{target}");
    }
    let put = connection.ask(&Request::new("PUT", "/api/posts/in-thread/1"));
    assert_eq!(
        (put.status, put.header("allow")),
        (405, "GET, HEAD, OPTIONS")
    );
}

#[test]
fn the_posts_are_those_of_the_file() {
    let (task, posts) = (start(), posts());
    let mut connection = task.connect();
    assert_eq!(
        connection.get("/api/posts").json(),
        Value::from(posts.clone())
    );
    for post in &posts {
        let one = connection.get(&format!("/api/posts/{}", post["id"]));
        assert_eq!(one.json(), *post);
        let in_thread = connection.get(&format!("/api/posts/in-thread/{}", post["thread"]));
        assert_eq!(in_thread.json(), having(&posts, "thread", &post["thread"]));
        let by_user = connection.get(&format!("/api/posts/by-user/{}", post["user"]));
        assert_eq!(by_user.json(), having(&posts, "user", &post["user"]));
    }
}

#[test]
fn posts_of_a_thread_and_of_a_user_are_listed_by_id() {
    let task = start();
    let mut connection = task.connect();
    let asked: Vec<_> = posts().into_iter().step_by(2).collect();
    let ids: Vec<_> = asked.iter().map(|post| post["id"].to_string()).collect();
    let ids = ids.join(",");
    for post in &asked {
        for (list, member) in [("in-thread", "thread"), ("by-user", "user")] {
            let target = format!("/api/posts/{list}/{}?id={ids}", post[member]);
            let expected = having(&asked, member, &post[member]);
            assert_eq!(connection.get(&target).json(), expected, "{target}");
        }
    }
}

#[test]
fn a_summary_is_that_of_the_file() {
    let (task, posts) = (start(), posts());
    for member in ["thread", "user"] {
        let ids: Vec<_> = (1..=40).map(|id| id.to_string()).collect();
        let expected: Value = (1..=40)
            .map(|id| {
                let having = having(&posts, member, &json!(id));
                let having = having.as_array().unwrap();
                let mut row = json!({member: id, "posts": having.len()});
                if let Some(last) = having.last() {
                    row["lastPost"] = last["id"].clone();
                    // The first posts are older than their times.
                    if let Some(created_at) = last.get("createdAt") {
                        row["lastPostAt"] = created_at.clone();
                    }
                }
                row
            })
            .collect();
        let summary = task.get(&format!("/api/posts/summary?{member}={}", ids.join(",")));
        assert_eq!(summary.json(), expected, "{member}");
    }
}

#[test]
fn nothing_matches_nothing() {
    let task = start();
    for target in [
        "/api/posts/in-thread/999",
        "/api/posts/by-user/999",
        "/api/posts?user=999",
    ] {
        let list = task.get(target);
        assert_eq!(
            (list.text(), list.header("x-total-count")),
            ("[]", "0"),
            "{target}"
        );
    }
}

#[test]
fn pages_lead_from_one_end_to_the_other() {
    let task = start();
    let mut connection = task.connect();
    for sort in ["id", "-id"] {
        let mut seen = Vec::new();
        let mut target = Some(format!("/api/posts?limit=7&sort={sort}"));
        while let Some(page) = target {
            let response = connection.get(&page);
            assert_eq!(response.header("x-total-count"), posts().len().to_string());
            seen.extend(response.json().as_array().unwrap().clone());
            let link = response
                .headers
                .get("link")
                .map(|link| link.to_str().unwrap());
            target = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
        }
        if sort == "-id" {
            seen.reverse();
        }
        assert_eq!(seen, posts());
    }
}

#[test]
fn posts_without_ids_are_numbered_the_same_by_every_task() {
    let post = |n| json!({"thread": 1, "text": format!("Number {n}"), "user": 1});
    let db = json!({"posts": (1..=9).map(post).collect::<Vec<_>>()});
    let service = service().db(db.to_string());
    let tasks = [service.start(), service.start()];
    let lists = tasks.each_ref().map(|task| task.get("/api/posts"));
    assert_eq!(lists[0].body, lists[1].body);
    assert_eq!(lists[0].header("etag"), lists[1].header("etag"));
    let third = tasks[0].get("/api/posts/3").json();
    assert_eq!(
        (&third["id"], &third["text"]),
        (&json!(3), &json!("Number 3"))
    );
    assert_eq!(
        std::fs::read_to_string(service.db_path()).unwrap(),
        db.to_string()
    );
}

#[test]
fn the_file_is_a_forum_worth_reading() {
    let posts = posts();
    assert!(posts.len() >= 80);
    let ids = |db, collection| -> Vec<Value> {
        let records = records(db, collection);
        records.iter().map(|record| record["id"].clone()).collect()
    };
    let threads = ids(include_str!("../../threads/db.json"), "threads");
    let users = ids(include_str!("../../users/db.json"), "users");
    for post in &posts {
        assert!(threads.contains(&post["thread"]), "{post}");
        assert!(users.contains(&post["user"]), "{post}");
    }
    for thread in records(include_str!("../../threads/db.json"), "threads") {
        assert!(users.contains(&thread["createdBy"]), "{thread}");
        assert_ne!(
            having(&posts, "thread", &thread["id"]),
            json!([]),
            "{thread}"
        );
    }
}
