//! One line of the log as JSON.

use std::{
    cell::Cell,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

thread_local! {
    /// The second of the last line, and its date and time as text.
    static SECOND: Cell<(u64, [u8; TO_THE_SECOND])> = const { Cell::new((0, [0; TO_THE_SECOND])) };
}

/// Bytes of `2026-03-04T09:12:33`.
const TO_THE_SECOND: usize = 19;

/// A JSON object that is being written.
pub(crate) struct LogLine<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> LogLine<'a> {
    /// Begins a line with the members that all lines have.
    pub fn begin(out: &'a mut Vec<u8>, level: &str, service: &str) -> Self {
        out.extend_from_slice(b"{\"time\":\"");
        time(out);
        out.extend_from_slice(b"\"");
        let mut line = Self { out };
        line.plain("level", level.as_bytes());
        line.plain("service", service.as_bytes());
        line
    }

    /// Adds a text of any bytes, escaped.
    #[inline]
    pub fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        escape(value, self.out);
        self.out.push(b'"');
    }

    /// Adds a text that needs no escaping in JSON.
    #[inline]
    pub fn plain(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    #[inline]
    pub fn number(&mut self, name: &str, value: impl itoa::Integer) {
        self.name(name);
        let mut digits = itoa::Buffer::new();
        self.out.extend_from_slice(digits.format(value).as_bytes());
    }

    /// Adds a duration in milliseconds with three decimals.
    pub fn milliseconds(&mut self, name: &str, value: Duration) {
        let micros = u64::try_from((value.as_nanos() + 500) / 1000).unwrap_or(u64::MAX);
        self.number(name, micros / 1000);
        self.out.push(b'.');
        self.out.extend_from_slice(&thousandths(micros % 1000));
    }

    pub fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    #[inline]
    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Appends the time: RFC 3339 in UTC, with milliseconds.
fn time(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut second, mut text) = SECOND.get();
    if second != now.as_secs() {
        // Formatting the date is the costliest part of a line, and its text is the same for a
        // whole second.
        second = now.as_secs();
        let whole = i64::try_from(second).ok();
        let whole = whole.and_then(|second| jiff::Timestamp::from_second(second).ok());
        let formatted = whole.unwrap_or_default().to_string();
        text.copy_from_slice(&formatted.as_bytes()[..TO_THE_SECOND]);
        SECOND.set((second, text));
    }
    out.extend_from_slice(&text);
    out.push(b'.');
    out.extend_from_slice(&thousandths(now.subsec_millis().into()));
    out.push(b'Z');
}

/// Three digits.
fn thousandths(value: u64) -> [u8; 3] {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or_default();
    [digit(value / 100), digit(value / 10), digit(value)]
}

/// Appends `value` as the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    // No early exit, so that the compiler can check many bytes at a time.
    if value.iter().fold(true, |all, byte| all & plain(byte)) {
        out.extend_from_slice(value);
        return;
    }
    for char in String::from_utf8_lossy(value).chars() {
        match char {
            '"' | '\\' => {
                let _ = write!(out, "\\{char}");
            }
            '\0'..='\x1f' | '\x7f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => {
                let _ = write!(out, "{char}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn any_bytes_make_a_line_of_json() {
        let mut bytes = Vec::new();
        let mut line = LogLine::begin(&mut bytes, "INFO", "users");
        line.text("path", b"/a\"b\\c\n\x7f\xff\xc3\xa9");
        line.number("status", 200);
        line.milliseconds("durationMs", Duration::from_nanos(12_003_499));
        line.end();
        assert_eq!(
            bytes.iter().position(|byte| *byte == b'\n'),
            Some(bytes.len() - 1)
        );
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["path"], "/a\"b\\c\n\x7f\u{fffd}é");
        assert_eq!(json["status"], 200);
        assert_eq!(json["service"], "users");
        assert_eq!(json["durationMs"].to_string(), "12.003");
        let time: Timestamp = json["time"].as_str().unwrap().parse().unwrap();
        assert!(time.duration_until(Timestamp::now()).as_secs() < 60);
    }
}
