//! The questions that the bench asks, one a file.

pub mod folds;
pub mod footprint;
pub mod instructions;
pub mod loading;
pub mod popular;
pub mod proxy;
pub mod queries;
pub mod requests;
pub mod sizes;
pub mod writes;
pub mod written;
