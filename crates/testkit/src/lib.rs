//! Runs a service's real binary in tests: started on a port that the system
//! chooses, in a directory of its own, without the caller's environment, and
//! gone when the test ends.
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
//! [`Binary::start`] and [`Binary::start_onto`] return when the collection is
//! loaded: a service listens before that, and answers 503. A test of that time
//! asks for it by name, with [`Binary::start_unready`]. No test reads an address
//! out of a log by itself.
//!
//! Tests wait for what they need, with [`eventually`] and [`Task::logged`], and
//! never for a time: on a busy machine no time is long enough.
//!
//! Whatever does not happen within [`DEADLINE`] panics. The output of a task
//! whose test panics is printed.

mod binary;
mod cgroup;
mod connection;
mod message;
mod output;
mod process;
mod start;
mod task;

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

/// Longest wait for anything that should happen at once. Long, since a machine
/// that runs tests is busy; a test that passes never waits for it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until something holds. `what` says in a failed test what was waited for.
///
/// # Panics
/// When it does not hold within the deadline.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
