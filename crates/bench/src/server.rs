//! The servers that are measured.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::{answers::Answer, machine::Cores};

/// Longest wait for a server to listen. Loading a large collection takes long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub addr: SocketAddr,
    /// The beginning of its paths, where ours have `/api`.
    pub prefix: &'static str,
    /// A second log file that grows with the requests.
    pub log: Option<PathBuf>,
    child: Child,
    output: PathBuf,
}

/// How a server says where it listens.
#[derive(Debug, Clone, Copy)]
pub enum Listens {
    /// It writes a line with `"addr":"HOST:PORT"`.
    Announced,
    /// It was started with this port.
    On(u16),
}

impl Server {
    /// Starts a server on the servers' core and waits until it accepts connections. Its output
    /// goes to a file in `dir`, like an access log.
    pub fn start(
        name: &'static str,
        command: &mut Command,
        listens: Listens,
        cores: &Cores,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let output = dir.join(format!("{}.log", name.replace(['/', ' '], "-")));
        let log = File::options().create(true).append(true).open(&output)?;
        log.set_len(0)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = cores.spawn_server(command)?;
        let bound = Instant::now() + PATIENCE;
        let addr = loop {
            let found = match listens {
                Listens::Announced => announced(&output),
                Listens::On(port) => Some((Ipv4Addr::LOCALHOST, port).into()),
            };
            if let Some(addr) = found.filter(|addr| TcpStream::connect(addr).is_ok()) {
                break addr;
            }
            if child.try_wait()?.is_some() || Instant::now() > bound {
                let _ = child.kill();
                let said = fs::read_to_string(&output).unwrap_or_default();
                bail!("{name} does not listen; it said: {said}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        Ok(Self {
            name,
            addr,
            prefix: "/api",
            log: None,
            child,
            output,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Empties its logs, so that a long run does not fill the disk.
    pub fn forget_output(&self) -> anyhow::Result<()> {
        for log in self.log.iter().chain([&self.output]) {
            File::options().write(true).open(log)?.set_len(0)?;
        }
        Ok(())
    }

    /// Waits until it has loaded its collection.
    pub fn ready(&self) -> anyhow::Result<()> {
        self.answers("/health/ready")
    }

    /// Waits until it answers this request with 200.
    pub fn answers(&self, target: &str) -> anyhow::Result<()> {
        let bound = Instant::now() + PATIENCE;
        while !Answer::ask(self.addr, target, "").is_ok_and(|answer| answer.status == 200) {
            ensure!(
                Instant::now() < bound,
                "{} does not become ready",
                self.name
            );
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address that a server has written to its output.
fn announced(output: &Path) -> Option<SocketAddr> {
    let text = fs::read_to_string(output).ok()?;
    let (_, rest) = text.split_once("\"addr\":\"")?;
    let mut addr: SocketAddr = rest.split_once('"')?.0.parse().ok()?;
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    Some(addr)
}

/// A port that was free a moment ago, for servers that cannot choose one themselves. If another
/// process takes it meanwhile, the server fails and says so.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// A binary of this workspace from the same build directory as this one.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} does not exist; build the workspace", path.display());
    }
    Ok(path)
}

/// Builds the measured binaries in the profile of this binary.
pub fn build() -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build", "--quiet", "-p", "users", "-p", "threads", "-p", "posts", "-p", "local",
    ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let built = command.current_dir(root()).status();
    if built.context("cannot run cargo")?.success() {
        return Ok(());
    }
    bail!("the services to measure do not build");
}

/// The workspace's directory.
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Path::parent)
        .unwrap_or(Path::new("."))
        .to_owned()
}
