//! Services and their tasks.

pub mod data;
pub mod program;
pub mod scheduler;
pub mod service;
pub mod task;
