//! The services' programs: finds them, and has cargo build them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// The program of each of `services`.
///
/// When cargo has started `local`, cargo builds them first, in the profile of `local`, and tells where
/// they are. Otherwise they are in `bin_dir`, or beside the program of `local`.
///
/// # Errors
/// When they cannot be built, or one is not there.
pub async fn find(
    services: &[&str],
    root: &Path,
    bin_dir: Option<&Path>,
) -> Result<BTreeMap<String, PathBuf>> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let beside = own.parent().unwrap_or(Path::new("."));
    if let (None, Some(cargo)) = (bin_dir, std::env::var_os("CARGO")) {
        return build(cargo, services, root, beside).await;
    }
    let directory = bin_dir.unwrap_or(beside);
    let find = |service: &&str| {
        let program = directory.join(service);
        ensure!(
            program.is_file(),
            "no program {}: build it with `cargo build -p {service}`, or say where it is with --bin-dir",
            program.display()
        );
        Ok(((*service).to_owned(), program))
    };
    services.iter().map(find).collect()
}

/// How a person starts this program.
#[must_use]
pub fn command_line() -> String {
    match std::env::var_os("CARGO") {
        Some(_) => "cargo run -q --".to_owned(),
        None => std::env::args()
            .next()
            .unwrap_or_else(|| "local".to_owned()),
    }
}

/// What cargo says about something it has built.
#[derive(Deserialize)]
struct Message {
    target: CargoTarget,
    executable: PathBuf,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
}

/// Builds the packages of these names. Cargo shows its progress on standard error.
async fn build(
    cargo: OsString,
    services: &[&str],
    root: &Path,
    own_directory: &Path,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new(cargo);
    command
        .arg("build")
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"));
    for service in services {
        command.args(["--package", service, "--bin", service]);
    }
    match own_directory.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(profile) => drop(command.args(["--profile", profile])),
    }
    command.args(["--message-format", "json-render-diagnostics"]);
    // In a process group of its own, so that cargo and its compilers can be ended together.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut child = command
        .spawn()
        .context("cannot start cargo to build the services")?;
    let _group = KillGroup(child.id());
    let mut messages = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout
            .read_to_string(&mut messages)
            .await
            .context("cannot read what cargo says")?;
    }
    let status = child.wait().await.context("cannot wait for cargo")?;
    if !status.success() {
        bail!(
            "cargo could not build {}: see its messages above",
            services.join(", ")
        );
    }

    // cargo's other messages have no executable.
    let built: BTreeMap<_, _> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .map(|message| (message.target.name, message.executable))
        .collect();
    let missing = services
        .iter()
        .find(|service| !built.contains_key(**service));
    match missing {
        None => Ok(built),
        Some(service) => {
            bail!("package {service} has no program of that name: every service needs one")
        }
    }
}

/// Ends a process group when dropped. A group that has ended already is no error.
struct KillGroup(Option<u32>);

impl Drop for KillGroup {
    fn drop(&mut self) {
        if let Some(pid) = self.0.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }
}
