//! A load balancer in this process with one target.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use local::alb::health::HealthCheck;
use local::alb::listener::Listener;
use local::alb::proxy::request::{Proxy, Timeouts};
use local::alb::target_group::TargetGroup;
use local::alb::wire::connections::Limits;
use local::event::Events;
use local::{alb::proxy::server, alb::topology};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine, and short enough for the rows that wait for a timeout.
pub const IDLE: Duration = Duration::from_secs(3);

/// Starts a load balancer whose users service is at `target`. It ends with the test.
pub async fn start(target: SocketAddr) -> SocketAddr {
    let two = NonZeroU32::new(2).unwrap();
    let check = HealthCheck {
        path: "/health/ready".to_owned(),
        interval: Duration::from_secs(6),
        timeout: Duration::from_secs(5),
        healthy_threshold: two,
        unhealthy_threshold: two,
    };
    let group = Arc::new(TargetGroup::new("users".to_owned(), check, IDLE));
    group.register(target);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/services");
    let services: Vec<_> = topology::load(&directory)
        .unwrap()
        .into_iter()
        .filter(|definition| definition.name == "users")
        .map(|definition| (definition, Arc::clone(&group)))
        .collect();
    let proxy = Proxy {
        listener: Listener::new(&services),
        timeouts: Timeouts {
            idle: IDLE,
            connect: IDLE,
        },
        events: Events::new(false, |_| {}),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(server::serve(
        listener,
        Arc::new(proxy),
        Limits::default(),
        CancellationToken::new(),
        IDLE,
    ));
    addr
}
