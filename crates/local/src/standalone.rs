//! The load balancer alone, for targets that something else starts, such as containers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::StatusCode;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::alb::check::{self, Transition};
use crate::alb::health::HealthState;
use crate::alb::listen_socket::ListenSocket;
use crate::alb::listener::Listener;
use crate::alb::proxy::forward::{Proxy, Timeouts};
use crate::alb::target::{Target, TargetState};
use crate::alb::target_group::TargetGroup;
use crate::alb::wire::connections::Limits;
use crate::config::{self, ListenerArgs};
use crate::control::status::{self, ClusterStatus, ServiceStatus, TaskStatus};
use crate::event::{Event, Events};
use crate::signals::Signals;
use crate::topology::{self, ServiceDefinition, no_service};
use crate::{alb::proxy::server, terminal::table};

/// How often names are looked up. A container may have another address after a restart.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long requests may take to finish when the load balancer stops: less than the ten seconds after
/// which Docker kills it.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the load balancer until a signal ends it.
///
/// # Errors
/// When it cannot start. A target that does not answer, or a name without an address, is an event, not
/// an error.
pub async fn run(
    targets: Vec<(String, String)>,
    args: ListenerArgs,
    events: Events,
    print: impl Fn(String),
) -> Result<()> {
    let mut signals = Signals::new()?;
    let definitions = topology::load(&config::root(args.root)?.join("deploy/services"))?;
    let groups: Vec<_> = definitions
        .iter()
        .map(ServiceDefinition::target_group)
        .collect();
    let mut following = JoinSet::new();
    let mut followers = Vec::new();
    for (name, address) in targets {
        let Some(group) = groups.iter().find(|group| group.name == name) else {
            bail!(
                "--target {name}={address}: {}",
                no_service(&name, &definitions)
            );
        };
        followers.push(Follower::new(Arc::clone(group), address, events.clone()));
    }
    let listen_socket = ListenSocket::open(args.host, args.port).await?;
    let (url, note) = (listen_socket.url()?, listen_socket.note);
    let rules = definitions
        .iter()
        .zip(&groups)
        .map(|(definition, group)| definition.rule(Arc::clone(group)));
    let proxy = Arc::new(Proxy {
        listener: Listener::new(rules.collect()),
        timeouts: Timeouts::default(),
        events,
    });
    let rules = status::rules(&proxy.listener);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server::serve(
        listen_socket.listener,
        proxy,
        Limits::new(args.max_connections),
        stop.clone(),
        END_TIMEOUT,
    ));
    for follower in &mut followers {
        follower.resolve().await;
    }
    let services = groups.iter().map(|group| describe(group)).collect();
    let status = ClusterStatus {
        url,
        rules,
        services,
        cloud_only: status::cloud_only(&definitions),
    };
    let note = note.map(|note| format!("\n{note}\n")).unwrap_or_default();
    print(format!("{}{note}\n", table::draw(&status)));

    for follower in followers {
        following.spawn(follower.follow());
    }
    signals.next().await;
    stop.cancel();
    tokio::select! {
        _ = serving => {}
        () = signals.next() => {}
    }
    Ok(())
}

/// Requests the fixed response of a load balancer on this machine.
///
/// # Errors
/// When it does not answer with 200 within five seconds.
pub async fn healthcheck(port: u16) -> Result<()> {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(answer) = timeout(Duration::from_secs(5), check::ask(addr, "/")).await else {
        bail!("http://{addr}/ did not answer within 5 s");
    };
    let status = answer.map_err(|error| anyhow::anyhow!("http://{addr}/: {error}"))?;
    ensure!(status == StatusCode::OK, "http://{addr}/ answered {status}");
    Ok(())
}

/// Makes the targets of a target group follow the addresses of a name.
struct Follower {
    group: Arc<TargetGroup>,
    address: String,
    events: Events,
    targets: BTreeMap<SocketAddr, Arc<Target>>,
    /// Health checks and deregistrations.
    jobs: JoinSet<()>,
    /// The last failure, so that it is reported once.
    trouble: Option<String>,
}

impl Follower {
    fn new(group: Arc<TargetGroup>, address: String, events: Events) -> Self {
        Self {
            group,
            address,
            events,
            targets: BTreeMap::new(),
            jobs: JoinSet::new(),
            trouble: None,
        }
    }

