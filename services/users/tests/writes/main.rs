//! A writable service as a process: what its API answers, what survives its end, and what it does
//! when the disk fails. Behaviour that all three services share is tested with this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod durability;
mod keys;
mod memory;
mod refusals;
mod repeats;
mod slow_readers;
mod soundness;

use serde_json::{Value, json};
use testkit::{Binary, Request, Response, Task, writes::Collection};

testkit::write_suite!(crate::users);

fn users() -> Collection {
    Collection {
        binary: env!("CARGO_BIN_EXE_users"),
        name: "users",
        owner: None,
        members: |word| json!({"username": word, "name": "N", "bio": ""}),
        text: "bio",
        wrong: r#"{"username":"X","name":1e999,"bio":null}"#,
        wrong_pointers: &["/username", "/name", "/bio"],
    }
}

const TOKEN: &str = "s3cret-0123456789";

/// The service with a token, and without a `db.json`.
fn writable() -> Binary {
    Binary::new(env!("CARGO_BIN_EXE_users")).env("WRITE_TOKEN", TOKEN)
}

/// A request with the token.
fn authorized(method: &str, target: &str) -> Request {
    Request::new(method, target).header("Authorization", format!("Bearer {TOKEN}"))
}

/// A request with the token and a body.
fn write(method: &str, target: &str, body: &Value) -> Request {
    authorized(method, target).body("application/json", body.to_string())
}

/// A new user of this name.
fn user(username: &str) -> Value {
    json!({"username": username, "name": "N", "bio": ""})
}

/// Creates a user.
fn create(task: &Task, username: &str) -> Response {
    task.ask(&write("POST", "/api/users", &user(username)))
}

/// The kind of a problem, and the pointers of its errors.
fn problem(response: &Response) -> (String, Vec<String>) {
    response.problem()
}

/// The names of all users.
fn usernames(task: &Task) -> Vec<String> {
    let users = task.get("/api/users").json();
    let users = users.as_array().unwrap().iter();
    users
        .map(|user| user["username"].as_str().unwrap().to_owned())
        .collect()
}
