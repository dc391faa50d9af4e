//! A task: one process of a service.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::event::{Event, Events};

/// From SIGTERM to SIGKILL (ECS `stopTimeout`, default 30 s).
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A task that has not reported its address within this time has failed to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest line of a log; longer ones are cut.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// How a service's process is started. Not `Debug`: the token belongs in no log.
pub struct TaskDefinition {
    /// The service's program.
    pub program: PathBuf,
    /// Its data.
    pub db: PathBuf,
    /// Whether it writes to its data, which only one task at a time can.
    pub writable: bool,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, OsString)>,
}

/// What happens to a task, in this order.
#[derive(Debug)]
pub enum TaskEvent {
    /// It listens at this address, which can be registered as a target.
    Listening(SocketAddr),
    /// Its process has ended, and all its output has been read.
    Ended(Cause),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    how: String,
    /// What the task wrote to stderr, if it never listened.
    stderr: Option<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)?;
        self.stderr
            .iter()
            .try_for_each(|line| write!(f, ": {line}"))
    }
}

/// A task that is running. When its `supervise` is dropped, the process is killed.
pub struct Task {
    name: String,
    child: Child,
    /// The task's standard input, held open as long as the task may run. When `local` ends, even by
    /// SIGKILL, it closes, and the task stops. No other process holds it, because the standard library
    /// closes it in every other child.
    stdin: Option<ChildStdin>,
    /// Its process.
    pub pid: u32,
}

impl Task {
    /// Starts a process on a port that the system chooses.
    ///
    /// Its environment comes from its definition, not from `local`. It has a process group of its own,
    /// so that Ctrl-C reaches only `local`, which then stops its tasks in order.
    ///
    /// # Errors
    /// When the program cannot be started, for a person to read.
    pub fn start(name: String, definition: &TaskDefinition) -> Result<Self, String> {
        let passed_on = ["RUST_LOG", "RUST_BACKTRACE"];
        let environment = passed_on
            .iter()
            .filter_map(|&name| Some((name, std::env::var_os(name)?)));
        let mut command = Command::new(&definition.program);
        command
            .args([
                "--exit-with-stdin",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--db",
            ])
            .arg(&definition.db)
            .env_clear()
            .envs(environment)
            .envs(definition.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", definition.program.display()))?;
        let pid = child.id().ok_or("ended before it had a process id")?;
        // Taken out of `child`, whose `wait` would close it.
        let stdin = child.stdin.take();
        Ok(Self {
            name,
            child,
            stdin,
            pid,
        })
    }

    /// Watches the process until it ends. Forwards its logs, and stops it once `stop` is cancelled.
    pub async fn supervise(
        mut self,
        events: Events,
        stop: CancellationToken,
        report: impl Fn(TaskEvent),
    ) {
        let log = Log {
            task: self.name,
            events,
            address: watch::Sender::new(None),
            complaint: Mutex::default(),
        };
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let all_read = AtomicBool::new(false);
        let reading = async {
            tokio::join!(
                each_line(stdout, |line| log.stdout(line)),
                each_line(stderr, |line| log.stderr(line))
            );
            all_read.store(true, Ordering::Relaxed);
        };
        let mut reading = std::pin::pin!(reading);
        let mut listening = log.address.subscribe();
        let announcing = async {
            let addr = listens(&mut listening).await;
            report(TaskEvent::Listening(addr));
        };
        let meanwhile = async {
            tokio::join!(announcing, reading.as_mut());
            std::future::pending().await
        };
        let how = tokio::select! {
            how = end(&mut self.child, stop, log.address.subscribe()) => how,
            never = meanwhile => never,
        };
        if !all_read.load(Ordering::Relaxed) {
            // Its last output is still in the pipes. They may never close, because a process that the
            // task left behind may hold them open.
            let _ = timeout(Duration::from_millis(100), reading).await;
        }
        drop(self.stdin);
        let never_listened = log.address.borrow().is_none();
        let stderr = log
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        report(TaskEvent::Ended(Cause {
            how,
            stderr: stderr.filter(|_| never_listened),
        }));
    }
}

/// Waits for the end of a process, and stops it when it should stop or does not start in time. Returns
/// how it ended.
async fn end(
    child: &mut Child,
    stop: CancellationToken,
    mut address: watch::Receiver<Option<SocketAddr>>,
) -> String {
    let never_listens = async {
        match timeout(START_TIMEOUT, listens(&mut address)).await {
            Ok(_) => std::future::pending().await,
            Err(_) => format!("did not listen within {} s", START_TIMEOUT.as_secs()),
        }
    };
    let reason = tokio::select! {
        status = child.wait() => return describe(status),
        () = stop.cancelled() => None,
        reason = never_listens => Some(reason),
    };
    // The process has not been reaped, so its id cannot belong to another one.
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        // It may have ended already, and then there is nothing to do.
        let _ = kill_process(pid, Signal::TERM);
    }
    let status = match timeout(STOP_TIMEOUT, child.wait()).await {
        Ok(status) => status,
        Err(_) => match child.kill().await {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    reason.unwrap_or_else(|| describe(status))
}

/// Waits until the task has reported its address.
async fn listens(address: &mut watch::Receiver<Option<SocketAddr>>) -> SocketAddr {
    loop {
        if let Some(addr) = *address.borrow_and_update() {
            return addr;
        }
        // The sender lives as long as the process is watched.
        let _ = address.changed().await;
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        Ok((Some(code), _)) => format!("exit code {code}"),
        Ok((None, Some(signal))) => format!("killed by {}", signal_name(signal)),
        Ok((None, None)) => "ended".to_owned(),
        Err(error) => format!("lost: {error}"),
    }
}

fn signal_name(signal: i32) -> String {
    let name = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
    ]
    .into_iter()
    .find(|(known, _)| known.as_raw() == signal);
    name.map_or_else(|| format!("signal {signal}"), |(_, name)| name.to_owned())
}

/// The output of a task.
struct Log {
    task: String,
    events: Events,
    /// The address that it listens at, once it has reported it.
    address: watch::Sender<Option<SocketAddr>>,
    /// The first line on stderr, and the second one when the first ends in a colon, as with a panic.
    complaint: Mutex<Option<String>>,
}

impl Log {
    /// Takes a line of the log: JSON with `level`, `message` and, when the task listens, `addr`.
    ///
    /// Warnings and errors are always shown, the rest only with `--logs`.
    fn stdout(&self, line: &str) {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        if record["message"] == "listening"
            && let Some(addr) = record["addr"].as_str().and_then(|addr| addr.parse().ok())
        {
            self.address.send_replace(Some(addr));
        }
        if self.events.wants_logs() {
            self.send_log(line);
        } else if matches!(record["level"].as_str(), Some("WARN" | "ERROR")) {
            self.warn(readable(&record));
        }
    }

