//! Where what has changed is made durable.

pub(crate) mod file;
