//! The path pattern of a listener rule.

use std::fmt;

/// A path pattern as the ALB matches it: case-sensitive, and against the whole path as it was sent,
/// without the query and with nothing decoded. `*` stands for any number of characters, also none,
/// and `?` for exactly one. Both also match `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern(String);

/// Why a text is not a path pattern. The message continues a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The ALB accepts 128 characters.
    #[error("is longer than 128 characters")]
    TooLong,
    /// The ALB accepts `A-Z a-z 0-9 _ - . $ / ~ " ' @ : + &` and the two wildcards.
    #[error("has the character {0:?}, which no path pattern may have")]
    Character(char),
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When the ALB would not take it.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        if text.is_empty() {
            return Err(PathPatternError::Empty);
        }
        if text.chars().count() > 128 {
            return Err(PathPatternError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
        match text.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(PathPatternError::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// How many `*` and `?` it has; the ALB limits them per rule.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        self.0.bytes().filter(|b| matches!(b, b'*' | b'?')).count()
    }

    /// Whether `path` matches, in time proportional to the product of both lengths at worst.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (self.0.as_bytes(), path.as_bytes());
        let (mut p, mut s) = (0, 0);
        // Where to resume when a later comparison fails: after the last `*`, one byte further on.
        let mut resume: Option<(usize, usize)> = None;
        while s < path.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    resume = Some((p + 1, s));
                    p += 1;
                }
                Some(&b) if b == b'?' || b == path[s] => {
                    p += 1;
                    s += 1;
                }
                _ => match resume {
                    Some((after_star, start)) => {
                        resume = Some((after_star, start + 1));
                        p = after_star;
                        s = start + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&b| b == b'*')
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(path)
    }

    #[test]
    fn wildcards_match_as_on_the_load_balancer() {
        for (pattern, path, expected) in [
            ("/api/users", "/api/users", true),
            ("/api/users", "/api/users/", false),
            ("/api/users", "/api/Users", false),
            ("/api/users*", "/api/users-archive", true),
            ("/api/users/*", "/api/users", false),
            ("/api/users/*", "/api/users/", true),
            ("/api/users/*", "/api/users/1/posts", true),
            ("/api/*/1", "/api/users/a/b/1", true),
            ("/api/*/1", "/api/users/2", false),
            ("/?", "/a", true),
            ("/?", "/", false),
            ("/?", "//", true),
            ("/a?c", "/a/c", true),
            ("*", "", true),
            ("*", "/anything", true),
            ("/*a*b", "/aab", true),
            ("/*a*b", "/aabc", false),
            ("/a/b", "/a%2Fb", false),
            ("/a*b", "/a%2Fb", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_pattern_the_load_balancer_refuses_is_refused() {
        assert_eq!(PathPattern::parse(""), Err(PathPatternError::Empty));
        assert_eq!(
            PathPattern::parse("/ü"),
            Err(PathPatternError::Character('ü'))
        );
        assert_eq!(
            PathPattern::parse("/a b"),
            Err(PathPatternError::Character(' '))
        );
        assert_eq!(
            PathPattern::parse(&"a".repeat(129)),
            Err(PathPatternError::TooLong)
        );
        assert!(PathPattern::parse(&"a".repeat(128)).is_ok());
    }

    /// The textbook definition, exponential and obviously right.
    fn by_definition(pattern: &[u8], path: &[u8]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                by_definition(rest, path)
                    || (!path.is_empty() && by_definition(pattern, &path[1..]))
            }
            ([p, rest @ ..], [s, more @ ..]) if *p == b'?' || p == s => by_definition(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab*?]{1,8}", path in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &path), by_definition(pattern.as_bytes(), path.as_bytes()));
        }
    }
}
