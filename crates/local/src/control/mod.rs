//! Shows and changes the running cluster over a socket.

pub mod socket;
pub mod status;
