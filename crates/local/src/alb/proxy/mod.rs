//! Forwards requests to targets, and their answers to clients.

pub mod access;
pub mod answer;
pub mod request;
pub mod response_body;
pub mod server;
