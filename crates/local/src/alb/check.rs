//! The health checks of one target.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::alb::health::HealthState;
use crate::alb::target::{Target, TargetState};
use crate::alb::target_group::TargetGroup;

/// A change of a target's health, and the reason.
pub struct Transition {
    /// The new state.
    pub state: HealthState,
    /// What the deciding check met when it failed; empty when it passed.
    pub reason: String,
}

/// Checks a target until it drains or is given up, and reports each change of its health.
pub async fn run(group: &TargetGroup, target: Arc<Target>, mut report: impl FnMut(Transition)) {
    let closed = target.closed();
    let check = &group.health_check;
    let checks = async {
        while target.state() != TargetState::Draining {
            let start = Instant::now();
            let result = match timeout(check.timeout, ask(target.addr, &check.path)).await {
                Ok(Ok(StatusCode::OK)) => Ok(()),
                Ok(Ok(status)) => Err(format!("health check answered {}", status.as_u16())),
                Ok(Err(error)) => Err(format!("health check failed: {error}")),
                Err(_) => Err(format!(
                    "health check took over {} s",
                    check.timeout.as_secs()
                )),
            };
            if let Some(state) = target.record_check(result.is_ok(), check) {
                report(Transition {
                    state,
                    reason: result.err().unwrap_or_default(),
                });
            }
            target.close_idle();
            sleep_until(start + target.next_check(check)).await;
        }
    };
    tokio::select! {
        () = checks => {}
        () = closed => {}
    }
}

/// Sends one request on a connection of its own, as the ALB does.
///
/// # Errors
/// With what went wrong, for a person to read.
pub async fn ask(addr: SocketAddr, path: &str) -> Result<StatusCode, String> {
    let stream = TcpStream::connect(addr)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            _ => error.to_string(),
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::get(path)
        .header(HOST, addr.to_string())
        .header(USER_AGENT, "ELB-HealthChecker/2.0")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request);
    let mut answer = std::pin::pin!(answer);
    let response = tokio::select! {
        response = answer.as_mut() => response,
        // The connection may end before its last answer has been read.
        _ = connection => answer.await,
    };
    response
        .map(|response| response.status())
        .map_err(|error| error.to_string())
}
