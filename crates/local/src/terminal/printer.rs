//! Writes to standard output, in colour on a terminal. A slow terminal delays no request.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::event::Event;
use crate::terminal::table::style;

/// How many texts may wait for a slow terminal. When there are more, the newest are dropped.
const QUEUE_MAX: usize = 10_000;

/// The column of the details, after the time and the subject (21) and the event.
const DETAILS_AT: usize = 21 + WHAT_WIDTH;
const WHAT_WIDTH: usize = 12;

/// A thread that writes texts to standard output.
pub struct Printer {
    queue: SyncSender<String>,
    done: Receiver<()>,
    width: Option<usize>,
}

impl Printer {
    /// Starts the thread.
    #[must_use]
    pub fn start() -> Self {
        let (queue, texts) = sync_channel::<String>(QUEUE_MAX);
        let (finished, done) = sync_channel(1);
        thread::spawn(move || {
            let mut out = anstream::AutoStream::auto(std::io::stdout());
            for text in texts {
                // The reader has closed the pipe. The cluster goes on.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            let _ = finished.send(());
        });
        let width = std::io::stdout().is_terminal().then_some(80);
        Self { queue, done, width }
    }

    /// Returns a function that writes a text without waiting.
    pub fn writer(&self) -> impl Fn(String) + Send + Sync + Clone + use<> {
        let queue = self.queue.clone();
        move |text| drop(queue.try_send(text))
    }

    /// Returns a function that writes an event without waiting.
    pub fn event_writer(&self) -> impl Fn(Event) + Send + Sync + use<> {
        let (write, width) = (self.writer(), self.width);
        move |event| {
            let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
            write(line(&time, &event, width));
        }
    }

    /// Waits until all texts are written, which needs every writer to be dropped. Gives up when nobody
    /// reads.
    pub fn finish(self) {
        drop(self.queue);
        let _ = self.done.recv_timeout(Duration::from_secs(1));
    }
}

/// An event as a line. On a terminal of known width, long details continue on the next line in their
/// own column.
fn line(time: &str, event: &Event, width: Option<usize>) -> String {
    let (subject, what, details) = event.columns();
    let tone = style(event.tone());
    let mut text = format!("{time}  {subject:<10} {tone}{what}{tone:#}");
    let mut column = DETAILS_AT - WHAT_WIDTH + what.len();
    for word in details.split_whitespace() {
        let (gap, at) = if column < DETAILS_AT {
            (" ".repeat(DETAILS_AT - column), DETAILS_AT)
        } else if width.is_some_and(|width| column + 1 + word.chars().count() > width) {
            (format!("\n{:DETAILS_AT$}", ""), DETAILS_AT)
        } else {
            (" ".to_owned(), column + 1)
        };
        text.push_str(&gap);
        text.push_str(word);
        column = at + word.chars().count();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(event: &Event, width: Option<usize>) -> String {
        anstream::adapter::strip_str(&line("12:00:00", event, width)).to_string()
    }

    #[test]
    fn an_event_is_a_line() {
        let event = Event::Healthy {
            subject: "users/1".to_owned(),
            detail: "127.0.0.1:4000".to_owned(),
        };
        assert_eq!(
            shown(&event, None),
            "12:00:00  users/1    healthy     127.0.0.1:4000\n"
        );
        let event = Event::Draining {
            subject: "users/1".to_owned(),
        };
        assert_eq!(shown(&event, Some(80)), "12:00:00  users/1    draining\n");
    }

    #[test]
    fn long_details_go_on_below_themselves_on_a_terminal() {
        let cause = format!(
            "exit code 1: cannot open {}: No such file or directory (os error 2)",
            "x".repeat(30)
        );
        let event = Event::Stopped {
            subject: "threads/12".to_owned(),
            cause,
            expected: false,
        };
        assert_eq!(shown(&event, None).lines().count(), 1);
        let text = shown(&event, Some(80));
        assert!(text.lines().count() > 1);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}
