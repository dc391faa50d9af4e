//! Who writes: users with tokens of an issuer, moderators and the service. Behaviour that all three
//! services share is tested with this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod callers;
mod foreign;
mod keys;
mod logs;
mod rate;
mod settings;

use serde_json::{Value, json};
use testkit::{
    Binary, Request, Response, Task,
    issuer::{SigningKey, claims, moderator},
};

const SERVICE_KEY: &str = "s3cret-0123456789";

const DB: &str = r#"{"users":[
    {"id":3,"username":"finn","name":"Finn","bio":""},
    {"id":4,"username":"jake","name":"Jake","bio":""}
]}"#;

fn key() -> SigningKey {
    SigningKey::p256("k", 0)
}

/// The service with users 3 and 4, its own key, and an issuer that signs with [`key`].
fn service() -> Binary {
    let binary = Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    binary.env("WRITE_TOKEN", SERVICE_KEY).users(&[&key()])
}

/// A request with this token, if any.
fn request(method: &str, target: &str, token: Option<&str>) -> Request {
    let request = Request::new(method, target);
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// Changes what a user says of themselves.
fn edit(task: &Task, user: u64, token: &str) -> Response {
    let request = request("PATCH", &format!("/api/users/{user}"), Some(token));
    task.ask(&request.body("application/json", json!({"bio": "b"}).to_string()))
}

/// A token of the user with this id.
fn token_of(user: u64) -> String {
    key().token(&claims(user))
}

/// The kind of a problem, and the challenge that came with it.
fn problem(response: &Response) -> (String, Option<String>) {
    let problem: Value = response.json();
    assert_eq!(problem["status"], response.status);
    let kind = problem["type"].as_str().unwrap();
    let kind = kind.strip_prefix("urn:forum:problem:").unwrap();
    let challenge = response.headers.get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    (kind.to_owned(), challenge)
}