    async fn follow(mut self) {
        loop {
            tokio::select! {
                () = sleep(RESOLVE_INTERVAL) => self.resolve().await,
                Some(_) = self.jobs.join_next() => {}
            }
        }
    }

    /// Registers new addresses and deregisters those that are gone. A name without an address changes
    /// nothing: its container is probably restarting, and health checks decide.
    async fn resolve(&mut self) {
        let addrs = match addresses(&self.address).await {
            Ok(addrs) => addrs,
            Err(error) => {
                let text = format!("{}: {error}", self.address);
                if self.trouble.as_ref() != Some(&text) {
                    self.events.send(Event::Warning {
                        subject: self.group.name.clone(),
                        text: text.clone(),
                    });
                    self.trouble = Some(text);
                }
                return;
            }
        };
        self.trouble = None;
        self.update(&addrs);
    }

    fn update(&mut self, addrs: &BTreeSet<SocketAddr>) {
        let gone: Vec<_> = self
            .targets
            .keys()
            .filter(|addr| !addrs.contains(addr))
            .copied()
            .collect();
        for target in gone.iter().filter_map(|addr| self.targets.remove(addr)) {
            self.events.send(Event::Draining {
                subject: format!("{} {}", self.group.name, target.addr),
            });
            self.group.drain(&target);
            let group = Arc::clone(&self.group);
            self.jobs.spawn(async move {
                let _ = group.deregister(&target).await;
            });
        }
        for &addr in addrs {
            if !self.targets.contains_key(&addr) {
                self.register(addr);
            }
        }
    }

    fn register(&mut self, addr: SocketAddr) {
        let target = self.group.register(addr);
        self.targets.insert(addr, Arc::clone(&target));
        let (group, events) = (Arc::clone(&self.group), self.events.clone());
        self.jobs.spawn(async move {
            let subject = group.name.clone();
            let report = |Transition { state, reason }| match state {
                HealthState::Initial => {}
                HealthState::Healthy => {
                    events.send(Event::Healthy {
                        subject: subject.clone(),
                        detail: addr.to_string(),
                    });
                }
                HealthState::Unhealthy => {
                    let reason = format!("{addr} {reason}");
                    events.send(Event::Unhealthy {
                        subject: subject.clone(),
                        reason,
                    });
                }
            };
            check::run(&group, target, report).await;
        });
    }
}

/// The addresses of a name. When it has both IPv4 and IPv6 addresses, they belong to the same hosts, and
/// only the IPv4 ones are returned.
async fn addresses(name: &str) -> io::Result<BTreeSet<SocketAddr>> {
    let all: BTreeSet<_> = lookup_host(name).await?.collect();
    let v4: BTreeSet<_> = all.iter().filter(|addr| addr.is_ipv4()).copied().collect();
    Ok(if v4.is_empty() { all } else { v4 })
}

fn describe(group: &TargetGroup) -> ServiceStatus {
    let health = |state| match state {
        TargetState::Initial => "initial",
        TargetState::Healthy => "healthy",
        TargetState::Unhealthy => "unhealthy",
        TargetState::Draining => "draining",
    };
    let targets = group.describe().into_iter();
    let tasks: Vec<_> = targets
        .map(|(addr, state)| TaskStatus {
            task: None,
            pid: None,
            target: Some(addr),
            health: health(state).to_owned(),
        })
        .collect();
    ServiceStatus {
        service: group.name.clone(),
        desired: tasks.len(),
        tasks,
        backing_off: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn targets_follow_the_addresses_of_their_name() {
        let group = TargetGroup::for_tests("users");
        let events = Events::new(false, |_| {});
        let mut follower = Follower::new(Arc::clone(&group), "users:3000".to_owned(), events);
        let addr = |last| SocketAddr::from(([127, 0, 0, last], 1));
        let registered = || group.describe();

        follower.update(&BTreeSet::from([addr(1), addr(2)]));
        assert_eq!(
            registered(),
            [
                (addr(1), TargetState::Initial),
                (addr(2), TargetState::Initial)
            ]
        );
        follower.update(&BTreeSet::from([addr(2), addr(3)]));
        assert_eq!(
            registered(),
            [
                (addr(1), TargetState::Draining),
                (addr(2), TargetState::Initial),
                (addr(3), TargetState::Initial)
            ]
        );
        // Waits for the deregistration, with which the target's checks end.
        while registered().len() > 2 {
            follower.jobs.join_next().await;
        }
        assert_eq!(registered().len(), 2);
    }
}
