//! A service as a process: how it starts, what it logs, how it treats connections, and how it
//! stops. Behaviour that all three services share is tested with this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_file;
mod health;
mod http;
mod logs;
mod memory;
mod settings;
mod shutdown;
mod start;
mod terminal;

use serde_json::json;
use testkit::Binary;

/// The service, without a `db.json`.
fn service() -> Binary {
    Binary::new(env!("CARGO_BIN_EXE_users"))
}

/// The service with so many users.
fn with_users(count: usize) -> Binary {
    let user = |id| json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": ""});
    let users: Vec<_> = (1..=count).map(user).collect();
    service().db(json!({"users": users}).to_string())
}

/// Bytes of the list of [`with_much`]: more than the system buffers for a client that does not
/// read.
const MUCH_BYTES: usize = 16 * 1024 * 1024;

/// The service with a list that does not fit into a connection's buffers.
fn with_much() -> Binary {
    // Members that the model does not know may have any length.
    let user = |id| {
        let ballast = "x".repeat(1024 * 1024);
        json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": "", "ballast": ballast})
    };
    let users: Vec<_> = (1..=MUCH_BYTES / (1024 * 1024)).map(user).collect();
    service().db(json!({"users": users}).to_string())
}
