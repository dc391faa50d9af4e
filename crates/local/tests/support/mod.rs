//! Shared by the test programs: a cluster of stand-ins, clients, and what they wait for.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part; a test fails loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

pub mod alb;
pub mod client;
pub mod cluster;

/// The longest wait for anything that should happen soon, on a busy machine.
pub const SOON: Duration = Duration::from_mins(1);

pub fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

pub fn runs(pid: u32) -> bool {
    // A zombie has ended and waits to be reaped.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.contains(") Z ") && test_kill_process(Pid::from_raw(pid.cast_signed()).unwrap()).is_ok()
}

/// Waits until the processes are gone.
pub async fn all_gone(pids: &[u32]) {
    eventually("every process is gone", || async {
        !pids.iter().any(|&pid| runs(pid))
    })
    .await;
}

/// Waits until a condition holds. `what` names it in the message of a failed test.
pub async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < SOON, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Descriptors that a process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Has cargo build the services, as `cargo run` does. Returns the directory of their programs.
pub async fn programs() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").expect("cargo runs the tests"));
    cargo.arg("build");
    for service in services() {
        cargo.args(["--package", &service]);
    }
    cargo.current_dir(repository()).kill_on_drop(true);
    let built = timeout(Duration::from_mins(15), cargo.status())
        .await
        .expect("cargo takes too long");
    assert!(built.unwrap().success());
    PathBuf::from(env!("CARGO_BIN_EXE_local"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of the repository's services.
pub fn services() -> Vec<String> {
    let folders = fs::read_dir(repository().join("services")).unwrap();
    folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
