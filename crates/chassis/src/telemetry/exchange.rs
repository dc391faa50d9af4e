//! Observes a request and its answer: gives it an id, sets the headers that all answers have,
//! writes the line of the access log and counts it in the metrics. One layer does all of this,
//! because each layer costs about as much as an answer.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    cors::{Origins, Reader},
    identity::caller::Caller,
    lifecycle::{Lifecycle, Phase},
    problem::ProblemDetails,
    server::connections::Activity,
    telemetry::{
        log::Sink,
        log_line::LogLine,
        metrics::{Metrics, RouteMetrics},
        request_id::RequestId,
    },
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The status that is logged when the client left before its answer began, as nginx does.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Bytes of a header's value that are logged.
const LOGGED_BYTES_MAX: usize = 512;

/// Longer pieces of an answer count as copied for the client, unless they share the collection's
/// memory or hold room among the writes.
const COPIED_BYTES_MIN: usize = 4 * 1024;

/// What the exchanges of a connection share.
pub(crate) struct ConnectionContext {
    sink: Sink,
    metrics: Arc<Metrics>,
    lifecycle: Lifecycle,
    /// The client's address, as the log writes it.
    peer: String,
    activity: Arc<Activity>,
}

/// A request and its answer. It is counted and logged when it is dropped: when the answer's body
/// has been handed to the connection, or the client is gone. Boxed, because it is moved often.
pub(crate) struct Exchange {
    connection: Arc<ConnectionContext>,
    began: Instant,
    method: Method,
    uri: Uri,
    route: Arc<RouteMetrics>,
    request_id: RequestId,
    forwarded_for: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    amzn_trace_id: Option<HeaderValue>,
    /// Which page may read the answer. `None` if it says nothing about pages.
    reader: Option<Reader>,
    status: Option<StatusCode>,
    body_bytes: u64,
    /// Who sent the request.
    pub caller: Caller,
}

impl ConnectionContext {
    /// A connection from `peer`.
    pub fn new(
        sink: Sink,
        metrics: Arc<Metrics>,
        lifecycle: Lifecycle,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            sink,
            metrics,
            lifecycle,
            peer: peer.ip().to_string(),
            activity,
        }
    }
}

impl Exchange {
    /// Begins an exchange with a request to this route. The answer says which page may read it if
    /// there are origins.
    pub fn begin<B>(
        connection: &Arc<ConnectionContext>,
        route: &Arc<RouteMetrics>,
        origins: Option<&Origins>,
        request: &Request<B>,
    ) -> Box<Self> {
        connection.activity.request_began();
        connection.metrics.in_flight.inc();
        let (mut request_id, mut forwarded_for) = (None, None);
        let (mut traceparent, mut amzn_trace_id) = (None, None);
        // One pass over all headers takes less time than a look-up of each.
        for (name, value) in request.headers() {
            if *name == REQUEST_ID {
                request_id.get_or_insert(value);
            } else if *name == FORWARDED_FOR {
                // Proxies append to the list: the last line counts.
                forwarded_for = Some(value);
            } else if *name == TRACEPARENT {
                traceparent.get_or_insert(value);
            } else if *name == AMZN_TRACE_ID {
                amzn_trace_id.get_or_insert(value);
            }
        }
        Box::new(Self {
            connection: Arc::clone(connection),
            route: Arc::clone(route),
            began: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            request_id: RequestId::new(request_id),
            forwarded_for: forwarded_for.cloned(),
            traceparent: traceparent.cloned(),
            amzn_trace_id: amzn_trace_id.cloned(),
            reader: origins.map(|origins| origins.reader(request.headers())),
            status: None,
            body_bytes: 0,
            caller: Caller::Anonymous,
        })
    }

