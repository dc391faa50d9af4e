//! A service under several times the load that it can take. It refuses some clients, its memory
//! stays bounded, and the clients that it serves notice little.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod abuse;
mod descriptors;
mod idle;
mod memory;
mod polite;
mod writes;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use testkit::Binary;

/// The token of writable services.
const TOKEN: &str = "overload-0123456789abcdef";

/// Users of the service that is attacked.
const USERS: usize = 16;

/// A service whose list is too long for the buffers of a connection, while its records are
/// short.
fn service(max_connections: usize) -> Binary {
    with_list(Binary::new(env!("CARGO_BIN_EXE_users")))
        .env("MAX_CONNECTIONS", max_connections.to_string())
}

fn with_list(binary: Binary) -> Binary {
    users(binary, 16)
}

/// A service with short users, and further records that make the list so many MiB longer.
fn users(binary: Binary, ballast: usize) -> Binary {
    let text = "x".repeat(1024 * 1024);
    let user = |id| {
        let user = json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": ""});
        match id {
            ..=USERS => user,
            _ => {
                json!({"id": id, "username": format!("user-{id}"), "name": "N", "bio": "", "ballast": text})
            }
        }
    };
    let users: Vec<_> = (1..=USERS + ballast).map(user).collect();
    binary
        .db(json!({"users": users}).to_string())
        // Without an access log, which this process would have to read.
        .env("RUST_LOG", "info,access=off,chassis::server=error")
}

/// Lets this process and its children open as many files as the system allows.
fn allow_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).unwrap();
}
