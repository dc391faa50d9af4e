//! Writes of this service's own model. Behaviour that all three services share is tested in
//! `users`.

use serde_json::json;
use testkit::{Binary, Request, Response, Task};

const TOKEN: &str = "a-token-for-the-tests-of-writes";

fn post(task: &Task, body: &str) -> Response {
    let request = Request::new("POST", "/api/threads")
        .header("Authorization", format!("Bearer {TOKEN}"))
        .body("application/json", body);
    task.ask(&request)
}

#[test]
fn an_owner_is_a_number_and_a_title_shows_something() {
    let binary = Binary::new(env!("CARGO_BIN_EXE_threads")).env("WRITE_TOKEN", TOKEN);
    let task = binary.start();
    for (body, kind) in [
        (
            r#"{"title":"T","createdBy":{"$serde_json::private::Number":"3"}}"#,
            "malformed-json",
        ),
        (r#"{"title":"T","createdBy":[3]}"#, "invalid-record"),
        (r#"{"title":"\u00ad","createdBy":3}"#, "invalid-record"),
    ] {
        let refused = post(&task, body).json();
        assert_eq!(
            refused["type"],
            format!("urn:forum:problem:{kind}"),
            "{body}"
        );
    }
    let thread = post(&task, r#"{"title":" T","createdBy":3}"#).json();
    assert_eq!((&thread["id"], &thread["title"]), (&json!(1), &json!(" T")));
    assert!(task.stop().status.success());
    assert_eq!(binary.start().get("/api/threads").json(), json!([thread]));
}
