//! The routes of a service, and how a request finds its route.

use std::{
    convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant,
};

use axum::{
    BoxError,
    body::HttpBody,
    http::{Request, Response},
};
use bytes::Bytes;
use common::{Index, Model};
use futures_util::FutureExt;
use hyper::service::{Service, service_fn};

use crate::{
    api::{
        endpoint::Endpoint,
        openapi::{Document, ListOf},
        read::summary::Summary,
    },
    app::App,
    path::without_slash,
    problem::ProblemDetails,
    server::connections::Activity,
    telemetry::{
        exchange::{ConnectionContext, Exchange, ObservedBody},
        metrics::RouteMetrics,
    },
};

const TEXT: &str = "text/plain; charset=utf-8";

/// The routes of a service, while they are declared. All services have these: `/`,
/// `/api`, the collection, its records, its API document, health and metrics.
pub struct Routes<M: Model> {
    router: Router<M>,
    document: Document<M>,
}

/// Finds the route for the path of a request.
pub struct Router<M: Model> {
    app: App<M>,
    paths: matchit::Router<Arc<Route<M>>>,
    /// For paths that no route has.
    missing: Arc<Route<M>>,
}

/// A route: the endpoint that answers its requests, and its metrics.
struct Route<M: Model> {
    app: App<M>,
    endpoint: Endpoint,
    metrics: Arc<RouteMetrics>,
}

impl<M: Model> Routes<M> {
    /// The routes that every service has.
    #[must_use]
    pub fn new(app: App<M>) -> Self {
        let collection = format!("/api/{}", M::COLLECTION);
        let record = format!("{collection}/{{id}}");
        let mut document = Document::new(app.service(), app.writers());
        document.list(&collection, ListOf::All);
        document.record(&record);
        let mut routes = Self {
            router: Router::new(app),
            document,
        };
        routes.add("/", fixed(TEXT, "Ready to receive requests"));
        routes.add("/api", fixed(TEXT, "API ready to receive requests"));
        routes.add(&collection, Endpoint::Collection);
        routes.add(&record, Endpoint::Record);
        routes.add("/health/live", Endpoint::Live);
        routes.add("/health/ready", Endpoint::Ready);
        routes.add("/metrics", Endpoint::Metrics);
        routes
    }

    /// Adds `/api/{collection}/{name}/{id}`: the list of the records whose
    /// `member` is the id in the path.
    ///
    /// # Panics
    /// When lists of the model cannot be filtered by `member`: the service does not start.
    #[must_use]
    pub fn list_by(mut self, member: &'static str, name: &str) -> Self {
        let index = index_of_ids::<M>(member, name);
        let path = format!("/api/{}/{name}/{{{member}Id}}", M::COLLECTION);
        self.document.list(&path, ListOf::With(member));
        self.add(&path, Endpoint::ListBy(index));
        self
    }

    /// Adds `/api/{collection}/{name}?{member}=1,2,3`, where `member` is any one of these: how
    /// many records have each of the ids in the member, and the last of them.
    ///
    /// # Panics
    /// When lists of the model cannot be filtered by a member, or there is a summary already: the
    /// service does not start.
    #[must_use]
    pub fn summary_by(mut self, members: &[&'static str], name: &str) -> Self {
        let indexes = members
            .iter()
            .map(|member| (*member, index_of_ids::<M>(member, name)));
        let summary = Summary::new::<M>(indexes.collect());
        let path = format!("/api/{}/{name}", M::COLLECTION);
        self.document.summary(&path, members);
        self.add(&path, Endpoint::Summary(summary));
        self
    }

    fn add(&mut self, path: &str, endpoint: Endpoint) {
        let route = Route::new(&self.router.app, path, endpoint);
        let unique = "a route is added once";
        self.router.paths.insert(path, route).expect(unique);
    }

    /// The router of these routes.
    #[must_use]
    pub fn into_router(mut self) -> Router<M> {
        let path = format!("/api/{}/openapi.json", M::COLLECTION);
        let document = self.document.to_json();
        self.add(&path, fixed("application/json", document));
        self.router
    }
}

/// The number of the index over a member that holds ids, for the route of this name.
fn index_of_ids<M: Model>(member: &str, name: &str) -> usize {
    let Some((index, Index::Id(_))) = M::index(member) else {
        panic!(
            "/api/{}/{name}: no index of ids over {member}",
            M::COLLECTION
        );
    };
    index
}

fn fixed(media_type: &'static str, bytes: impl Into<Bytes>) -> Endpoint {
    let bytes = bytes.into();
    Endpoint::Fixed { media_type, bytes }
}

impl<M: Model> Route<M> {
    fn new(app: &App<M>, label: &str, endpoint: Endpoint) -> Arc<Self> {
        Arc::new(Self {
            app: app.clone(),
            endpoint,
            metrics: Arc::new(app.metrics().route(label.to_owned())),
        })
    }
}

impl<M: Model> Router<M> {
    fn new(app: App<M>) -> Self {
        let missing = Route::new(&app, "none", Endpoint::Missing);
        Self {
            app,
            paths: matchit::Router::new(),
            missing,
        }
    }

    /// Answers requests without a connection, as in tests.
    pub fn in_process<B>(
        self,
    ) -> impl Service<Request<B>, Response = Response<ObservedBody>, Error = Infallible> + use<M, B>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let nobody = SocketAddr::from(([0; 4], 0));
        let activity = Arc::new(Activity::new(Instant::now()));
        Arc::new(self).for_connection(nobody, activity)
    }

    /// Answers the requests of a connection from `peer`.
    pub(crate) fn for_connection<B>(
        self: &Arc<Self>,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) -> impl Service<
        Request<B>,
        Response = Response<ObservedBody>,
        Error = Infallible,
        Future: Send,
    > + Send
    + use<M, B>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let router = Arc::clone(self);
        let connection = Arc::new(ConnectionContext::new(
            self.app.sink().clone(),
            Arc::clone(self.app.metrics()),
            self.app.lifecycle().clone(),
            peer,
            activity,
        ));
        service_fn(move |request: Request<B>| {
            let route = router.route(request.uri().path());
            let mut exchange = Exchange::begin(
                &connection,
                &route.metrics,
                route.endpoint.origins(&route.app),
                &request,
            );
            async move {
                let answer = route
                    .endpoint
                    .answer(&route.app, request, &mut exchange.caller);
                // The panic hook has logged what happened and where.
                let panicked = |_| Err(ProblemDetails::internal());
                let answer = AssertUnwindSafe(answer)
                    .catch_unwind()
                    .await
                    .unwrap_or_else(panicked);
                Ok(exchange.answer(answer))
            }
        })
    }

    fn route(&self, path: &str) -> Arc<Route<M>> {
        match self.paths.at(without_slash(path)) {
            Ok(found) => Arc::clone(found.value),
            Err(_) => Arc::clone(&self.missing),
        }
    }
}
