//! Connections of clients and to targets: their bytes, their heads and bodies, and the memory they take together.

pub mod body;
pub mod connections;
pub mod headers;
pub mod socket;
