//! Forwards requests to targets, and their answers to clients.

pub mod access;
pub mod answer;
pub mod forward;
pub mod response_body;
pub mod server;
