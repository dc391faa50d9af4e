//! Requests on their way to targets, and answers on their way back.

pub mod access;
pub mod answer;
pub mod request;
pub mod response_body;
pub mod server;
