//! The one layer that every request passes through: it finds its route, gives it an
//! id, sets the headers that all answers have, writes the access log and keeps
//! the metrics. One layer, because each costs about as much as an answer.

use std::{
    any::Any,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{
    http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;
use tower_http::catch_panic::ResponseForPanic;

use crate::{
    lifecycle::{Lifecycle, Phase},
    path::without_slash,
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

/// What is logged of a request whose client left before its answer began, as nginx does.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Bytes of a header that the log repeats.
const LOGGED_BYTES_MAX: usize = 512;

/// Bytes from which on a piece of an answer is counted, unless it shares the collection's memory.
const COPIED_BYTES_MIN: usize = 4 * 1024;

/// Has each request answered by its route's `S`, and watches over it.
#[derive(Clone)]
pub struct Observe<S> {
    /// Answers the requests of each route.
    answers: Arc<[S]>,
    connection: Arc<Connection>,
}

/// What the requests of a connection share.
struct Connection {
    shared: Arc<Shared>,
    /// The address of who connected, as the log writes it.
    peer: String,
    activity: Arc<Activity>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub sink: Sink,
    pub metrics: Arc<Metrics>,
    pub lifecycle: Lifecycle,
    /// Numbers of routes in `routes`.
    pub paths: matchit::Router<usize>,
    /// The last one stands for paths that no route has.
    pub routes: Vec<RouteMetrics>,
}

/// Makes a handler's panic a problem.
#[derive(Clone)]
pub struct Panicked;

impl ResponseForPanic for Panicked {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send>) -> Response<Self::ResponseBody> {
        // The panic hook has logged what and where.
        ProblemDetails::internal().into_response()
    }
}

impl<S> Observe<S> {
    pub(crate) fn new(answers: Vec<S>, shared: Shared) -> Self {
        Self {
            answers: answers.into(),
            // Of nobody, until there is a connection.
            connection: Arc::new(Connection {
                shared: Arc::new(shared),
                peer: String::new(),
                activity: Arc::new(Activity::new(Instant::now())),
            }),
        }
    }

    /// The same for one connection.
    pub(crate) fn for_connection(&self, peer: SocketAddr, activity: Arc<Activity>) -> Self {
        Self {
            answers: Arc::clone(&self.answers),
            connection: Arc::new(Connection {
                shared: Arc::clone(&self.connection.shared),
                peer: peer.ip().to_string(),
                activity,
            }),
        }
    }
}

/// A request and its answer. Counted and logged when dropped, which is when the
/// answer's body has been handed over or the client is gone. Boxed, for it is moved a lot.
struct Exchange {
    connection: Arc<Connection>,
    began: Instant,
    method: Method,
    uri: Uri,
    route: usize,
    request_id: RequestId,
    forwarded_for: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    amzn_trace_id: Option<HeaderValue>,
    status: Option<StatusCode>,
    /// Sent instead of the answer's body.
    problem: Option<Bytes>,
    body_bytes: u64,
}

impl<S, B, R> hyper::service::Service<Request<B>> for Observe<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: Body<Data = Bytes>,
    B: Send + 'static,
{
    type Response = Response<ObservedBody<R>>;
    type Error = Infallible;
    type Future = Observed<S::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let exchange = Exchange::begin(&self.connection, &request);
        // It is always ready.
        let answer = self.answers[exchange.route].clone().call(request);
        Observed {
            answer,
            exchange: Some(Box::new(exchange)),
        }
    }
}

pin_project! {
    /// An answer on its way.
    pub struct Observed<F> {
        #[pin]
        answer: F,
        exchange: Option<Box<Exchange>>,
    }
}

impl<F, R> Future for Observed<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<ObservedBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(response) = ready!(this.answer.poll(cx));
        let exchange = this
            .exchange
            .take()
            .expect("a future is not polled after its end");
        Poll::Ready(Ok(exchange.answer(response)))
    }
}

impl Exchange {
    fn begin<B>(connection: &Arc<Connection>, request: &Request<B>) -> Self {
        let shared = &connection.shared;
        connection.activity.request_began();
        shared.metrics.in_flight.inc();
        let (mut request_id, mut forwarded_for) = (None, None);
        let (mut traceparent, mut amzn_trace_id) = (None, None);
        // In one pass: looking up each takes longer.
        for (name, value) in request.headers() {
            if *name == REQUEST_ID {
                request_id.get_or_insert(value);
            } else if *name == FORWARDED_FOR {
                // Proxies append: the last line counts.
                forwarded_for = Some(value);
            } else if *name == TRACEPARENT {
                traceparent.get_or_insert(value);
            } else if *name == AMZN_TRACE_ID {
                amzn_trace_id.get_or_insert(value);
            }
        }
        Self {
            connection: Arc::clone(connection),
            began: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: shared
                .paths
                .at(without_slash(request.uri().path()))
                .map_or(shared.routes.len() - 1, |route| *route.value),
            request_id: RequestId::new(request_id),
            forwarded_for: forwarded_for.cloned(),
            traceparent: traceparent.cloned(),
            amzn_trace_id: amzn_trace_id.cloned(),
            status: None,
            problem: None,
            body_bytes: 0,
        }
    }

    fn answer<R>(mut self: Box<Self>, mut response: Response<R>) -> Response<ObservedBody<R>> {
        self.status = Some(response.status());
        let problem = response.extensions_mut().remove::<ProblemDetails>();
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.request_id.to_header());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if self.connection.shared.lifecycle.phase() >= Phase::Draining {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if problem.is_some() {
            // Of the empty body that stood for the problem.
            headers.remove(header::CONTENT_LENGTH);
        }
        self.problem = problem.map(|problem| problem.json(self.request_id.as_bytes()).into());
        response.map(|body| ObservedBody {
            body,
            exchange: self,
        })
    }

    /// The address of who sent the request to the load balancer, or to us.
    fn client(&self) -> &[u8] {
        let forwarded = self.forwarded_for.as_ref().map(HeaderValue::as_bytes);
        let last = forwarded.and_then(|list| list.rsplit(|byte| *byte == b',').next());
        last.map_or(self.connection.peer.as_bytes(), <[u8]>::trim_ascii)
    }

    fn log(&self, status: u16, duration: Duration) {
        let shared = &self.connection.shared;
        let label = shared.routes[self.route].label();
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
        let sink = &shared.sink;
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
        let Shared {
            metrics, routes, ..
        } = &*self.connection.shared;
        metrics.in_flight.dec();
        if let Some(status) = self.status {
            let route = &routes[self.route];
            metrics.answered(route, &self.method, status, duration, self.body_bytes);
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

pin_project! {
    /// An answer's body, counted.
    pub struct ObservedBody<R> {
        #[pin]
        body: R,
        exchange: Box<Exchange>,
    }
}

impl<R: Body<Data = Bytes>> Body for ObservedBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let this = self.project();
        let frame = match this.exchange.problem.take() {
            Some(problem) => Some(Ok(Frame::data(problem))),
            None => ready!(this.body.poll_frame(cx)),
        };
        if let Some(data) = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok()?.data_ref())
        {
            this.exchange.body_bytes += data.len() as u64;
            if data.len() > COPIED_BYTES_MIN && data.is_unique() {
                this.exchange.connection.activity.copy(data.len());
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.problem.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.exchange.problem {
            Some(problem) => SizeHint::with_exact(problem.len() as u64),
            None => self.body.size_hint(),
        }
    }
}
