//! Who asks, and what they may do.

pub(crate) mod caller;
mod claims;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod key_file;
mod keys;
mod rate;
mod refusal;
mod secret_file;
mod settings;
pub(crate) mod token;
mod user_token;
