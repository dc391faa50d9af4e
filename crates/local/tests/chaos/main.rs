//! The cluster with the services themselves, under load, while everything around them breaks; and
//! under load for long. Every answer is compared with a model of what it must be.
//!
//! The environment says how long and how: `CHAOS_SECONDS` (20), `CHAOS_SEED` (another one each
//! time; written at the start, so that a sequence of faults can be repeated), `SOAK_SECONDS` (60).

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

/// What a run is given by the environment.
fn setting(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name}: expected a number, found {text:?}"))
}

/// Writes to the terminal, also where the test harness keeps what a test prints.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
