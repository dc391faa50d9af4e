//! Commands that a service runs instead of serving.

pub(crate) mod healthcheck;
pub(crate) mod verify;
