//! A cluster that is restarted while clients use it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use local::control::socket::{Request, ask};
use rustix::process::Signal;
use tokio::sync::{Mutex, watch};

use crate::support::cluster::{Cluster, Setup};
use crate::support::{all_gone, eventually, kill};

/// The services, in the order of the reports.
pub const SERVICES: [&str; 3] = ["users", "threads", "posts"];

/// What clients must know to use the cluster.
#[derive(Debug, Clone)]
pub struct Running {
    /// Grows by one when the cluster ends and when it runs again, so it is odd while the cluster is down.
    pub generation: u64,
    pub addr: SocketAddr,
    /// The services' tokens. Empty when the cluster is read-only.
    pub tokens: BTreeMap<String, String>,
}

/// How a cluster ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// SIGTERM.
    Stop,
    /// SIGKILL to `local` and every task, as after a loss of power.
    Crash,
}

/// A cluster of the repository's services with copies of their data.
pub struct System {
    pub name: &'static str,
    setup: Setup,
    cluster: Mutex<Cluster>,
    running: watch::Sender<Running>,
}

async fn launch(setup: &Setup) -> Cluster {
    let mut command = setup.command();
    // Without the access log, which would take most of the time.
    command
        .args(["--port", "0"])
        .env("RUST_LOG", "info,access=off")
        .env_remove("CARGO");
    let socket = setup.root.path().join("target/local.sock");
    Cluster::start(command, socket, None).await
}

/// The tokens that a writable cluster prints after its table.
async fn tokens(cluster: &Cluster, writable: bool) -> BTreeMap<String, String> {
    let printed = || {
        let lines = cluster.output();
        let tokens = lines.iter().filter_map(|line| {
            let (name, token) = line.strip_prefix("export ")?.split_once("_TOKEN=")?;
            let name = name.to_lowercase();
            SERVICES
                .contains(&name.as_str())
                .then(|| (name, token.to_owned()))
        });
        tokens.collect::<BTreeMap<_, _>>()
    };
    if writable {
        eventually("the tokens are printed", || async {
            printed().len() == SERVICES.len()
        })
        .await;
    }
    printed()
}

impl System {
    pub async fn start(name: &'static str, setup: Setup) -> Arc<Self> {
        let cluster = launch(&setup).await;
        let running = Running {
            generation: 0,
            addr: cluster.addr,
            tokens: tokens(&cluster, name == "writable").await,
        };
        Arc::new(Self {
            name,
            setup,
            cluster: Mutex::new(cluster),
            running: watch::Sender::new(running),
        })
    }

    /// Waits until the cluster runs, and returns how to reach it.
    pub async fn running(&self) -> Running {
        let mut running = self.running.subscribe();
        let open = running.wait_for(|running| running.generation.is_multiple_of(2));
        open.await.unwrap().clone()
    }

    /// Changes whenever the cluster goes down or comes back.
    pub fn generation(&self) -> u64 {
        self.running.borrow().generation
    }

    /// Ends the cluster and starts it again on the same data.
    pub async fn restart(&self, end: End) {
        let mut cluster = self.cluster.lock().await;
        self.running.send_modify(|running| running.generation += 1);
        match end {
            End::Stop => assert_eq!(cluster.end(Signal::TERM).await, Some(0)),
            End::Crash => {
                // Paused first, so that it starts no more tasks.
                kill(cluster.pid(), Signal::STOP);
                let tasks = children(cluster.pid());
                for &task in &tasks {
                    let _ = signal(task, Signal::KILL);
                }
                cluster.end(Signal::KILL).await;
                all_gone(&tasks).await;
            }
        }
        *cluster = launch(&self.setup).await;
        let tokens = tokens(&cluster, self.name == "writable").await;
        self.running.send_modify(|running| {
            *running = Running {
                generation: running.generation + 1,
                addr: cluster.addr,
                tokens,
            }
        });
    }

    /// The processes of a service.
    pub async fn pids(&self, service: &str) -> Vec<u32> {
        self.cluster.lock().await.pids(service).await
    }

    /// The process of `local`.
    pub async fn pid(&self) -> u32 {
        self.cluster.lock().await.pid()
    }

    /// Asks the cluster to change something, and waits for its answer.
    pub async fn ask(&self, request: Request) -> Result<(), String> {
        let socket = self.cluster.lock().await.socket.clone();
        let asked = ask(&socket, &request).await;
        asked.map(drop).map_err(|error| format!("{error:#}"))
    }

    /// Waits until every service has the tasks that it should have, all healthy.
    pub async fn all_healthy(&self) {
        let cluster = self.cluster.lock().await;
        eventually("every task is healthy", || async {
            let status = cluster.status().await;
            status.services.iter().all(|service| {
                service.tasks.len() == service.desired
                    && service.tasks.iter().all(|task| task.health == "healthy")
            })
        })
        .await;
    }

    /// The seed of a service.
    pub fn seed(&self, service: &str) -> Vec<serde_json::Value> {
        let path = self.setup.root.path().join("services").join(service);
        let text = fs::read_to_string(path.join("db.json")).unwrap();
        let db: serde_json::Value = serde_json::from_str(&text).unwrap();
        db[service].as_array().unwrap().clone()
    }

    /// The directory of a writable service's data.
    pub fn data(&self, service: &str) -> PathBuf {
        self.setup.root.path().join("data").join(service)
    }
}

/// Sends a signal to a process that may be gone.
pub fn signal(pid: u32, signal: Signal) -> Result<(), rustix::io::Errno> {
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid.cast_signed()).unwrap(),
        signal,
    )
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = threads.flat_map(|thread| {
        let path = thread.unwrap().path().join("children");
        let text = fs::read_to_string(path).unwrap_or_default();
        let pids: Vec<u32> = text
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect();
        pids
    });
    children.collect()
}
