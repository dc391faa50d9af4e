//! The program `local` with its tasks as processes and requests over TCP.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../support/mod.rs"]
mod support;

mod alb;
mod changes;
mod connections;
mod control;
mod ends;
mod faults;
mod memory;
mod people;
mod refusals;
mod services;
mod view;
