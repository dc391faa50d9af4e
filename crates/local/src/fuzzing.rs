//! Entry points for the fuzzer (`crates/fuzz`). They exist only when it builds this crate.

use crate::alb::path_pattern::PathPattern;
use crate::topology;

/// Any two lines as a pattern and a path: the matcher agrees with the definition.
///
/// # Panics
/// When it does not.
pub fn path_pattern(bytes: &[u8]) {
    let Some((pattern, path)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|s| s.split_once('\n'))
    else {
        return;
    };
    let Ok(parsed) = PathPattern::parse(pattern) else {
        return;
    };
    let expected = defined(pattern.as_bytes(), path.as_bytes());
    assert_eq!(parsed.matches(path), expected, "{pattern:?} {path:?}");
}

/// The definition of a match, by a table of all prefixes.
fn defined(pattern: &[u8], path: &[u8]) -> bool {
    let mut row: Vec<bool> = (0..=path.len()).map(|length| length == 0).collect();
    for &symbol in pattern {
        let mut next = vec![symbol == b'*' && row[0]; path.len() + 1];
        for at in 0..path.len() {
            next[at + 1] = match symbol {
                b'*' => row[at + 1] || next[at],
                b'?' => row[at],
                _ => row[at] && path[at] == symbol,
            };
        }
        row = next;
    }
    row[path.len()]
}

/// Any bytes as a topology file: refused or read.
pub fn topology(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = topology::parse(text);
    }
}
