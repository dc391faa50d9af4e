//! What a process writes.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

/// The lines that a process has written so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

/// Lines without their ends.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    /// How many streams the process has not closed yet.
    open: usize,
}

impl Lines {
    /// Whether the process has closed its output. It does so at its end, at the latest.
    pub fn complete(&self) -> bool {
        self.open == 0
    }
}

impl Output {
    /// Reads both output streams of a process, each on its own thread.
    pub fn of(stdout: impl Read + Send + 'static, stderr: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        output.lines().open = 2;
        output.collect(stdout, |lines| &mut lines.stdout);
        output.collect(stderr, |lines| &mut lines.stderr);
        output
    }

    /// Reads only the standard error of a process.
    pub fn of_stderr(stderr: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        output.lines().open = 1;
        output.collect(stderr, |lines| &mut lines.stderr);
        output
    }

    fn collect(&self, stream: impl Read + Send + 'static, of: fn(&mut Lines) -> &mut Vec<String>) {
        let output = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                of(&mut output.lines()).push(line);
                output.0.changed.notify_all();
            }
            output.lines().open -= 1;
            output.0.changed.notify_all();
        });
    }

    pub fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().expect("no reader of output panics")
    }

    /// Waits until `find` finds something in the lines, and returns it. `None` when `patience` is
    /// over or the process has closed its output.
    pub fn wait<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&Lines) -> Option<T>,
    ) -> Option<T> {
        let end = Instant::now() + patience;
        let mut lines = self.lines();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match find(&lines) {
                Some(found) => return Some(found),
                None if lines.complete() || left.is_zero() => return None,
                None => {}
            }
            let waited = self.0.changed.wait_timeout(lines, left);
            lines = waited.expect("no reader of output panics").0;
        }
    }
}
