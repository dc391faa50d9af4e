//! What is observed of requests: log lines, metrics, request ids.

pub(crate) mod exchange;
pub(crate) mod log;
pub(crate) mod log_line;
pub(crate) mod metrics;
pub(crate) mod request_id;
