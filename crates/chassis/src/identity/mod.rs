//! Who may write.

pub(crate) mod secret_file;
pub(crate) mod token;
