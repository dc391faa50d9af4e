//! Events: what happens in the cluster, shown as one line each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Something that happened. `subject` is a task (`users/3`), a service, or the load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A task's process has started.
    Started {
        /// The task.
        subject: String,
        /// Its process.
        pid: u32,
        /// The task that it replaces, which had ended by itself.
        replaces: Option<String>,
    },
    /// A target gets requests.
    Healthy {
        /// The task.
        subject: String,
        /// Where it listens.
        detail: String,
    },
    /// A target gets no more requests, because health checks failed.
    Unhealthy {
        /// The task.
        subject: String,
        /// What the last check met.
        reason: String,
    },
    /// A target gets no new requests.
    Draining {
        /// The task.
        subject: String,
    },
    /// A task's process has ended.
    Stopped {
        /// The task.
        subject: String,
        /// The exit code or signal, and what the task last wrote to stderr.
        cause: String,
        /// Whether it had been told to stop.
        expected: bool,
    },
    /// A service's tasks end soon after they start.
    BackingOff {
        /// The service.
        subject: String,
        /// Starts that failed in a row.
        failures: u32,
        /// From now to the next start.
        delay: Duration,
    },
    /// A message that a person should read.
    Warning {
        /// The task, the service or the load balancer.
        subject: String,
        /// The text.
        text: String,
    },
    /// A line of a task's log.
    Log {
        /// The task.
        subject: String,
        /// The line.
        line: String,
    },
    /// A line of the load balancer's access log.
    Access(String),
}

/// The importance of an event, which a terminal shows by colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something changes.
    Change,
    /// Something went wrong.
    Bad,
    /// Background.
    Quiet,
}

impl Event {
    /// The importance of the event.
    #[must_use]
    pub fn tone(&self) -> Tone {
        match self {
            Self::Healthy { .. } => Tone::Good,
            Self::Started { .. } | Self::Draining { .. } | Self::Stopped { expected: true, .. } => {
                Tone::Change
            }
            Self::Unhealthy { .. }
            | Self::Stopped {
                expected: false, ..
            }
            | Self::BackingOff { .. }
            | Self::Warning { .. } => Tone::Bad,
            Self::Log { .. } | Self::Access(_) => Tone::Quiet,
        }
    }

    /// The subject, what happened, and the details.
    #[must_use]
    pub fn columns(&self) -> (&str, &'static str, String) {
        match self {
            Self::Started {
                subject,
                pid,
                replaces: None,
            } => (subject, "started", format!("pid {pid}")),
            Self::Started {
                subject,
                pid,
                replaces: Some(task),
            } => (
                subject,
                "restarted",
                format!("pid {pid}, in place of {task}"),
            ),
            Self::Healthy { subject, detail } => (subject, "healthy", detail.clone()),
            Self::Unhealthy { subject, reason } => (subject, "unhealthy", reason.clone()),
            Self::Draining { subject } => (subject, "draining", String::new()),
            Self::Stopped { subject, cause, .. } => (subject, "stopped", cause.clone()),
            Self::BackingOff {
                subject,
                failures,
                delay,
            } => {
                let starts = match failures {
                    1 => "a start".to_owned(),
                    _ => format!("{failures} starts in a row"),
                };
                let seconds = delay.as_secs_f64().ceil();
                (
                    subject,
                    "backing off",
                    format!("{starts} did not last, next in {seconds} s"),
                )
            }
            Self::Warning { subject, text } => (subject, "warning", text.clone()),
            Self::Log { subject, line } => (subject, "log", line.clone()),
            Self::Access(line) => ("alb", "access", line.clone()),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, what, details) = self.columns();
        let line = format!("{subject:<10} {what:<11} {details}");
        f.write_str(line.trim_end())
    }
}

/// Where events go.
#[derive(Clone)]
pub struct Events {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    logs: bool,
}

impl Events {
    /// Passes every event to `sink`, which must not block. `logs` says whether the access log and the
    /// tasks' logs are wanted, too.
    pub fn new(logs: bool, sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
            logs,
        }
    }

    /// The same, but until `open` is true only failures, warnings and logs are passed on.
    #[must_use]
    pub fn quiet_until(&self, open: Arc<AtomicBool>) -> Self {
        let (sink, logs) = (Arc::clone(&self.sink), self.logs);
        Self::new(logs, move |event: Event| {
            if open.load(Ordering::Relaxed) || matches!(event.tone(), Tone::Bad | Tone::Quiet) {
                sink(event);
            }
        })
    }

    /// Passes an event on.
    pub fn send(&self, event: Event) {
        (self.sink)(event);
    }

    /// Whether anybody reads the access log and the logs of tasks.
    #[must_use]
    pub fn wants_logs(&self) -> bool {
        self.logs
    }
}
