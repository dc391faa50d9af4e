//! What members of records may hold.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a member may hold.
pub trait MemberValue: DeserializeOwned {
    /// Checks a value that a client wrote. May ask more than reading does, which has to read what
    /// was stored before a rule was made.
    ///
    /// # Errors
    /// What was expected.
    fn check(value: &Value) -> Result<(), String> {
        read::<Self>(value).map(drop)
    }
}

/// `value` as a `T`; otherwise what was expected.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
