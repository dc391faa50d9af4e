//! What the running cluster says of itself and is told, over a socket.

pub mod commands;
pub mod status;
