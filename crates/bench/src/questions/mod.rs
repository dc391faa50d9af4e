//! The questions that the bench asks, one a file.

pub mod footprint;
pub mod proxy;
pub mod requests;
pub mod sizes;
pub mod writes;
