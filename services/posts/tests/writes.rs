//! Writes of this service's own model. Behaviour that all three services share is tested in
//! `users`.

use serde_json::json;
use testkit::{Binary, Request, Response, Task};

const TOKEN: &str = "a-token-for-the-tests-of-writes";

fn post(task: &Task, body: &str) -> Response {
    let request = Request::new("POST", "/api/posts")
        .header("Authorization", format!("Bearer {TOKEN}"))
        .body("application/json", body);
    task.ask(&request)
}

#[test]
fn an_id_is_a_number_and_a_text_shows_something() {
    let binary = Binary::new(env!("CARGO_BIN_EXE_posts")).env("WRITE_TOKEN", TOKEN);
    let task = binary.start();
    for (body, kind) in [
        (
            r#"{"thread":{"$serde_json::private::Number":"3"},"text":"T","user":1}"#,
            "malformed-json",
        ),
        (r#"{"thread":"3","text":"T","user":1}"#, "invalid-record"),
        (r#"{"thread":3.0,"text":"T","user":1}"#, "invalid-record"),
        (
            r#"{"thread":3,"text":" \n\u200b","user":1}"#,
            "invalid-record",
        ),
    ] {
        let refused = post(&task, body).json();
        assert_eq!(
            refused["type"],
            format!("urn:forum:problem:{kind}"),
            "{body}"
        );
    }
    let post = post(&task, r#"{"thread":3,"text":"\nT\u0000","user":1}"#).json();
    assert_eq!(
        (&post["id"], &post["thread"], &post["text"]),
        (&json!(1), &json!(3), &json!("\nT\0"))
    );
    assert!(task.stop().status.success());
    assert_eq!(binary.start().get("/api/posts").json(), json!([post]));
}
