//! Who writes: users with tokens of an issuer, moderators and the service. Behaviour that all three
//! services share is tested with this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod callers;
mod foreign;
mod keys;
mod logs;
#[path = "../support/people.rs"]
mod people;
mod rate;
mod settings;

use people::{DB, SERVICE_KEY, key, service};
use serde_json::{Value, json};
use testkit::{
    Request, Response, Task,
    issuer::{claims, moderator},
};

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
