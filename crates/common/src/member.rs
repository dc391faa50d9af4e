//! The types of members.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The type of a member.
pub trait MemberValue: DeserializeOwned {
    /// Checks a value that a client wrote. This may be stricter than reading, since records
    /// that are older than a rule must still be readable.
    ///
    /// # Errors
    /// What was expected.
    fn check(value: &Value) -> Result<(), String> {
        read::<Self>(value).map(drop)
    }
}

/// Reads `value` as a `T`.
///
/// # Errors
/// What was expected.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
