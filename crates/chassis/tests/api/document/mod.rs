//! The API's document, and whether answers are as it says.

mod contents;
pub mod every_answer;
mod statuses;
