//! The load balancer's access log: one line for each request, written when its answer has ended.

use std::net::SocketAddr;

use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::event::{Event, Events};

/// One request. Its line is written when this is dropped.
pub struct Access {
    events: Events,
    method: Method,
    path: String,
    started: Instant,
    target: Option<SocketAddr>,
    status: Option<StatusCode>,
    complete: bool,
}

impl Access {
    /// A request that has just arrived.
    #[must_use]
    pub fn new(events: &Events, method: &Method, path: &str) -> Self {
        Self {
            events: events.clone(),
            method: method.clone(),
            path: path.to_owned(),
            started: Instant::now(),
            target: None,
            status: None,
            complete: false,
        }
    }

    /// Called when the head of the answer is known.
    pub fn answered(&mut self, status: StatusCode, target: Option<SocketAddr>) {
        self.status = Some(status);
        self.target = target;
    }

    /// Called when the whole answer has been written.
    pub fn complete(&mut self) {
        self.complete = true;
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        // The ALB logs this status for a client that closed its connection before the answer.
        const CLIENT_LEFT: u16 = 460;
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        let target = self
            .target
            .map_or_else(|| "-".to_owned(), |addr| addr.to_string());
        let cut = if self.status.is_some() && !self.complete {
            " cut off"
        } else {
            ""
        };
        self.events.send(Event::Access(format!(
            "{} {} {status}{cut} {target} {:.1} ms",
            self.method,
            self.path,
            self.started.elapsed().as_secs_f64() * 1e3,
        )));
    }
}
