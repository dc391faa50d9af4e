//! What a service logs until it is ready, in JSON or for a terminal.

use std::{io::BufRead, net::SocketAddr};

/// The first lines of a log.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// The lines without line ends, up to and including `ready`.
    pub lines: Vec<String>,
    /// Where it listens.
    pub addr: Option<SocketAddr>,
    /// Whether the service logged that it is ready.
    pub ready: bool,
}

impl Start {
    /// Reads until the service says that it is ready, or the log ends.
    pub fn read(log: &mut impl BufRead) -> Self {
        let mut start = Self::default();
        // Reading a terminal fails once its process has ended.
        for line in log.lines().map_while(Result::ok) {
            start.addr = start.addr.or_else(|| addr(&line));
            start.ready = says_ready(&line);
            start.lines.push(line);
            if start.ready {
                break;
            }
        }
        start
    }
}

/// The address in a line, which is JSON or coloured text.
fn addr(line: &str) -> Option<SocketAddr> {
    let apart = |letter: char| !(letter.is_ascii_hexdigit() || ".:[]".contains(letter));
    line.split(apart).find_map(|word| word.parse().ok())
}

fn says_ready(line: &str) -> bool {
    let mut words = line.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| word == "ready")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Start;

    #[test]
    fn a_start_is_read_until_ready_in_both_formats() {
        for [listening, ready] in [
            [
                r#"{"time":"2026-11-24T07:19:29.123Z","message":"listening","addr":"127.0.0.1:81"}"#,
                r#"{"time":"2026-11-24T07:19:29.124Z","message":"ready","db":"db.json"}"#,
            ],
            [
                "\u{1b}[2m2026-11-24T07:19:29Z\u{1b}[0m INFO listening \u{1b}[3maddr\u{1b}[0m\u{1b}[2m=\u{1b}[0m127.0.0.1:81",
                "\u{1b}[2m2026-11-24T07:19:29Z\u{1b}[0m INFO ready db=db.json",
            ],
        ] {
            let log = format!("{listening}\nalready\n{ready}\nrest");
            let mut log = log.as_bytes();
            let start = Start::read(&mut log);
            assert_eq!(start.addr, "127.0.0.1:81".parse().ok());
            assert_eq!(start.lines, [listening, "already", ready]);
            assert!(start.ready);
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "rest");
            assert!(!Start::read(&mut listening.as_bytes()).ready);
        }
    }
}
