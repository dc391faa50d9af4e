//! A service that is reached directly, by clients of all manners.

mod connections;
mod early_answers;
mod framing;
mod heads;
mod idle;
