//! The program `local`, with stand-ins in a directory of its own or as a given command starts it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use local::control::socket::{Request, Success, ask};
use local::control::status::{ClusterStatus, TaskStatus};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{SOON, eventually, kill, programs, repository};

/// The files and arguments that a cluster is started with.
pub struct Setup {
    pub root: TempDir,
    parameters: BTreeMap<String, BTreeMap<String, String>>,
    args: Vec<String>,
}

impl Setup {
    /// A cluster with two tasks each of users, threads and posts, all stand-ins.
    pub fn new() -> Self {
        let mut setup = Self {
            root: tempfile::tempdir().unwrap(),
            parameters: BTreeMap::new(),
            args: Vec::new(),
        };
        for (index, service) in ["users", "threads", "posts"].into_iter().enumerate() {
            for (key, value) in [
                ("Service", service),
                ("PathPatterns", &format!("/api/{service},/api/{service}/*")),
                ("RulePriority", &format!("{}0", index + 1)),
                ("ContainerPort", "3000"),
                ("HealthCheckPath", "/health/ready"),
                ("HealthCheckIntervalSeconds", "5"),
                ("HealthCheckTimeoutSeconds", "2"),
                ("HealthyThresholdCount", "2"),
                ("UnhealthyThresholdCount", "2"),
                ("DeregistrationDelaySeconds", "15"),
                ("DesiredCount", "2"),
                ("MinTasks", "2"),
                ("MaxTasks", "10"),
                ("Cpu", "128"),
                ("Memory", "64"),
            ] {
                setup = setup.parameter(service, key, value);
            }
            setup = setup.db(service, "{}");
        }
        fs::create_dir(setup.root.path().join("bin")).unwrap();
        setup.programs("bin", env!("CARGO_BIN_EXE_local-stand-in"));
        setup
    }

    /// The services themselves, with copies of their data, instead of stand-ins.
    pub async fn with_services() -> Self {
        let programs = programs().await;
        let mut setup = Self::new();
        let services: Vec<_> = setup.parameters.keys().cloned().collect();
        for service in services {
            let seed = repository().join("services").join(&service).join("db.json");
            setup = setup.db(&service, &fs::read_to_string(seed).unwrap());
            let program = setup.root.path().join("bin").join(&service);
            fs::remove_file(&program).unwrap();
            std::os::unix::fs::symlink(programs.join(&service), program).unwrap();
        }
        setup
    }

    fn programs(&self, directory: &str, program: &str) {
        for service in self.parameters.keys() {
            let link = self.root.path().join(directory).join(service);
            std::os::unix::fs::symlink(program, link).unwrap();
        }
    }

