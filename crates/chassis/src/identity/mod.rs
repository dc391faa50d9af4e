//! Who asks, and what they may do.

pub(crate) mod caller;
pub(crate) mod secret_file;
pub(crate) mod token;
