//! A binary under strace, which delays its system calls.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

use crate::{binary::Binary, task::Task};

/// The strace of a task. Killed when dropped, which releases a thread that it delays: otherwise
/// that thread would go on waiting, even when the process ends.
pub struct Tracer(Pid);

impl Tracer {
    /// Runs `program` under strace, which is to be given its own arguments before others.
    ///
    /// # Panics
    /// When there is no strace.
    #[must_use]
    pub fn binary(arguments: &[&str], program: &str) -> Binary {
        let strace = Path::new("/usr/bin/strace");
        assert!(strace.exists(), "needs strace: apt-get install strace");
        Binary::new(strace)
            .args(["-D", "-f", "-o", "/dev/null"])
            .args(arguments.iter().copied())
            .arg(program)
    }

    /// The strace of this task.
    ///
    /// # Panics
    /// When the task is not traced.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let status = fs::read_to_string(format!("/proc/{}/status", task.id()));
        let status = status.expect("a task that runs has a status");
        let mut lines = status.lines();
        let tracer = lines.find_map(|line| line.strip_prefix("TracerPid:"));
        let tracer = tracer.and_then(|tracer| tracer.trim().parse().ok());
        Self(
            tracer
                .and_then(Pid::from_raw)
                .expect("a task under strace is traced"),
        )
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}
