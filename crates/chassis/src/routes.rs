//! The routes of a service, each with its documentation.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use common::Model;
use tower_http::catch_panic::CatchPanic;

use crate::{
    app::{App, Router},
    collection, health,
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
    router: axum::Router<App<M>>,
    paths: matchit::Router<usize>,
    metrics: Vec<RouteMetrics>,
    document: Document<M>,
}

impl<M: Model> Routes<M> {
    /// The routes that every service has.
    #[must_use]
    pub fn new(app: App<M>) -> Self {
        let collection = format!("/api/{}", M::COLLECTION);
        let document = Document::new(app.service(), app.writable());
        let mut routes = Self {
            app,
            router: axum::Router::new(),
            paths: matchit::Router::new(),
            metrics: Vec::new(),
            document,
        };
        let record = format!("{collection}/{{id}}");
        routes.document.list(&collection, ListOf::All);
        routes.document.record(&record);
        routes.add("/", READ, get(async || "Ready to receive requests"));
        routes.add("/api", READ, get(async || "API ready to receive requests"));
        let (read_list, read_record) = (get(collection::list::<M>), get(collection::record::<M>));
        if routes.app.writable() {
            let edit_record = read_record
                .put(writes::replace::<M>)
                .patch(writes::patch::<M>)
                .delete(writes::delete::<M>);
            routes.add(
                &collection,
                READ_OR_CREATE,
                read_list.post(writes::create::<M>),
            );
            routes.add(&record, READ_OR_EDIT, edit_record);
        } else {
            routes.add(&collection, READ, read_list);
            routes.add(&record, READ, read_record);
        }
        routes.add("/health/live", READ, get(health::live::<M>));
        routes.add("/health/ready", READ, get(health::ready::<M>));
        routes.add("/metrics", READ, get(health::metrics::<M>));
        routes
    }

    /// Adds `/api/{collection}/{name}/{id}`: the list of the records whose
    /// member with the index `I` (in [`Model::INDEXES`]) is the id in the path.
    #[must_use]
    pub fn list_by<const I: usize>(mut self, name: &str) -> Self {
        let member = M::INDEXES[I].member;
        let path = format!("/api/{}/{name}/{{{member}Id}}", M::COLLECTION);
        self.document.list(&path, ListOf::With(member));
        self.add(&path, READ, get(collection::list_by::<M, I>));
        self
    }

    /// Adds a route with and without a trailing slash. `allow` lists its methods.
    fn add(&mut self, path: &str, allow: &'static str, methods: MethodRouter<App<M>>) {
        let options = async move || {
            (
                StatusCode::NO_CONTENT,
                [(header::ALLOW, HeaderValue::from_static(allow))],
            )
        };
        let methods = methods
            .options(options)
            .fallback(async move || ProblemDetails::not_allowed(allow));
        let router = std::mem::take(&mut self.router).route(path, methods.clone());
        self.router = if path == "/" {
            router
        } else {
            router.route(&format!("{path}/"), methods)
        };
        let unique = "a route is added once";
        self.paths.insert(path, self.metrics.len()).expect(unique);
        self.metrics.push(self.app.metrics().route(path.to_owned()));
    }

    /// The service that answers these routes.
    #[must_use]
    pub fn into_service(mut self) -> Observe<Router> {
        let document = Bytes::from(self.document.to_json());
        let path = format!("/api/{}/openapi.json", M::COLLECTION);
        let media_type = [(header::CONTENT_TYPE, "application/json")];
        self.add(&path, READ, get(async move || (media_type, document)));
        self.metrics
            .push(self.app.metrics().route("none".to_owned()));
        let router = self.router.fallback(no_route).with_state(self.app.clone());
        let shared = observe::Shared {
            sink: self.app.sink().clone(),
            metrics: Arc::clone(self.app.metrics()),
            lifecycle: self.app.lifecycle().clone(),
            paths: self.paths,
            routes: self.metrics,
        };
        Observe::new(CatchPanic::custom(router, Panicked), shared)
    }
}

async fn no_route(uri: Uri) -> ProblemDetails {
    ProblemDetails::no_route(uri.path())
}
