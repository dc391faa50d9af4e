//! Output for people: the table, and a line for each event.

pub mod printer;
pub mod table;
