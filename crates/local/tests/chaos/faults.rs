//! Injects faults, in an order that a seed decides.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use local::control::socket::Request;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::say;
use crate::small_disk::SmallDisk;
use crate::system::{End, System, signal};

/// A fault to inject.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// A task is killed.
    Kill(&'static str),
    /// Every task of a service is killed.
    KillAll(&'static str),
    /// A task is paused once, perhaps until it fails its health checks.
    Pause(&'static str, Duration),
    /// A task is paused again and again, so that it runs for a quarter of the time.
    Slow(&'static str),
    /// The tasks of a service are replaced.
    Restart(&'static str),
    /// A service gets more tasks, or fewer.
    Scale(&'static str, usize),
    /// The disk is full for a while, and the service on it is then restarted.
    FillDisk(&'static str),
    /// The whole cluster ends and starts again.
    End(End),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Injects random faults into a system.
pub struct Faults {
    pub system: Arc<System>,
    /// Chooses the next fault.
    pub choose: fn(&mut Rng) -> Fault,
    pub rng: Rng,
    pub disk: Option<Arc<SmallDisk>>,
    under_way: JoinSet<()>,
    /// Processes that were paused at least once.
    paused: Arc<Mutex<Vec<u32>>>,
    started: Instant,
}

impl Faults {
    pub fn new(
        system: &Arc<System>,
        choose: fn(&mut Rng) -> Fault,
        rng: Rng,
        disk: Option<SmallDisk>,
    ) -> Self {
        Self {
            system: Arc::clone(system),
            choose,
            rng,
            disk: disk.map(Arc::new),
            under_way: JoinSet::new(),
            paused: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Injects faults until then.
    pub async fn run(&mut self, until: Instant) {
        while Instant::now() < until {
            let fault = (self.choose)(&mut self.rng);
            // A generator of its own, so that the next fault does not depend on what this one draws.
            let rng = self.rng.fork();
            let seconds = self.started.elapsed().as_secs_f32();
            say(&format!("{seconds:6.1} s  {} {fault}", self.system.name));
            self.inflict(fault, rng).await;
            let quiet = Duration::from_millis(self.rng.u64(100..1500));
            sleep(quiet).await;
            while self
                .under_way
                .try_join_next()
                .transpose()
                .unwrap()
                .is_some()
            {}
        }
    }

    /// Ends all faults, and waits until every task is healthy.
    pub async fn heal(mut self) -> Option<Arc<SmallDisk>> {
        self.under_way.shutdown().await;
        for &pid in &*self.paused.lock().unwrap() {
            // Fails when the process was replaced.
            let _ = signal(pid, Signal::CONT);
        }
        if let Some(disk) = &self.disk {
            disk.free();
        }
        self.system.all_healthy().await;
        if self.disk.is_some() {
            // After a full disk the service refuses writes until it is restarted.
            let restarted = self.system.ask(Request::Restart("posts".to_owned())).await;
            assert_eq!(restarted, Ok(()));
            self.system.all_healthy().await;
        }
        self.disk
    }

    async fn inflict(&mut self, fault: Fault, mut rng: Rng) {
        match fault {
            Fault::Kill(service) => {
                if let Some(pid) = self.one_task(service, &mut rng).await {
                    let _ = signal(pid, Signal::KILL);
                }
            }
            Fault::KillAll(service) => {
                for pid in self.system.pids(service).await {
                    let _ = signal(pid, Signal::KILL);
                }
            }
            Fault::Pause(service, time) => {
                if let Some(pid) = self.one_task(service, &mut rng).await {
                    self.paused.lock().unwrap().push(pid);
                    self.under_way.spawn(async move {
                        let _ = signal(pid, Signal::STOP);
                        sleep(time).await;
                        let _ = signal(pid, Signal::CONT);
                    });
                }
            }
            Fault::Slow(service) => {
                if let Some(pid) = self.one_task(service, &mut rng).await {
                    self.paused.lock().unwrap().push(pid);
                    self.under_way.spawn(async move {
                        for _ in 0..25 {
                            let _ = signal(pid, Signal::STOP);
                            sleep(Duration::from_millis(90)).await;
                            let _ = signal(pid, Signal::CONT);
                            sleep(Duration::from_millis(30)).await;
                        }
                    });
                }
            }
            Fault::Restart(service) => self.ask(Request::Restart(service.to_owned())),
            Fault::Scale(service, tasks) => self.ask(Request::Scale(service.to_owned(), tasks)),
            Fault::FillDisk(service) => {
                let Some(disk) = self.disk.clone() else {
                    return;
                };
                let (system, full) = (Arc::clone(&self.system), rng.u64(1000..4000));
                let restart_first = rng.bool();
                self.under_way.spawn(async move {
                    disk.fill();
                    sleep(Duration::from_millis(full)).await;
                    let restart = || system.ask(Request::Restart(service.to_owned()));
                    if restart_first {
                        let _ = restart().await;
                    }
                    disk.free();
                    let _ = restart().await;
                });
            }
            Fault::End(end) => self.system.restart(end).await,
        }
    }

    async fn one_task(&self, service: &str, rng: &mut Rng) -> Option<u32> {
        let pids = self.system.pids(service).await;
        rng.choice(pids)
    }

    /// Asks the cluster for something and does not wait, so that the next fault may come meanwhile.
    fn ask(&mut self, request: Request) {
        let system = Arc::clone(&self.system);
        self.under_way.spawn(async move {
            // Fails when another request is under way or the cluster ends meanwhile.
            let _ = system.ask(request).await;
        });
    }
}
