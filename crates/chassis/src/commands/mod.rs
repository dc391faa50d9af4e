//! What a service does instead of serving.

pub(crate) mod healthcheck;
pub(crate) mod verify;
