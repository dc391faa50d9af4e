//! One line of the log as JSON.

use std::io::Write;

use common::Timestamp;

/// A JSON object in the making.
pub(crate) struct LogLine<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> LogLine<'a> {
    /// Begins a line with what all lines have.
    pub fn begin(out: &'a mut Vec<u8>, level: &str, service: &str) -> Self {
        let now = Timestamp::now();
        let _ = write!(
            out,
            r#"{{"time":"{now}","level":"{level}","service":"{service}""#
        );
        Self { out }
    }

    /// Adds a text, whatever bytes it has.
    pub fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        escape(value, self.out);
        self.out.push(b'"');
    }

    pub fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.out, "{value}");
    }

    pub fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(b",\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Appends `value` as the inside of a JSON string. What is not UTF-8 becomes U+FFFD.
fn escape(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if value.iter().all(plain) {
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
    use super::*;

    #[test]
    fn any_bytes_make_a_line_of_json() {
        let mut bytes = Vec::new();
        let mut line = LogLine::begin(&mut bytes, "INFO", "users");
        line.text("path", b"/a\"b\\c\n\x7f\xff\xc3\xa9");
        line.number("status", 200);
        line.end();
        assert_eq!(
            bytes.iter().position(|byte| *byte == b'\n'),
            Some(bytes.len() - 1)
        );
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["path"], "/a\"b\\c\n\x7f\u{fffd}é");
        assert_eq!(json["status"], 200);
        assert_eq!(json["service"], "users");
    }
}
