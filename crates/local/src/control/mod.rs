//! Shows and changes the running cluster over a socket.

pub mod commands;
pub mod status;
