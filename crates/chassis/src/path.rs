//! Paths of requests.

/// The path without one trailing slash, which is tolerated.
pub(crate) fn without_slash(path: &str) -> &str {
    let without = path.strip_suffix('/');
    without
        .filter(|without| !matches!(*without, "" | "/"))
        .unwrap_or(path)
}
