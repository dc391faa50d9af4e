//! The load balancer in the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use local::alb::listener::Listener;
use local::alb::proxy::forward::{Proxy, Timeouts};
use local::alb::proxy::server;
use local::alb::target_group::TargetGroup;
use local::alb::wire::connections::Limits;
use local::event::Events;
use local::topology;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{SOON, repository};

/// Long enough for a busy machine, and short enough for the tests that wait for them.
pub const TIMEOUTS: Timeouts = Timeouts {
    idle: Duration::from_secs(3),
    connect: Duration::from_secs(3),
};

/// For tests in which no timeout of the load balancer may end a wait: the client's own is shorter.
pub const PATIENT: Timeouts = Timeouts {
    idle: SOON.saturating_mul(2),
    connect: SOON.saturating_mul(2),
};

/// A load balancer, which serves until the test ends.
pub struct Alb {
    pub addr: SocketAddr,
    pub group: Arc<TargetGroup>,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
}

/// Starts a load balancer whose users service has these targets. No health checks run, so the group
/// fails open: every target is used.
pub async fn alb(targets: &[SocketAddr], timeouts: Timeouts) -> Alb {
    limited_alb(targets, timeouts, Limits::default()).await
}

/// The same with these limits for its clients.
pub async fn limited_alb(targets: &[SocketAddr], timeouts: Timeouts, limits: Limits) -> Alb {
    let definitions = topology::load(&repository().join("deploy/services")).unwrap();
    let users = definitions.iter().find(|one| one.name == "users").unwrap();
    let group = Arc::new(TargetGroup::new(
        users.name.clone(),
        users.health_check.clone(),
        Duration::from_millis(500),
    ));
    for &target in targets {
        group.register(target);
    }
    let proxy = Proxy {
        listener: Listener::new(vec![users.rule(Arc::clone(&group))]),
        timeouts,
        events: Events::new(true, |_| {}),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server::serve(
        listener,
        Arc::new(proxy),
        limits,
        stop.clone(),
        PATIENT.idle,
    ));
    Alb {
        addr,
        group,
        stop,
        serving,
    }
}
