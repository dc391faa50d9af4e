//! Bytes that a client has sent and that are not yet given to hyper.

use tokio::io::ReadBuf;

/// Bytes that are read, and given to hyper, at a time: half of hyper's first buffer. hyper fills
/// its buffer with heads while their answers wait, and doubles it when it is full.
pub(crate) const READ_BYTES_MAX: usize = 4 * 1024;

/// hyper refuses heads of this many bytes or more.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The most headers that are parsed to tell an incomplete head from a malformed one.
const HEADERS_MAX: usize = 100;

/// Bytes that a client has sent and that are not yet given to hyper. hyper gets only whole heads:
/// even for a short part of one it would allocate two buffers of 8 KiB.
#[derive(Debug, Default)]
pub(crate) struct Unparsed {
    /// Bytes that were read and not given yet.
    waiting: Vec<u8>,
    /// How many bytes of `waiting` may be given now.
    ready: usize,
    /// Whether the part of `waiting` behind `ready` is known to be the beginning of a head.
    part: bool,
    /// The last bytes that were given. The empty line that ends a head may begin with them.
    given: [u8; 2],
    /// Bytes of hyper's buffer once it has grown beyond the first one. It does not shrink.
    hyper_buffer: usize,
}

impl Unparsed {
    /// Bytes that are buffered for heads, here and by hyper.
    pub fn buffered(&self) -> usize {
        self.waiting.capacity() + self.hyper_buffer
    }

    /// Whether a part of a head waits for the rest.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives the waiting bytes that may be given, including the next `body` bytes, which belong to
    /// a body. Returns how many bytes were given.
    pub fn give(&mut self, buf: &mut ReadBuf<'_>, body: usize) -> usize {
        if self.waiting.is_empty() {
            return 0;
        }
        self.ready = self.ready.max(body.min(self.waiting.len()));
        if self.ready == 0 && !self.part {
            self.part = is_part(&self.waiting);
            if !self.part {
                // Malformed: hyper answers it.
                self.ready = self.waiting.len();
            }
        }
        let bytes = self.ready.min(READ_BYTES_MAX).min(buf.remaining());
        if bytes == 0 {
            return 0;
        }
        buf.put_slice(&self.waiting[..bytes]);
        self.given = last_two(self.given, &self.waiting[..bytes]);
        self.part = false;
        self.ready -= bytes;
        if bytes == self.waiting.len() {
            self.waiting = Vec::new();
        } else {
            self.waiting.drain(..bytes);
        }
        bytes
    }

    /// Takes bytes that were read while nothing waited. Gives those that may be given, including
    /// the first `body` bytes. Returns how many bytes were given.
    pub fn pass(&mut self, read: &[u8], buf: &mut ReadBuf<'_>, body: usize) -> usize {
        // Nearly all clients send one or several whole heads at a time.
        let whole = if read.ends_with(b"\r\n\r\n") {
            read.len()
        } else {
            end_of_heads(self.given, read).max(body.min(read.len()))
        };
        if whole == read.len() && whole <= buf.remaining() {
            buf.put_slice(read);
            self.given = last_two(self.given, read);
            return whole;
        }
        self.waiting.extend_from_slice(read);
        self.ready = whole;
        self.give(buf, 0)
    }

    /// Takes bytes that were read while others waited.
    pub fn extend(&mut self, read: &[u8]) {
        let before = self.waiting.len();
        let end = end_of_heads(last_two(self.given, &self.waiting), read);
        self.waiting.extend_from_slice(read);
        if end > 0 {
            self.ready = before + end;
        } else if self.waiting.len() >= HEAD_BYTES_MAX {
            self.ready = self.waiting.len();
        }
        if self.ready > READ_BYTES_MAX {
            self.hyper_buffer = self.hyper_buffer.max(self.ready.next_power_of_two());
        }
    }

    /// Notes that the client sends no more.
    pub fn end(&mut self) {
        self.ready = self.waiting.len();
    }
}

/// The last two bytes of `bytes`. If it is shorter, `before` fills up.
fn last_two(before: [u8; 2], bytes: &[u8]) -> [u8; 2] {
    match *bytes {
        [.., last, end] => [last, end],
        [end] => [before[1], end],
        [] => before,
    }
}

