//! The proxy: forwards a request to the target whose turn it is, and returns the target's answer.
//!
//! Bodies are streamed both ways. A request that is not idempotent is never sent twice. An idempotent
//! one is sent again only when nothing of it has reached a target.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode, Uri, Version, request, uri};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::alb::listener::{Action, Listener};
use crate::alb::proxy::access::Access;
use crate::alb::proxy::answer::{closing, early, error, fixed};
use crate::alb::proxy::response_body::ResponseBody;
use crate::alb::target::{Lease, Sender, Target};
use crate::alb::target_group::TargetGroup;
use crate::alb::wire::body::{ClientSide, RequestBody, Upload};
use crate::alb::wire::connections::{Activity, Answering, Hold};
use crate::alb::wire::headers::{self, Client};
use crate::alb::wire::socket::TargetSocket;
use crate::event::Events;

/// How long the load balancer waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the next byte from the other side (ALB `idle_timeout.timeout_seconds`, default 60).
    pub idle: Duration,
    /// For a connection to a target (ALB: 10 s, fixed).
    pub connect: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(1),
            connect: Duration::from_secs(10),
        }
    }
}

/// The largest head of an answer that the ALB passes on.
const RESPONSE_HEAD_BYTES_MAX: usize = 32 * 1024;

/// The buffer of a connection to a target, for bytes of a request or an answer that wait.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The memory that one field takes in the map of a request's fields.
const FIELD_BYTES: usize = 128;

/// The memory that a request with a body takes while it is forwarded: the buffer that the body is read
/// into, and another one that has been read and waits to be written.
const UPLOAD_BYTES: usize = 16 * 1024;

/// A listener and what it needs to forward requests.
pub struct Proxy {
    /// The rules.
    pub listener: Listener,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Where the access log goes.
    pub events: Events,
}

/// Why an attempt brought no answer.
enum Failure {
    /// Nothing of the request reached the target; here it is again.
    NotSent(StatusCode, Box<Request<RequestBody>>),
    /// A part of it reached the target, or may have.
    Broken(StatusCode),
}