    /// Takes a line of stderr: the reason of a failed start, or something unexpected.
    fn stderr(&self, line: &str) {
        {
            let mut complaint = self
                .complaint
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match complaint.as_mut() {
                None if !line.is_empty() => *complaint = Some(line.to_owned()),
                Some(first) if first.ends_with(':') => *first = format!("{first} {line}"),
                _ => {}
            }
        }
        if self.events.wants_logs() {
            self.send_log(line);
        } else if self.address.borrow().is_some() {
            self.warn(line.to_owned());
        }
    }

    fn send_log(&self, line: &str) {
        self.events.send(Event::Log {
            subject: self.task.clone(),
            line: line.to_owned(),
        });
    }

    fn warn(&self, text: String) {
        self.events.send(Event::Warning {
            subject: self.task.clone(),
            text,
        });
    }
}

/// A JSON record as `message key=value …`, without the members that the event's line shows already.
fn readable(record: &Value) -> String {
    let known = ["time", "level", "service", "message"];
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let mut line = text(&record["message"]);
    for (key, value) in record.as_object().into_iter().flatten() {
        if !known.contains(&key.as_str()) {
            line = format!("{line} {key}={}", text(value));
        }
    }
    line
}

/// Hands over each line until the writer is gone.
async fn each_line(reader: Option<impl AsyncRead + Unpin>, take: impl Fn(&str)) {
    let Some(reader) = reader else { return };
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while let Ok(bytes) = reader.fill_buf().await
        && !bytes.is_empty()
    {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_BYTES_MAX - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            take(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        take(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_at_their_limit_and_the_last_needs_no_end() {
        let lines = Mutex::new(Vec::new());
        let text = format!("one\n\n{}\nlast", "x".repeat(LINE_BYTES_MAX + 5));
        each_line(Some(text.as_bytes()), |line| {
            lines.lock().unwrap().push(line.to_owned());
        })
        .await;
        let lines = lines.into_inner().unwrap();
        assert_eq!(lines[..2], ["one".to_owned(), String::new()]);
        assert_eq!(lines[2].len(), LINE_BYTES_MAX);
        assert_eq!(lines[3], "last");
    }

    #[test]
    fn a_record_reads_as_a_line() {
        let record = serde_json::json!({
            "time": "2026-01-01T00:00:00Z", "level": "WARN", "service": "users",
            "message": "disk is slow", "waited_ms": 12, "path": "/data"
        });
        assert_eq!(readable(&record), "disk is slow waited_ms=12 path=/data");
    }

    #[test]
    fn signals_are_named() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(63), "signal 63");
    }
}
