//! Who writes which thread: its owner, moderators and the service. What all three services do alike is
//! tested in `users`.

use serde_json::{Value, json};
use testkit::{
    Binary, Request, Response, Task,
    issuer::{SigningKey, claims, moderator},
};

const SERVICE_KEY: &str = "a-token-for-the-tests-of-owners";

/// Thread 1 is user 3's, and thread 2 is user 4's.
fn start() -> Task {
    let threads = json!([
        {"id": 1, "title": "T", "createdBy": 3},
        {"id": 2, "title": "T", "createdBy": 4}
    ]);
    let binary = Binary::new(env!("CARGO_BIN_EXE_threads")).env("WRITE_TOKEN", SERVICE_KEY);
    let binary = binary.db(json!({"threads": threads}).to_string());
    binary.users(&[&SigningKey::p256("k", 0)]).start()
}

/// The tokens of user 3, of moderator 5 and of the service.
fn tokens() -> [String; 3] {
    let key = SigningKey::p256("k", 0);
    let service = SERVICE_KEY.to_owned();
    [key.token(&claims(3)), key.token(&moderator(5)), service]
}

fn write(task: &Task, token: &str, method: &str, target: &str, body: &Value) -> Response {
    let request = Request::new(method, target).header("Authorization", format!("Bearer {token}"));
    task.ask(&request.body("application/json", body.to_string()))
}

#[test]
fn each_caller_writes_what_they_may() {
    for (token, expected) in tokens().iter().zip([
        // The user creates, edits and deletes what they own.
        [201, 200, 200, 403, 403, 404, 204, 403],
        [201, 200, 200, 200, 200, 404, 204, 204],
        [201, 200, 200, 200, 200, 404, 204, 204],
    ]) {
        let task = start();
        let whole = json!({"title": "T"});
        let part = json!({"title": "U"});
        let mut new = whole.clone();
        new["createdBy"] = 3.into();
        let met = [
            ("POST", "", &new),
            ("PUT", "/1", &whole),
            ("PATCH", "/1", &part),
            ("PUT", "/2", &whole),
            ("PATCH", "/2", &part),
            ("PATCH", "/9", &part),
            ("DELETE", "/1", &part),
            ("DELETE", "/2", &part),
        ]
        .map(|(method, path, body)| {
            write(&task, token, method, &format!("/api/threads{path}"), body).status
        });
        assert_eq!(met, expected);
    }
}

#[test]
fn an_owner_who_is_not_named_is_who_creates() {
    let task = start();
    let [user, moderator, service] = tokens();
    let create = |token: &str, owner: Option<Value>| {
        let mut body = json!({"title": "T"});
        if let Some(owner) = owner {
            body["createdBy"] = owner;
        }
        let response = write(&task, token, "POST", "/api/threads", &body);
        (response.status, response.json()["createdBy"].clone())
    };
    assert_eq!(create(&user, None), (201, json!(3)));
    assert_eq!(create(&user, Some(json!(3))), (201, json!(3)));
    assert_eq!(create(&user, Some(json!(4))).0, 403);
    assert_eq!(create(&user, Some(json!(null))).0, 403);
    assert_eq!(create(&moderator, None), (201, json!(5)));
    assert_eq!(create(&moderator, Some(json!(4))), (201, json!(4)));
    assert_eq!(create(&service, Some(json!(4))), (201, json!(4)));
    // The service is no user.
    assert_eq!(create(&service, None).0, 422);
}

#[test]
fn an_owner_stays_and_only_moderators_and_the_service_change_it() {
    let [user, moderator, service] = tokens();
    for (token, allowed) in [(user, false), (moderator, true), (service, true)] {
        for method in ["PUT", "PATCH"] {
            let task = start();
            let edit = |owner: Option<Value>| {
                let mut body = json!({"title": "T"});
                if let Some(owner) = owner {
                    body["createdBy"] = owner;
                }
                let response = write(&task, &token, method, "/api/threads/1", &body);
                (response.status, response.json()["createdBy"].clone())
            };
            assert_eq!(edit(None), (200, json!(3)));
            assert_eq!(edit(Some(json!(3))), (200, json!(3)));
            if allowed {
                assert_eq!(edit(Some(json!(null))).0, 422);
                assert_eq!(edit(Some(json!(4))), (200, json!(4)));
            } else {
                assert_eq!(edit(Some(json!(null))).0, 403);
                assert_eq!(edit(Some(json!(4))).0, 403);
                assert_eq!(task.get("/api/threads/1").json()["createdBy"], 3);
            }
        }
    }
}