impl Proxy {
    /// Answers one request.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        client: Client,
        answering: Answering,
    ) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        let old = head.version == Version::HTTP_10;
        let mut access = self
            .events
            .wants_logs()
            .then(|| Access::new(&self.events, &head.method, head.uri.path()));
        let (mut response, target) = match headers::check(&head) {
            Err(status) => (early(error(status), &head, body).await, None),
            Ok(()) => match self.listener.action(head.uri.path()) {
                Action::FixedResponse(response) => {
                    (early(fixed(response), &head, body).await, None)
                }
                Action::Forward(group) => {
                    let activity = answering.activity();
                    self.forward(group, head, body, client, activity).await
                }
            },
        };
        if let Some(access) = &mut access {
            access.answered(response.status(), target);
        }
        let known = response.headers().contains_key(CONTENT_LENGTH);
        let body = response.body_mut();
        if old && !known {
            body.ends_with_connection();
        }
        body.logged(access);
        body.keeps(answering);
        response
    }

    /// Sends a request to one target after the other until one may have seen it.
    async fn forward(
        &self,
        group: &TargetGroup,
        head: request::Parts,
        body: Incoming,
        client: Client,
        activity: &Arc<Activity>,
    ) -> (Response<ResponseBody>, Option<SocketAddr>) {
        let idempotent = head.method.is_idempotent();
        let (mut request, upload) = self.for_target(head, body, client, activity);
        // hyper keeps the map until the connection to the target closes.
        let mut bytes = request.headers().capacity() * FIELD_BYTES;
        if !upload.is_whole() {
            bytes += UPLOAD_BYTES;
        }
        let mut tried = Vec::new();
        let mut status = StatusCode::SERVICE_UNAVAILABLE;
        while let Some(lease) = group.choose(&tried) {
            let addr = lease.addr;
            let counted = activity.hold(bytes);
            match self
                .attempt(lease, request, &upload, idempotent, counted)
                .await
            {
                Ok(response) => return (closing(response, &upload), Some(addr)),
                // After a connect timeout the client has waited long enough, so no other target is tried.
                Err(Failure::NotSent(StatusCode::BAD_GATEWAY, returned)) if idempotent => {
                    status = StatusCode::BAD_GATEWAY;
                    request = *returned;
                    tried.push(addr);
                }
                Err(Failure::NotSent(failed, _) | Failure::Broken(failed)) => {
                    return (closing(error(failed), &upload), Some(addr));
                }
            }
        }
        (closing(error(status), &upload), None)
    }

    /// The request as a target gets it: path and query byte for byte, the fields as in `headers`.
    fn for_target(
        &self,
        mut head: request::Parts,
        body: Incoming,
        client: Client,
        activity: &Arc<Activity>,
    ) -> (Request<RequestBody>, Arc<Upload>) {
        let chunked = !body.is_end_stream() && !head.headers.contains_key(CONTENT_LENGTH);
        head.headers = headers::for_target(&head, client, chunked);
        let mut target = uri::Parts::default();
        target.path_and_query = head.uri.into_parts().path_and_query;
        head.uri = Uri::from_parts(target).unwrap_or_default();
        head.version = Version::HTTP_11;
        let (body, upload) = RequestBody::new(body, self.timeouts.idle, Arc::clone(activity));
        (Request::from_parts(head, body), upload)
    }

    /// Sends a request over an idle connection or a new one.
    async fn attempt(
        &self,
        lease: Lease,
        mut request: Request<RequestBody>,
        upload: &Upload,
        idempotent: bool,
        counted: Hold,
    ) -> Result<Response<ResponseBody>, Failure> {
        let mut closed = std::pin::pin!(lease.closed());
        loop {
            let idle = lease.take_idle();
            let reused = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => match self.connect(&lease).await {
                    Ok(sender) => sender,
                    Err(status) => return Err(Failure::NotSent(status, Box::new(request))),
                },
            };
            let sending = sender.try_send_request(request);
            let answer = tokio::select! {
                answer = sending => answer,
                status = self.silence(upload) => return Err(Failure::Broken(status)),
                // The deregistration delay ran out with this request under way.
                () = &mut closed => return Err(Failure::Broken(StatusCode::BAD_GATEWAY)),
            };
            let mut failed = match answer {
                Ok(response) => return self.pass_on(response, lease, sender, counted).await,
                Err(failed) => failed,
            };
            match failed.take_message() {
                // The target has just closed the idle connection, which it may do at any time.
                Some(returned) if reused && idempotent => request = returned,
                Some(returned) => {
                    return Err(Failure::NotSent(
                        StatusCode::BAD_GATEWAY,
                        Box::new(returned),
                    ));
                }
                None => return Err(Failure::Broken(blame(upload, StatusCode::BAD_GATEWAY))),
            }
        }
    }

    /// Opens a connection to a target. It lives until it ends or the target is given up.
    async fn connect(&self, target: &Target) -> Result<Sender, StatusCode> {
        let stream = match timeout(self.timeouts.connect, open(target.addr)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return Err(StatusCode::BAD_GATEWAY),
            Err(_) => return Err(StatusCode::GATEWAY_TIMEOUT),
        };
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_header_size(RESPONSE_HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(TargetSocket::new(stream)))
            .await
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        let closed = target.closed();
        let driver = tokio::spawn(async move {
            tokio::select! {
                // A request under way reports the failure itself, and an idle connection may end.
                _ = connection => {}
                () = closed => {}
            }
        });
        Ok(Sender::new(sender, driver.abort_handle()))
    }

    /// Completes when neither side has sent anything for the idle timeout, with the status for it.
    async fn silence(&self, upload: &Upload) -> StatusCode {
        loop {
            let end = upload.last_progress() + self.timeouts.idle;
            if Instant::now() >= end {
                return blame(upload, StatusCode::GATEWAY_TIMEOUT);
            }
            sleep_until(end).await;
        }
    }

    /// A target's answer as the client gets it.
    async fn pass_on(
        &self,
        response: Response<Incoming>,
        lease: Lease,
        sender: Sender,
        counted: Hold,
    ) -> Result<Response<ResponseBody>, Failure> {
        let (mut head, body) = response.into_parts();
        // No target was asked for another protocol, because `Upgrade` is removed from requests. (The
        // ALB supports WebSockets; no service here uses them.)
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::Broken(StatusCode::BAD_GATEWAY));
        }
        let Some(headers) = headers::for_client(&head.headers) else {
            return Err(Failure::Broken(StatusCode::BAD_GATEWAY));
        };
        head.headers = headers;
        head.version = Version::HTTP_11;
        let body = ResponseBody::from_target(body, self.timeouts.idle, lease, sender, counted);
        match body.await {
            Ok(body) => Ok(Response::from_parts(head, body)),
            Err(_) => Err(Failure::Broken(StatusCode::BAD_GATEWAY)),
        }
    }
}

async fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status for the client's own failure when the client broke off or stalled, otherwise `status`.
fn blame(upload: &Upload, status: StatusCode) -> StatusCode {
    match upload.client() {
        ClientSide::Broken => StatusCode::BAD_REQUEST,
        ClientSide::Stalled => StatusCode::REQUEST_TIMEOUT,
        ClientSide::Awaited if status == StatusCode::GATEWAY_TIMEOUT => StatusCode::REQUEST_TIMEOUT,
        ClientSide::Awaited | ClientSide::Sending => status,
    }
}
