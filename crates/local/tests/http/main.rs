//! HTTP correctness as tables. A row has the raw bytes of a client or a target, what the other side
//! must receive, and the section of the RFC that demands it.
//!
//! After each row two other clients ask the same load balancer. They must get their own answers,
//! whatever the attack has left on a connection to the target.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod chunks;
mod fields;
mod hosts;
mod lengths;
mod lines;
mod streams;
mod table;
mod target;
