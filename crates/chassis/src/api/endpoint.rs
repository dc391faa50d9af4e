//! What answers the requests of a route.

use axum::{
    BoxError,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts},
};
use common::Model;

use crate::{
    api::{
        body::{self, Accepts},
        health,
        read::{self, Answer, summary::Summary},
        write,
    },
    app::App,
    cors::{self, Origins},
    identity::caller::Caller,
    problem::ProblemDetails,
};

/// What answers the requests of a route, whatever their method.
pub(crate) enum Endpoint {
    /// `/api/{collection}`
    Collection,
    /// `/api/{collection}/{name}/{id}`: the records whose member with this index is the id.
    ListBy(usize),
    /// `/api/{collection}/{id}`
    Record,
    /// `/api/{collection}/{name}?{member}=1,2,3`
    Summary(Summary),
    /// `/health/live`
    Live,
    /// `/health/ready`
    Ready,
    /// `/metrics`
    Metrics,
    /// The same bytes for everyone.
    Fixed {
        media_type: &'static str,
        bytes: Bytes,
    },
    /// Paths that no route has.
    Missing,
}

/// What a route takes, as `OPTIONS` tells.
struct Takes {
    methods: &'static str,
    /// The method whose media types have a header of their own.
    body: Option<&'static Accepts>,
}

impl Endpoint {
    /// Answers a request. `caller` becomes who sent it, where the answer depends on that.
    pub async fn answer<M: Model, B>(
        &self,
        app: &App<M>,
        request: Request<B>,
        caller: &mut Caller,
    ) -> Answer
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let (head, body) = request.into_parts();
        match head.method {
            Method::GET => self.read(app, &head).await,
            Method::HEAD => self.read(app, &head).await.map(without_body),
            // Boxed: otherwise the future of every read would be as large as that of a write, and
            // futures are moved.
            _ => Box::pin(self.other(app, &head, Body::new(body), caller)).await,
        }
    }

    /// Answers `GET`.
    async fn read<M: Model>(&self, app: &App<M>, head: &Parts) -> Answer {
        match self {
            Self::Collection => read::list(app, head).await,
            Self::ListBy(index) => read::list_by(app, head, *index).await,
            Self::Record => read::record(app, head).await,
            Self::Summary(summary) => summary.answer(app, head).await,
            Self::Live => Ok(health::live(app).await),
            Self::Ready => Ok(health::ready(app).await),
            Self::Metrics => Ok(health::metrics(app).await),
            Self::Fixed { media_type, bytes } => {
                let mut response = Response::new(Body::from(bytes.clone()));
                let media_type = HeaderValue::from_static(media_type);
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, media_type);
                Ok(response)
            }
            Self::Missing => Err(ProblemDetails::no_route(head.uri.path())),
        }
    }

    /// Answers all methods but `GET` and `HEAD`.
    async fn other<M: Model>(
        &self,
        app: &App<M>,
        head: &Parts,
        body: Body,
        caller: &mut Caller,
    ) -> Answer {
        let takes = self.takes(app);
        match (self, &head.method) {
            (_, &Method::OPTIONS) if self.is_preflight(app, head) => Ok(self.preflight(&takes)),
            (Self::Missing, _) => Err(ProblemDetails::no_route(head.uri.path())),
            (_, &Method::OPTIONS) => Ok(takes.options()),
            _ if !app.mode().writable() => Err(ProblemDetails::not_allowed(takes.methods)),
            (Self::Collection, &Method::POST) => write::create(app, head, body, caller).await,
            (Self::Record, &Method::PUT) => write::replace(app, head, body, caller).await,
            (Self::Record, &Method::PATCH) => write::patch(app, head, body, caller).await,
            (Self::Record, &Method::DELETE) => write::delete(app, head, caller).await,
            _ => Err(ProblemDetails::not_allowed(takes.methods)),
        }
    }

    /// The origins whose pages may read the answers. `None` if the answers say nothing about pages,
    /// as those to monitoring do.
    pub fn origins<'a, M: Model>(&self, app: &'a App<M>) -> Option<&'a Origins> {
        let pages = !matches!(self, Self::Live | Self::Ready | Self::Metrics);
        app.origins().filter(|_| pages)
    }

    fn is_preflight<M: Model>(&self, app: &App<M>, head: &Parts) -> bool {
        self.origins(app)
            .is_some_and(|origins| origins.allows_preflight(&head.headers))
    }

    /// The answer to a preflight. It is no refusal where there is no route: then the browser goes on
    /// to send the request itself, and the page gets to see the 404.
    fn preflight(&self, takes: &Takes) -> Response<Body> {
        let mut response = match self {
            Self::Missing => no_content(),
            _ => takes.options(),
        };
        cors::allow(takes.methods, response.headers_mut());
        response
    }

    fn takes<M: Model>(&self, app: &App<M>) -> Takes {
        let (methods, body) = match self {
            Self::Collection if app.mode().writable() => {
                ("GET, HEAD, POST, OPTIONS", Some(&body::POST))
            }
            Self::Record if app.mode().writable() => {
                ("GET, HEAD, PUT, PATCH, DELETE, OPTIONS", Some(&body::PATCH))
            }
            Self::Missing => ("GET, HEAD, POST, PUT, PATCH, DELETE", None),
            _ => ("GET, HEAD, OPTIONS", None),
        };
        Takes { methods, body }
    }
}

impl Takes {
    /// The answer to `OPTIONS`.
    fn options(&self) -> Response<Body> {
        let mut response = no_content();
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(self.methods));
        if let Some(body) = self.body {
            headers.insert(&body.header, HeaderValue::from_static(body.value));
        }
        response
    }
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The answer to `HEAD`, made from the answer to `GET`.
fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().size_hint().exact();
    if let Some(length) = length.filter(|_| response.status() != StatusCode::NOT_MODIFIED) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::empty();
    response
}
