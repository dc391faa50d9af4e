//! What people see.

pub mod printer;
pub mod table;
