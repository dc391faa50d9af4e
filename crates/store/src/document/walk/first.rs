//! What stands at the beginning of a text.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The place of the first byte at or after `at` that is not white space.
pub(super) fn skip_space(text: &str, at: usize) -> Option<usize> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let found = text.as_bytes()[at..]
        .iter()
        .position(|byte| !is_space(byte));
    found.map(|behind| at + behind)
}

/// The object, array or string at the beginning of a text, and its length in bytes.
pub(super) fn parse_first<T: DeserializeOwned>(text: &str) -> serde_json::Result<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next().unwrap_or_else(|| serde_json::from_str(""))?;
    Ok((value, values.byte_offset()))
}

/// The value at the beginning of a text, and its length in bytes.
pub(super) fn raw(text: &str) -> serde_json::Result<(&RawValue, usize)> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = <&RawValue>::deserialize(&mut deserializer)?;
    Ok((value, value.get().len()))
}
