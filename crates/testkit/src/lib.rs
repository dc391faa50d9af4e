//! Runs a service's real binary in tests. The binary is started on a port that the system
//! chooses, in a new directory and without the caller's environment. It is killed when the test
//! ends.
//!
//! ```no_run
//! use testkit::{Binary, Request};
//!
//! let users = Binary::new("target/debug/users") // in its own tests: env!("CARGO_BIN_EXE_users")
//!     .db(r#"{"users": []}"#)
//!     .start();
//! assert_eq!(users.get("/api/users").text(), "[]");
//! let mut connection = users.connect();
//! let response = connection.ask(&Request::new("OPTIONS", "/api/users"));
//! assert_eq!(response.header("allow"), "GET, HEAD, OPTIONS");
//! ```
//!
//! [`Binary::start`] and [`Binary::start_onto`] return when the collection is loaded. A service
//! listens before that and answers 503; tests of that time use [`Binary::start_unready`]. No test
//! reads the address from the log by itself.
//!
//! Tests wait for a condition, with [`eventually`] and [`Task::logged`], and never for a fixed
//! time: on a busy machine no time is long enough.
//!
//! Every wait panics after [`DEADLINE`]. When a test panics, the output of its tasks is printed.

mod binary;
mod cgroup;
mod connection;
pub mod issuer;
mod message;
mod output;
mod process;
mod start;
mod task;
mod tracer;
pub mod writes;

use std::{
    thread,
    time::{Duration, Instant},
};

pub use binary::Binary;
pub use cgroup::Cgroup;
pub use connection::Connection;
pub use message::{Request, Response};
pub use rustix::process::Signal;
pub use task::{Ended, Task};
pub use tracer::Tracer;

/// Longest wait for anything that should happen at once. It is long because a machine that runs
/// tests is busy. A test that passes does not wait that long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until a condition holds. `what` names the condition in the message of a failed test.
///
/// # Panics
/// When the condition does not hold within the deadline.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
