//! A process that does not outlive the test.

use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

/// A process. Killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let spawned = command.spawn();
        Self(spawned.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When the system does not deliver it.
    pub fn signal(&self, signal: Signal) {
        let sent = kill_process(Pid::from_child(&self.0), signal);
        sent.expect("a process that nobody has waited for takes signals");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
