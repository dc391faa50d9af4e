//! What the service serves and takes, over TCP.

use serde_json::json;
use testkit::{Binary, Request};

const DB: &str = include_str!("../db.json");
const TOKEN: &str = "a-token-for-the-tests-of-writes";

#[test]
fn tags_are_listed_also_by_thread() {
    let task = Binary::new(env!("CARGO_BIN_EXE_tags")).db(DB).start();
    let maps = json!([{"id": 2, "label": "maps", "thread": 2}]);
    assert_eq!(task.get("/api/tags/in-thread/2").json(), maps);
    assert_eq!(task.get("/api/tags?label=maps").json(), maps);
    assert_eq!(task.get("/api/tags/2").json(), maps[0]);
    let summary = json!([{"thread": 2, "tags": 1, "lastTag": 2}]);
    assert_eq!(task.get("/api/tags/summary?thread=2").json(), summary);
}

#[test]
fn a_label_is_given_once() {
    let binary = Binary::new(env!("CARGO_BIN_EXE_tags")).env("WRITE_TOKEN", TOKEN);
    let task = binary.start();
    let statuses = [1, 2].map(|thread| {
        let tag = json!({"label": "meta", "thread": thread}).to_string();
        let request = Request::new("POST", "/api/tags")
            .header("Authorization", format!("Bearer {TOKEN}"))
            .body("application/json", tag);
        task.ask(&request).status
    });
    assert_eq!(statuses, [201, 409]);
}
