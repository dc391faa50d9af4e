//! A running binary.

use std::{
    fs,
    io::{BufReader, Read},
    net::SocketAddr,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    DEADLINE,
    connection::Connection,
    message::{Request, Response},
    output::{Lines, Output},
    process::Process,
    start::Start,
};

/// A running binary. Killed when dropped.
#[derive(Debug)]
pub struct Task {
    process: Process,
    addr: Option<SocketAddr>,
    output: Output,
    _dir: Arc<TempDir>,
}

/// How a task ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines that it wrote to its standard output.
    pub stdout: Vec<String>,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Task {
    pub(crate) fn spawn(command: &mut Command, dir: Arc<TempDir>) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(command);
        let child = process.child();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            unreachable!("both streams are pipes");
        };
        Self {
            process,
            addr: None,
            output: Output::of(stdout, stderr),
            _dir: dir,
        }
    }

    pub(crate) fn start(command: &mut Command, dir: Arc<TempDir>) -> Self {
        let mut task = Self::spawn(command, dir);
        let listening = task.logged("listening");
        let addr = listening["addr"]
            .as_str()
            .and_then(|addr| addr.parse().ok());
        assert!(addr.is_some(), "no address in {listening}");
        task.addr = addr;
        task
    }

    pub(crate) fn start_onto<R>(
        mut command: Command,
        ours: R,
        dir: Arc<TempDir>,
    ) -> (Self, BufReader<R>)
    where
        R: Read + Send + 'static,
    {
        let mut process = Process::spawn(command.stderr(Stdio::piped()));
        // Drops our copy of the task's standard output. Otherwise reading would not end when the
        // task does.
        drop(command);
        let stderr = process.child().stderr.take();
        let output = Output::of_stderr(stderr.expect("it is a pipe"));
        let (done, start) = mpsc::channel();
        // On a separate thread, because a blocking read has no deadline.
        thread::spawn(move || {
            let mut ours = BufReader::new(ours);
            let start = Start::read(&mut ours);
            // An error means that the deadline is over and nobody waits any more.
            let _ = done.send((start, ours));
        });
        let mut task = Self {
            process,
            addr: None,
            output,
            _dir: dir,
        };
        let started = start.recv_timeout(DEADLINE);
        let (start, ours) = started.expect("a log of a start within the deadline");
        task.output.lines().stdout.clone_from(&start.lines);
        assert!(start.ready, "it ended before it was ready");
        task.addr = start.addr;
        (task, ours)
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never: a task that was started has said where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr.expect("a started task has said where it listens")
    }

    /// A new connection to it.
    ///
    /// # Panics
    /// When it does not accept one.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.addr()).expect("the task accepts connections")
    }

    /// A new connection to it on which the answer to a GET has begun. Nothing of it was read.
    ///
    /// # Panics
    /// When the answer does not begin.
    #[must_use]
    pub fn unread(&self, target: &str) -> Connection {
        let mut connection = self.connect();
        connection.send(&Request::get(target).to_bytes());
        let begun = connection.stream().peek(&mut [0]);
        begun.expect("the task answers");
        connection
    }

    /// Its answer to a request, on a new connection.
    #[must_use]
    pub fn ask(&self, request: &Request) -> Response {
        self.connect().ask(request)
    }

    /// Its answer to a GET, on a new connection.
    #[must_use]
    pub fn get(&self, target: &str) -> Response {
        self.ask(&Request::get(target))
    }

    /// Waits for the first log line with this message.
    ///
    /// # Panics
    /// When there is none within the deadline.
    #[expect(clippy::must_use_candidate, reason = "most callers only wait")]
    pub fn logged(&self, message: &str) -> Value {
        self.logged_where(message, |line| line["message"] == message)
    }

    /// Waits for the first log line for which `is` holds. `what` names that line in the message of
    /// a failed test.
    ///
    /// # Panics
    /// When there is none within the deadline.
    pub fn logged_where(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut seen = 0;
        let found = self.output.wait(DEADLINE, |lines| {
            let new = &lines.stdout[seen..];
            seen = lines.stdout.len();
            let mut new = new
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok());
            new.find(&is)
        });
        found.unwrap_or_else(|| panic!("the task did not log {what:?}"))
    }

    /// The lines that it has written to its standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.output.lines().stdout.clone()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When the system does not deliver it.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within the deadline.
    #[must_use]
    pub fn wait(self) -> Ended {
        self.wait_within(DEADLINE)
    }

    /// Waits for its end, but not longer than `patience`.
    ///
    /// # Panics
    /// When it does not end by then.
    #[must_use]
    pub fn wait_within(mut self, patience: Duration) -> Ended {
        let complete = |lines: &Lines| lines.complete().then_some(());
        let ended = self.output.wait(patience, complete);
        assert!(ended.is_some(), "the task did not end within {patience:?}");
        // The process may take a moment longer to end.
        let status = self.process.child().wait();
        let status = status.expect("a child can be waited for");
        let mut lines = self.output.lines();
        Ended {
            status,
            stdout: std::mem::take(&mut lines.stdout),
            stderr: lines.stderr.join("\n"),
        }
    }

    /// Stops it with SIGTERM, and waits for its end.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Bytes of memory that it occupies (resident set size).
    ///
    /// # Panics
    /// Where there is no `/proc`.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.status_bytes("VmRSS:")
    }

    /// The most bytes of memory that it has occupied so far.
    ///
    /// # Panics
    /// Where there is no `/proc`.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> usize {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> usize {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).expect("Linux has /proc");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: usize = kib.and_then(|kib| kib.parse().ok()).expect("kB");
        kib * 1024
    }

    /// How many descriptors it has open.
    ///
    /// # Panics
    /// Where there is no `/proc`.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.process.id());
        fs::read_dir(path).expect("Linux has /proc").count()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if thread::panicking() {
            let lines = self.output.lines();
            for line in lines.stdout.iter().chain(&lines.stderr) {
                eprintln!("  {line}");
            }
        }
    }
}

impl Ended {
    /// Its log, which has one JSON object a line.
    ///
    /// # Panics
    /// When a line is not a JSON object.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        let parse = |line: &String| match serde_json::from_str(line) {
            Ok(object @ Value::Object(_)) => object,
            _ => panic!("not a JSON object: {line}"),
        };
        self.stdout.iter().map(parse).collect()
    }
}
