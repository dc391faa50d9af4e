//! Entity tags (RFC 9110 section 8.8.3), and the lists of them in conditional requests.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use store::Digest;

/// The strong entity tag of contents that have this digest.
pub(crate) fn etag(digest: Digest) -> HeaderValue {
    let mut tag = [b'"'; 34];
    tag[1..33].copy_from_slice(&digest.hex());
    HeaderValue::from_bytes(&tag).expect("hexadecimal digits make a header value")
}

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tags<'a> {
    /// `*`: whatever there is.
    Any,
    /// The tags of a list.
    Listed(Vec<Tag<'a>>),
    /// Neither `*` nor a list: nobody knows which tags the client means.
    Malformed,
}

/// One entity tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub weak: bool,
    /// The bytes between the quotes.
    pub opaque: &'a [u8],
}

impl<'a> Tags<'a> {
    /// Reads the lines of a header, which together are one list (RFC 9110 section 5.3). `None`
    /// if the header is absent.
    pub fn of(headers: &'a HeaderMap, name: &HeaderName) -> Option<Self> {
        let lines = || headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let (first, several) = (lines().next()?, lines().nth(1).is_some());
        if first.trim_ascii() == b"*" && !several {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        for line in lines() {
            if read_list(line, &mut tags).is_none() {
                return Some(Self::Malformed);
            }
        }
        Some(Self::Listed(tags))
    }
}

/// Reads a list whose elements may be empty (RFC 9110 section 5.6.1.2). `None` if it is malformed.
fn read_list<'a>(mut line: &'a [u8], tags: &mut Vec<Tag<'a>>) -> Option<()> {
    loop {
        line = line.trim_ascii_start();
        if !matches!(line.first(), None | Some(b',')) {
            let (tag, rest) = read_tag(line)?;
            tags.push(tag);
            line = rest.trim_ascii_start();
        }
        match line.split_first() {
            None => return Some(()),
            Some((b',', rest)) => line = rest,
            Some(_) => return None,
        }
    }
}

fn read_tag(line: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let weak = line.strip_prefix(b"W/");
    let quoted = weak.unwrap_or(line).strip_prefix(b"\"")?;
    // A tag consists of visible ASCII characters but the quote, and of bytes above ASCII.
    let end = quoted
        .iter()
        .position(|byte| matches!(byte, 0..=b' ' | b'"' | 0x7F))?;
    let (opaque, rest) = quoted.split_at(end);
    let tag = Tag {
        weak: weak.is_some(),
        opaque,
    };
    Some((tag, rest.strip_prefix(b"\"")?))
}

#[cfg(test)]
mod tests {
    use axum::http::header::IF_MATCH;

    use super::*;

    fn read(lines: &[&[u8]]) -> HeaderMap {
        let values = lines
            .iter()
            .map(|line| HeaderValue::from_bytes(line).unwrap());
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, value);
        }
        headers
    }

    fn listed(lines: &[&[u8]]) -> Vec<String> {
        match Tags::of(&read(lines), &IF_MATCH) {
            Some(Tags::Listed(tags)) => tags
                .iter()
                .map(|tag| {
                    let weak = if tag.weak { "W/" } else { "" };
                    format!("{weak}{}", String::from_utf8_lossy(tag.opaque))
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commas_and_asterisks_in_quotes_belong_to_the_tag() {
        for (lines, expected) in [
            (&[&b"\"a\""[..]][..], &["a"][..]),
            (&[b"\"x,*,y\""], &["x,*,y"]),
            (&[b"\"*\""], &["*"]),
            (&[b"\"\""], &[""]),
            (&[b"W/\"a\" ,\t\"W/\",, \"c\" , "], &["W/a", "W/", "c"]),
            (&[b"\"a\\\""], &["a\\"]),
            (&[b"\"a\"", b"", b"\"b\""], &["a", "b"]),
            (
                "\"é\"".as_bytes().chunks(9).collect::<Vec<_>>().as_slice(),
                &["é"],
            ),
            (&[b""], &[]),
        ] {
            assert_eq!(listed(lines), expected);
        }
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for bad in [
            "a",
            "\"a",
            "a\"",
            "w/\"a\"",
            "W/",
            "W/ \"a\"",
            "\"a\"b",
            "\"a\" \"b\"",
            "\"a\"\"b\"",
            "\"a b\"",
            "\"a\", b",
            "\"a\", *",
            "*, \"a\"",
            "*, *",
            "**",
        ] {
            let headers = read(&[bad.as_bytes()]);
            assert_eq!(
                Tags::of(&headers, &IF_MATCH),
                Some(Tags::Malformed),
                "{bad}"
            );
        }
        for lines in [[&b"\"a\""[..], b"*"], [b"*", b"\"a\""], [b"*", b"*"]] {
            assert_eq!(Tags::of(&read(&lines), &IF_MATCH), Some(Tags::Malformed));
        }
    }

    #[test]
    fn an_asterisk_alone_is_any() {
        assert_eq!(Tags::of(&read(&[b"*"]), &IF_MATCH), Some(Tags::Any));
        assert_eq!(Tags::of(&read(&[b" * "]), &IF_MATCH), Some(Tags::Any));
        assert_eq!(Tags::of(&read(&[]), &IF_MATCH), None);
    }
}
