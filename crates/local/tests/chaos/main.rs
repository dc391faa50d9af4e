//! The cluster with the real services under load: with faults (`chaos.rs`), and for long (`soak.rs`).
//! Every answer is compared with a model of what it must be.
//!
//! Environment variables: `CHAOS_SECONDS` (20), `CHAOS_SEED` (random; printed at the start, so that a
//! sequence of faults can be repeated), `SOAK_SECONDS` (60).

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../support/mod.rs"]
mod support;

mod chaos;
mod client;
mod faults;
mod model;
mod readers;
mod report;
mod sample;
mod small_disk;
mod soak;
mod system;
mod writers;

use std::io::Write as _;

/// The value of an environment variable.
fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name}: expected a number, found {text:?}"))
}

/// Writes to stderr at once. (The test harness holds back what a test prints until it fails.)
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
