//! HTTP correctness as tables: raw bytes from a client or a target, what the other side gets of
//! them, and the section of the RFC that says so.
//!
//! After each row two other clients ask through the same load balancer: whatever an attack left
//! behind on a connection to the target, they get their own answers.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../support/mod.rs"]
mod support;

mod alb;
mod answers;
mod chunks;
mod fields;
mod hosts;
mod lengths;
mod lines;
mod streams;
mod table;
mod target;
