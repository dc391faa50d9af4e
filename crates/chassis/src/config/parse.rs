//! Parsers of settings.

use std::{str::FromStr, time::Duration};

/// A parser of a setting, whose error says what is expected.
pub(super) fn expecting<T: FromStr>(
    what: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| text.parse().map_err(|_| format!("expected {what}"))
}

/// A duration such as `500ms`.
///
/// # Errors
/// What is expected, when it is none.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration such as 500ms or 5s";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| expected)?;
    parsed.try_into().map_err(|_| expected.to_owned())
}
