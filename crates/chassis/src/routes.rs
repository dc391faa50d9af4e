//! The routes of a service, each with its documentation.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header},
    response::IntoResponse,
    routing::{MethodRouter, get, post, put},
};
use bytes::Bytes;
use common::Model;
use tower::{BoxError, Service, service_fn};
use tower_http::{body::UnsyncBoxBody, catch_panic::CatchPanic};

use crate::{
    app::App,
    collection::Read,
    health,
    metrics::RouteMetrics,
    observe::{self, Observe, Panicked},
    openapi::{Document, ListOf},
    problem::ProblemDetails,
    writes,
};

const READ: &str = "GET, HEAD, OPTIONS";
const READ_OR_CREATE: &str = "GET, HEAD, POST, OPTIONS";
const READ_OR_EDIT: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";

/// The routes of a service. All three have these: `/`, `/api`, the collection,
/// its records, its API document, health and metrics.
pub struct Routes<M: Model> {
    app: App<M>,
    paths: matchit::Router<usize>,
    all: Vec<Route>,
    document: Document<M>,
}

struct Route {
    metrics: RouteMetrics,
    read: Option<Read>,
    /// What the methods do that do not read the collection.
    methods: MethodRouter,
}

impl<M: Model> Routes<M> {
    /// The routes that every service has.
    #[must_use]
    pub fn new(app: App<M>) -> Self {
        let collection = format!("/api/{}", M::COLLECTION);
        let document = Document::new(app.service(), app.writable());
        let mut routes = Self {
            app,
            paths: matchit::Router::new(),
            all: Vec::new(),
            document,
        };
        let record = format!("{collection}/{{id}}");
        routes.document.list(&collection, ListOf::All);
        routes.document.record(&record);
        routes.get("/", get(async || "Ready to receive requests"));
        routes.get("/api", get(async || "API ready to receive requests"));
        let (mut allow, mut write) = ([READ; 2], [MethodRouter::new(), MethodRouter::new()]);
        if routes.app.writable() {
            allow = [READ_OR_CREATE, READ_OR_EDIT];
            write = [
                post(writes::create::<M>),
                put(writes::replace::<M>)
                    .patch(writes::patch::<M>)
                    .delete(writes::delete::<M>),
            ];
        }
        let [create, edit] = write;
        routes.add(&collection, allow[0], Some(Read::List), create);
        routes.add(&record, allow[1], Some(Read::Record), edit);
        routes.get("/health/live", get(health::live::<M>));
        routes.get("/health/ready", get(health::ready::<M>));
        routes.get("/metrics", get(health::metrics::<M>));
        routes
    }

    /// Adds `/api/{collection}/{name}/{id}`: the list of the records whose
    /// member with this index (in [`Model::INDEXES`]) is the id in the path.
    ///
    /// # Panics
    /// When the model has no such index.
    #[must_use]
    pub fn list_by(mut self, index: usize, name: &str) -> Self {
        let member = M::INDEXES[index].member;
        let path = format!("/api/{}/{name}/{{{member}Id}}", M::COLLECTION);
        self.document.list(&path, ListOf::With(member));
        self.add(&path, READ, Some(Read::ListBy(index)), MethodRouter::new());
        self
    }

    fn get(&mut self, path: &str, methods: MethodRouter<App<M>>) {
        self.add(path, READ, None, methods);
    }

    /// Adds a route. `allow` lists its methods.
    fn add(
        &mut self,
        path: &str,
        allow: &'static str,
        read: Option<Read>,
        methods: MethodRouter<App<M>>,
    ) {
        let options = async move || {
            (
                StatusCode::NO_CONTENT,
                [(header::ALLOW, HeaderValue::from_static(allow))],
            )
        };
        let methods = methods
            .options(options)
            .fallback(async move || ProblemDetails::not_allowed(allow));
        let unique = "a route is added once";
        self.paths.insert(path, self.all.len()).expect(unique);
        self.push(path, read, methods);
    }

    fn push(&mut self, label: &str, read: Option<Read>, methods: MethodRouter<App<M>>) {
        self.all.push(Route {
            metrics: self.app.metrics().route(label.to_owned()),
            read,
            methods: methods.with_state(self.app.clone()),
        });
    }

    /// The service that answers these routes.
    #[must_use]
    pub fn into_service<B>(
        mut self,
    ) -> Observe<
        impl Service<
            Request<B>,
            Response = Response<UnsyncBoxBody<Bytes, BoxError>>,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + Sync,
    >
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let document = Bytes::from(self.document.to_json());
        let path = format!("/api/{}/openapi.json", M::COLLECTION);
        let media_type = [(header::CONTENT_TYPE, "application/json")];
        self.get(&path, get(async move || (media_type, document)));
        self.push("none", None, MethodRouter::new().fallback(no_route));
        let (mut metrics, mut answers) = (Vec::new(), Vec::new());
        for route in self.all {
            metrics.push(route.metrics);
            let shared = Arc::new((self.app.clone(), route.read, route.methods));
            let answer = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move {
                    let (app, read, methods) = &*shared;
                    Ok(answer(app, *read, methods, request).await)
                }
            });
            answers.push(CatchPanic::custom(answer, Panicked));
        }
        let shared = observe::Shared {
            sink: self.app.sink().clone(),
            metrics: Arc::clone(self.app.metrics()),
            lifecycle: self.app.lifecycle().clone(),
            paths: self.paths,
            routes: metrics,
        };
        Observe::new(answers, shared)
    }
}

/// Answers a request. Reads of the collection, which nearly all requests are,
/// go straight to their function: axum allocates three times on the way to a
/// handler.
async fn answer<M: Model, B>(
    app: &App<M>,
    read: Option<Read>,
    methods: &MethodRouter,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    match read {
        Some(read) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            let request = request.into_parts().0;
            read.answer(app, request).await.into_response()
        }
        _ => {
            let answer = methods.clone().call(request);
            answer.await.unwrap_or_else(|never| match never {})
        }
    }
}

async fn no_route(uri: Uri) -> ProblemDetails {
    ProblemDetails::no_route(uri.path())
}
