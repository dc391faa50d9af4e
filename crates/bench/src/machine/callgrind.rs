//! Instructions that a process executes, counted by valgrind's callgrind. Unlike time, they are
//! the same on a busy machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// The beginning of the names of the files that hold the counts.
const COUNTS: &str = "counts";

/// Counts the instructions of one process, thread by thread.
pub struct Callgrind {
    dir: TempDir,
}

impl Callgrind {
    /// Whether valgrind is installed.
    pub fn installed() -> bool {
        let mut valgrind = Command::new("valgrind");
        let found = valgrind.arg("--version").stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    }

    /// Counts are written to a directory in `dir`.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir_in(dir)?;
        Ok(Self { dir })
    }

    /// The command that runs a program and counts.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--separate-threads=yes"])
            .arg(self.pipes())
            .arg(format!("--callgrind-out-file={}", self.out().display()))
            .arg(program)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Forgets what was counted.
    pub fn reset(&self, pid: u32) -> anyhow::Result<()> {
        self.tell(pid, &["zero"]).map(drop)
    }

    /// Instructions of all threads since the start or the last reset.
    pub fn all(&self, pid: u32) -> anyhow::Result<u64> {
        self.tell(pid, &["dump"])?;
        self.total()
    }

    /// Instructions of all threads of a process that has ended.
    pub fn total(&self) -> anyhow::Result<u64> {
        let mut total = 0;
        for file in fs::read_dir(self.dir.path())? {
            let file = file?;
            // One a thread: "counts-01", or "counts.1-01" when it was asked for.
            let name = file.file_name();
            if name.to_string_lossy().starts_with(COUNTS) && name.to_string_lossy().contains('-') {
                total += instructions(&file.path())?;
            }
        }
        Ok(total)
    }

    /// Instructions of the thread with this name since the start or the last reset.
    pub fn of_thread(&self, pid: u32, name: &str) -> anyhow::Result<u64> {
        let mut found = None;
        // "Thread 4: status = VgTs_WaitSys syscall 202 (lwpid 17435)"
        for line in self.tell(pid, &["v.info", "scheduler"])?.lines() {
            let Some((number, rest)) = line.strip_prefix("Thread ").and_then(|l| l.split_once(':'))
            else {
                continue;
            };
            let Some((_, id)) = rest.trim_end_matches(')').split_once("(lwpid ") else {
                continue;
            };
            let comm = fs::read_to_string(format!("/proc/{pid}/task/{id}/comm"))?;
            if comm.trim_end() == name {
                found = Some(number.parse::<u32>()?);
            }
        }
        let number = found.with_context(|| format!("no thread is called {name}"))?;
        self.tell(pid, &["dump"])?;
        let file = self.out().with_extension(format!("1-{number:02}"));
        instructions(&file)
    }

    /// Says something to valgrind's server in a process, and returns its answer.
    fn tell(&self, pid: u32, what: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("vgdb")
            .arg(self.pipes())
            .arg(format!("--pid={pid}"))
            .args(what)
            .output()
            .context("cannot run vgdb, which comes with valgrind")?;
        ensure!(
            output.status.success(),
            "vgdb {what:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    fn pipes(&self) -> String {
        // Its path may not be long, and must be the same on both sides.
        format!("--vgdb-prefix={}", self.dir.path().join("gdb").display())
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join(COUNTS)
    }
}

/// The sum in a file that callgrind wrote.
fn instructions(file: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.with_context(|| format!("{} has no totals", file.display()))
}
