//! The routes of a service, each with its documentation.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
    response::IntoResponse,
    routing::{MethodRouter, get, post, put},
};
use bytes::Bytes;
use common::{Index, Model};
use tower::{BoxError, Service, service_fn};
use tower_http::{body::UnsyncBoxBody, catch_panic::CatchPanic};

use crate::{
    api::{
        body::{self, Accepts},
        health,
        openapi::{Document, ListOf},
        read::Read,
        write,
    },
    app::App,
    problem::ProblemDetails,
    telemetry::{
        metrics::RouteMetrics,
        observe::{self, Observe, Panicked},
    },
};

/// What a route takes, as `OPTIONS` tells.
#[derive(Clone, Copy)]
struct Takes {
    methods: &'static str,
    /// Of the method whose media types have a header of their own.
    body: Option<&'static Accepts>,
}

const READ: Takes = Takes {
    methods: "GET, HEAD, OPTIONS",
    body: None,
};
const READ_OR_CREATE: Takes = Takes {
    methods: "GET, HEAD, POST, OPTIONS",
    body: Some(&body::POST),
};
const READ_OR_EDIT: Takes = Takes {
    methods: "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    body: Some(&body::PATCH),
};

/// The routes of a service. All three have these: `/`, `/api`, the collection,
/// its records, its API document, health and metrics.
pub struct Routes<M: Model> {
    app: App<M>,
    /// Numbers of routes.
    paths: matchit::Router<usize>,
    answers: Vec<Route<M>>,
    metrics: Vec<RouteMetrics>,
    document: Document<M>,
}

/// What answers the requests of a route.
struct Route<M: Model> {
    app: App<M>,
    /// What is read of the collection by `GET` and `HEAD`.
    read: Option<Read>,
    /// Everything else; `None` for paths that no route has. (A router without methods
    /// would send an empty `Allow` with its 404.)
    methods: Option<MethodRouter>,
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
            answers: Vec::new(),
            metrics: Vec::new(),
            document,
        };
        let record = format!("{collection}/{{id}}");
        routes.document.list(&collection, ListOf::All);
        routes.document.record(&record);
        routes.get("/", get(async || "Ready to receive requests"));
        routes.get("/api", get(async || "API ready to receive requests"));
        let (list, one) = (Some(Read::List), Some(Read::Record));
        if routes.app.writable() {
            let edit = put(write::replace::<M>)
                .patch(write::patch::<M>)
                .delete(write::delete::<M>);
            routes.add(&collection, READ_OR_CREATE, list, post(write::create::<M>));
            routes.add(&record, READ_OR_EDIT, one, edit);
        } else {
            routes.add(&collection, READ, list, MethodRouter::new());
            routes.add(&record, READ, one, MethodRouter::new());
        }
        routes.get("/health/live", get(health::live::<M>));
        routes.get("/health/ready", get(health::ready::<M>));
        routes.get("/metrics", get(health::metrics::<M>));
        routes
    }

    /// Adds `/api/{collection}/{name}/{id}`: the list of the records whose
    /// `member` is the id in the path.
    ///
    /// # Panics
    /// When lists of the model cannot be filtered by `member`: the service does not start.
    #[must_use]
    pub fn list_by(mut self, member: &'static str, name: &str) -> Self {
        let Some((index, Index::Id(_))) = M::index(member) else {
            panic!(
                "/api/{}/{name}: no index of ids over {member}",
                M::COLLECTION
            );
        };
        let path = format!("/api/{}/{name}/{{{member}Id}}", M::COLLECTION);
        self.document.list(&path, ListOf::With(member));
        self.add(&path, READ, Some(Read::ListBy(index)), MethodRouter::new());
        self
    }

    fn get(&mut self, path: &str, methods: MethodRouter<App<M>>) {
        self.add(path, READ, None, methods);
    }

    /// Adds a route.
    fn add(&mut self, path: &str, takes: Takes, read: Option<Read>, methods: MethodRouter<App<M>>) {
        let options = async move || {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(header::ALLOW, HeaderValue::from_static(takes.methods));
            if let Some(body) = takes.body {
                headers.insert(&body.header, HeaderValue::from_static(body.value));
            }
            response
        };
        let methods = methods
            .options(options)
            .fallback(async move || ProblemDetails::not_allowed(takes.methods));
        let unique = "a route is added once";
        self.paths.insert(path, self.answers.len()).expect(unique);
        self.push(path, read, Some(methods));
    }

    fn push(&mut self, label: &str, read: Option<Read>, methods: Option<MethodRouter<App<M>>>) {
        self.metrics
            .push(self.app.metrics().route(label.to_owned()));
        self.answers.push(Route {
            app: self.app.clone(),
            read,
            methods: methods.map(|methods| methods.with_state(self.app.clone())),
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
        self.push("none", None, None);
        let answers = self.answers.into_iter().map(|route| {
            let route = Arc::new(route);
            let answer = service_fn(move |request| {
                let route = Arc::clone(&route);
                async move { Ok(route.answer(request).await) }
            });
            CatchPanic::custom(answer, Panicked)
        });
        let shared = observe::Shared {
            sink: self.app.sink().clone(),
            metrics: Arc::clone(self.app.metrics()),
            lifecycle: self.app.lifecycle().clone(),
            paths: self.paths,
            routes: self.metrics,
        };
        Observe::new(answers.collect(), shared)
    }
}

impl<M: Model> Route<M> {
    /// Answers a request. Reads of the collection, which nearly all requests
    /// are, go straight to their function: axum allocates three times on the way
    /// to a handler.
    async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        match self.read {
            Some(read) if matches!(*request.method(), Method::GET | Method::HEAD) => {
                let request = request.into_parts().0;
                read.answer(&self.app, request).await.into_response()
            }
            _ => match &self.methods {
                Some(methods) => {
                    let answer = methods.clone().call(request);
                    answer.await.unwrap_or_else(|never| match never {})
                }
                None => ProblemDetails::no_route(request.uri().path()).into_response(),
            },
        }
    }
}
