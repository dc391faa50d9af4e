//! The machine that measures: its cores and processes.

pub mod callgrind;
pub mod written;

use std::{
    fs, io,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that a run uses: one for the servers, one for the clients.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    server: CpuSet,
    client: CpuSet,
}

impl Cores {
    /// Takes the first two cores that this process may use, and moves this process to the second.
    ///
    /// # Errors
    /// When there is only one.
    pub fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let only = |core: usize| {
            let mut set = CpuSet::new();
            set.set(core);
            set
        };
        let (Some(server), Some(client)) = (cores.next(), cores.next()) else {
            anyhow::bail!("measuring needs two cores: one for the servers, one for the clients");
        };
        let cores = Self {
            server: only(server),
            client: only(client),
        };
        sched_setaffinity(None, &cores.client)?;
        Ok(cores)
    }

    /// The same cores, with both for the servers.
    pub fn both(&self) -> Self {
        let mut both = self.server;
        for core in (0..CpuSet::MAX_CPU).filter(|core| self.client.is_set(*core)) {
            both.set(core);
        }
        Self {
            server: both,
            client: self.client,
        }
    }

    /// Starts a process on the servers' core, where its threads stay.
    pub fn spawn_server(&self, command: &mut Command) -> anyhow::Result<Child> {
        sched_setaffinity(None, &self.server)?;
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()));
        sched_setaffinity(None, &self.client)?;
        child
    }

    /// Runs `work` on the servers' core.
    pub fn on_server<T>(&self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        sched_setaffinity(None, &self.server)?;
        let done = work();
        sched_setaffinity(None, &self.client)?;
        Ok(done)
    }
}

/// Processor time, user and system, that the threads of a process have used.
///
/// `/proc/PID/stat` counts in hundredths of a second; the scheduler's own
/// account of each thread (`schedstat`, first field) counts nanoseconds.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // The file of a thread that has just ended is gone.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let first = text.split(' ').next().unwrap_or_default();
        total += first.parse::<u64>().unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}

/// The same, once the process is idle. The account of a running thread is behind until the
/// scheduler updates it.
pub fn processor_time_at_rest(pid: u32) -> io::Result<Duration> {
    let bound = Instant::now() + Duration::from_millis(500);
    let mut before = processor_time(pid)?;
    loop {
        // Longer than the log's thread collects lines.
        thread::sleep(Duration::from_millis(15));
        let now = processor_time(pid)?;
        if now == before || Instant::now() > bound {
            return Ok(now);
        }
        before = now;
    }
}

/// Processor time that this thread has used.
pub fn own_processor_time() -> anyhow::Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Ok(time.try_into()?)
}

/// Bytes of memory that a process occupies (resident set size) now and at its peak.
/// `/proc/PID/smaps_rollup` has the exact value.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let kib = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let value = value.and_then(|value| value.parse::<u64>().ok());
        value.with_context(|| format!("/proc/{pid}/{file} has no {name}"))
    };
    Ok(Memory {
        resident: kib("smaps_rollup", "Rss:")? * 1024,
        private: (kib("smaps_rollup", "Private_Clean:")? + kib("smaps_rollup", "Private_Dirty:")?)
            * 1024,
        peak: kib("status", "VmHWM:")? * 1024,
    })
}

/// Bytes of memory that a process occupies.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident bytes, including the program's code.
    pub resident: u64,
    /// Resident bytes that it shares with no other process.
    pub private: u64,
    /// The peak of the resident bytes.
    pub peak: u64,
}

/// A line about the machine, for the report.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let kernel = read("/proc/sys/kernel/osrelease");
    // All cores of the machine: this process may use only one.
    let cores = cpuinfo.matches("processor\t").count();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// The load average of the last minute.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