/// The end of the last whole head in these bytes, which is behind an empty line; 0 if there is
/// none. `before` are the two bytes before them.
fn end_of_heads(before: [u8; 2], bytes: &[u8]) -> usize {
    let at = |back: usize, end: usize| match end.checked_sub(back) {
        Some(at) => bytes[at],
        None => before[end + 2 - back],
    };
    let ends = |end: &usize| {
        at(1, *end) == b'\n'
            && (at(2, *end) == b'\n' || at(2, *end) == b'\r' && at(3, *end) == b'\n')
    };
    (1..=bytes.len()).rev().find(ends).unwrap_or(0)
}

/// Whether this is the beginning of a well-formed head. hyper refuses anything else at once.
fn is_part(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let parsed = httparse::Request::new(&mut headers).parse(bytes);
    matches!(parsed, Ok(httparse::Status::Partial))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces that hyper gets when these pieces are read and the input then ends.
    fn given(pieces: &[&[u8]], body: usize) -> Vec<Vec<u8>> {
        let mut unparsed = Unparsed::default();
        let mut given = Vec::new();
        let mut give = |give: &mut dyn FnMut(&mut ReadBuf<'_>) -> usize| {
            let mut bytes = [0; READ_BYTES_MAX + 1];
            let mut buf = ReadBuf::new(&mut bytes);
            let count = give(&mut buf);
            assert_eq!(count, buf.filled().len());
            given.extend((count > 0).then(|| buf.filled().to_vec()));
            count > 0
        };
        for piece in pieces {
            if unparsed.waits() {
                unparsed.extend(piece);
            } else {
                give(&mut |buf| unparsed.pass(piece, buf, body));
            }
            while give(&mut |buf| unparsed.give(buf, body)) {}
        }
        unparsed.end();
        while give(&mut |buf| unparsed.give(buf, body)) {}
        assert!(!unparsed.waits());
        given
    }

    #[test]
    fn heads_are_given_when_they_are_whole() {
        let whole: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        assert_eq!(given(&[whole, whole], 0), [whole, whole]);
        for at in 1..whole.len() {
            let (one, other) = whole.split_at(at);
            assert_eq!(given(&[one, other], 0), [whole], "{at}");
            let two = [whole, one].concat();
            assert_eq!(given(&[&two, other], 0), [whole, whole], "{at}");
        }
        let bytes: Vec<_> = whole.chunks(1).collect();
        assert_eq!(given(&bytes, 0), [whole]);
        let bare = b"GET / HTTP/1.1\nHost: test\n\n";
        assert_eq!(given(&[&bare[..20], &bare[20..]], 0), [bare]);
    }

    #[test]
    fn the_end_of_a_head_is_seen_behind_what_was_given() {
        let mut unparsed = Unparsed::default();
        let mut bytes = [0; READ_BYTES_MAX];
        // Given as part of a body whose length is unknown.
        let mut buf = ReadBuf::new(&mut bytes);
        let passed = unparsed.pass(b"0\r\n\r\nGET / HTTP/1.1\r\n\r", &mut buf, usize::MAX);
        assert_eq!(passed, 22);
        assert_eq!(unparsed.pass(b"\n", &mut buf, 0), 1);
    }

    #[test]
    fn bodies_are_given_as_they_come() {
        let body: &[u8] = b"{\"a\": 1}";
        assert_eq!(given(&[body, body], usize::MAX), [body, body]);
        assert_eq!(given(&[body], body.len()), [body]);
        let with_head = [body, b"GET / HT"].concat();
        assert_eq!(given(&[&with_head, b"TP/1.1\n\n"], body.len())[0], body);
    }

    #[test]
    fn what_is_no_head_is_given_at_once() {
        for other in [&b"\x16\x03\x01"[..], b"{}", b"GET / HTTP/3.1\r\n"] {
            let mut unparsed = Unparsed::default();
            let mut bytes = [0; READ_BYTES_MAX];
            let passed = unparsed.pass(other, &mut ReadBuf::new(&mut bytes), 0);
            assert_eq!(passed, other.len());
        }
    }

    #[test]
    fn a_head_that_is_too_long_is_given() {
        let begin = b"GET / HTTP/1.1\r\nX: ".to_vec();
        let long = [begin, vec![b'x'; 2 * HEAD_BYTES_MAX]].concat();
        let pieces: Vec<_> = long.chunks(READ_BYTES_MAX).collect();
        let given = given(&pieces, 0);
        assert!(given.len() > 2 && given.iter().all(|given| given.len() <= READ_BYTES_MAX));
        assert_eq!(given.concat(), long);
    }
}