    pub fn parameter(mut self, service: &str, key: &str, value: &str) -> Self {
        let parameters = self.parameters.entry(service.to_owned()).or_default();
        parameters.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets a service's `db.json`, which tells its stand-ins what to do.
    pub fn db(self, service: &str, script: &str) -> Self {
        let path = self
            .root
            .path()
            .join("services")
            .join(service)
            .join("db.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, script).unwrap();
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Writes the topology.
    pub fn write_topology(&self) {
        let directory = self.root.path().join("deploy/services");
        fs::create_dir_all(&directory).unwrap();
        for (service, parameters) in &self.parameters {
            let file = serde_json::json!({ "Parameters": parameters });
            fs::write(directory.join(format!("{service}.json")), file.to_string()).unwrap();
        }
    }

    /// Writes the topology, and returns the command that starts `local` with it.
    pub fn command(&self) -> Command {
        self.write_topology();
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command
            .arg("--root")
            .arg(self.root.path())
            .arg("--bin-dir")
            .arg(self.root.path().join("bin"))
            .args(&self.args)
            .env("SECRET_OF_THE_SHELL", "1")
            .kill_on_drop(true);
        command
    }

    pub async fn start(self) -> Cluster {
        let mut command = self.command();
        if !self.args.iter().any(|arg| arg == "--port") {
            command.args(["--port", "0"]);
        }
        let socket = self.root.path().join("target/local.sock");
        Cluster::start(command, socket, Some(self.root)).await
    }
}

/// A running `local`.
pub struct Cluster {
    pub child: Child,
    pub addr: SocketAddr,
    pub socket: PathBuf,
    lines: watch::Receiver<Vec<String>>,
    pub root: Option<TempDir>,
}

impl Cluster {
    /// Starts `local` and waits for its table.
    pub async fn start(mut command: Command, socket: PathBuf, root: Option<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (all, lines) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                println!("{line}");
                all.send_modify(|lines| lines.push(line));
            }
        });
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut this = Self {
            child,
            addr,
            socket,
            lines,
            root,
        };
        let url = this
            .line(&["http://"], |line| line.starts_with("http://"))
            .await;
        let port = url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap_or(80);
        this.addr.set_port(port);
        this.line(&["the table"], |line| line.starts_with("cloud only"))
            .await;
        this
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The lines written so far.
    pub fn output(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits until it has written a line of that kind.
    pub async fn line(&mut self, what: &[&str], found: impl Fn(&str) -> bool) -> String {
        let wanted = |lines: &Vec<String>| lines.iter().any(|line| found(line));
        match timeout(SOON, self.lines.wait_for(wanted)).await {
            Ok(Ok(lines)) => lines.iter().find(|line| found(line)).unwrap().clone(),
            Ok(Err(_)) => panic!("ended before it wrote {what:?}"),
            Err(elapsed) => panic!("did not write {what:?}: {elapsed}"),
        }
    }

    /// Waits for an event of a task or service.
    pub async fn event(&mut self, subject: &str, what: &str) -> String {
        let event = format!("  {subject:<10} {what}");
        self.line(&[&event], |line| line.contains(&event)).await
    }

    /// Waits until a task logs that it has a request for this path. The cluster must show its logs.
    pub async fn under_way(&mut self, path: &str) {
        let said = format!(r#""message":"under way","path":"{path}""#);
        self.line(&[&said], |line| line.contains(&said)).await;
    }

    /// Replaces a service's `db.json`, which its next tasks read.
    pub fn write_db(&self, service: &str, script: &str) {
        let root = self.root.as_ref().unwrap().path();
        fs::write(root.join("services").join(service).join("db.json"), script).unwrap();
    }

    pub async fn status(&self) -> ClusterStatus {
        match ask(&self.socket, &Request::Status).await.unwrap() {
            Success::Status(status) => *status,
            Success::Done(text) => panic!("{text}"),
        }
    }

    pub async fn tasks(&self, service: &str) -> Vec<TaskStatus> {
        let status = self.status().await;
        status
            .services
            .into_iter()
            .find(|other| other.service == service)
            .unwrap()
            .tasks
    }

    /// The processes of a service, or of all services when the name is empty.
    pub async fn pids(&self, service: &str) -> Vec<u32> {
        let status = self.status().await;
        let services = status
            .services
            .iter()
            .filter(|other| service.is_empty() || other.service == service);
        services
            .flat_map(|service| &service.tasks)
            .filter_map(|task| task.pid)
            .collect()
    }

    /// Waits until the tasks of a service have exactly these states.
    pub async fn settled(&self, service: &str, health: &[&str]) {
        eventually(&format!("{service} is {health:?}"), || async {
            let mut states: Vec<_> = self
                .tasks(service)
                .await
                .into_iter()
                .map(|task| task.health)
                .collect();
            states.sort();
            states == health
        })
        .await;
    }

    /// Runs a command such as `local restart` and waits for its end.
    pub async fn ask(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
        command
            .args(args)
            .arg("--socket")
            .arg(&self.socket)
            .env_remove("CARGO")
            .kill_on_drop(true);
        timeout(SOON, command.output())
            .await
            .expect("no answer in time")
            .unwrap()
    }

    /// Sends a signal and waits for the end. Returns the exit code.
    pub async fn end(&mut self, signal: Signal) -> Option<i32> {
        kill(self.pid(), signal);
        let status = timeout(SOON, self.child.wait())
            .await
            .expect("does not end")
            .unwrap();
        status.code()
    }
}

impl Drop for Cluster {
    /// Ends `local` with SIGTERM, so that it stops its tasks.
    fn drop(&mut self) {
        let start = Instant::now();
        if self.child.id().is_some() {
            kill(self.pid(), Signal::TERM);
        }
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