    /// Completes the answer. The exchange ends with the answer's body.
    pub fn answer(
        mut self: Box<Self>,
        answer: Result<Response<Body>, ProblemDetails>,
    ) -> Response<ObservedBody> {
        let request_id = self.request_id.as_bytes();
        let mut response = answer.unwrap_or_else(|problem| problem.into_response(request_id));
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.request_id.to_header());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if let Some(reader) = self.reader.take() {
            reader.tell(headers);
        }
        if self.connection.lifecycle.phase() >= Phase::Draining {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.status = Some(response.status());
        response.map(|body| ObservedBody {
            body,
            exchange: self,
        })
    }

    /// The client's address: the last one in `X-Forwarded-For`, which the load balancer adds, or
    /// the peer's.
    fn client(&self) -> &[u8] {
        let forwarded = self.forwarded_for.as_ref().map(HeaderValue::as_bytes);
        let last = forwarded.and_then(|list| list.rsplit(|byte| *byte == b',').next());
        last.map_or(self.connection.peer.as_bytes(), <[u8]>::trim_ascii)
    }

    fn log(&self, status: u16, duration: Duration) {
        let label = self.route.label();
        let quiet = label.starts_with("/health/") || label == "/metrics";
        let level = match status {
            500.. if !quiet => tracing::Level::WARN,
            _ if quiet => tracing::Level::DEBUG,
            _ => tracing::Level::INFO,
        };
        let enabled = match level {
            tracing::Level::WARN => tracing::enabled!(target: "access", tracing::Level::WARN),
            tracing::Level::INFO => tracing::enabled!(target: "access", tracing::Level::INFO),
            _ => tracing::enabled!(target: "access", tracing::Level::DEBUG),
        };
        if !enabled {
            return;
        }
        let sink = &self.connection.sink;
        if sink.human() {
            let (method, uri, bytes) = (&self.method, &self.uri, self.body_bytes);
            let uri: String = uri
                .to_string()
                .chars()
                .filter(|char| !char.is_control())
                .collect();
            let milliseconds = duration.as_secs_f64() * 1e3;
            let now = common::Timestamp::now();
            let line = format!(
                "{now} {level:>5} {method} {uri} {status} {bytes} B {milliseconds:.3} ms\n"
            );
            return sink.append(|lines| lines.extend_from_slice(line.as_bytes()));
        }
        sink.append(|lines| {
            let mut line = LogLine::begin(lines, level.as_str(), sink.service());
            line.plain("message", b"request");
            line.plain("requestId", self.request_id.as_bytes());
            if let Some(traceparent) = &self.traceparent {
                line.text("traceparent", cut(traceparent));
            }
            if let Some(trace_id) = &self.amzn_trace_id {
                line.text("amznTraceId", cut(trace_id));
            }
            line.text("client", self.client());
            match self.caller {
                Caller::Anonymous => line.plain("caller", b"anonymous"),
                Caller::Service => line.plain("caller", b"service"),
                Caller::User(id) => line.plain("caller", format!("user:{id}").as_bytes()),
            }
            line.plain("method", self.method.as_str().as_bytes());
            line.plain("route", label.as_bytes());
            line.text("path", self.uri.path().as_bytes());
            line.number("status", status);
            line.number("bytes", self.body_bytes);
            line.milliseconds("durationMs", duration);
            line.end();
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        let duration = now.duration_since(self.began);
        let metrics = &self.connection.metrics;
        metrics.in_flight.dec();
        if let Some(status) = self.status {
            metrics.answered(&self.route, &self.method, status, duration, self.body_bytes);
        }
        self.log(
            self.status
                .map_or(CLIENT_CLOSED_REQUEST, |status| status.as_u16()),
            duration,
        );
        self.connection.activity.request_ended(now);
    }
}

fn cut(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    &bytes[..bytes.len().min(LOGGED_BYTES_MAX)]
}

/// An answer's body, whose bytes are counted.
pub struct ObservedBody {
    body: Body,
    exchange: Box<Exchange>,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref())
        {
            self.exchange.body_bytes += data.len() as u64;
            if data.len() > COPIED_BYTES_MIN && data.is_unique() {
                self.exchange.connection.activity.copy(data.len());
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
