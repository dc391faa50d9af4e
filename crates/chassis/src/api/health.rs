//! Health and metrics, for those who run the service.

use axum::{
    Json,
    body::Body,
    http::{Response, StatusCode, header},
    response::IntoResponse,
};
use common::Model;
use serde::Serialize;
use store::{Folding, Status};

use crate::{
    app::{App, Service},
    lifecycle::Phase,
};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    revision: &'static str,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    writes: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<usize>,
}

/// `GET /health/live`: always 200. For the container's health check.
pub(crate) async fn live<M: Model>(app: &App<M>) -> Response<Body> {
    health(app, true).await
}

/// `GET /health/ready`: 200 while requests may be sent here, 503 before the
/// collection is loaded and while draining. For the target group.
pub(crate) async fn ready<M: Model>(app: &App<M>) -> Response<Body> {
    let ready = app.lifecycle().phase() == Phase::Ready;
    health(app, ready).await
}

async fn health<M: Model>(app: &App<M>, passed: bool) -> Response<Body> {
    let Service { name, version, .. } = app.service();
    let store = match app.loaded() {
        Some(store) => store.status().await.ok(),
        None => None,
    };
    // A service whose store refuses writes stays ready: it still reads, and ECS would replace a
    // task that is not ready.
    let writes = |store: &Status| match store.folding {
        _ if store.refusal.is_some() => "refused",
        Folding::Overdue => "put off",
        Folding::Works | Folding::Fails => "accepted",
    };
    let fails = |store: &&Status| store.folding != Folding::Works;
    let health = Health {
        status: match app.lifecycle().phase() {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Draining | Phase::Stopping => "draining",
        },
        service: name,
        version,
        revision: Service::REVISION,
        mode: app.mode().name(),
        writes: store.as_ref().filter(|store| store.writable).map(writes),
        folding: store.as_ref().filter(fails).map(|_| "failing"),
        records: store.map(|store| store.records),
    };
    let status = if passed {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

/// `GET /metrics`: 200, Prometheus' text format.
pub(crate) async fn metrics<M: Model>(app: &App<M>) -> Response<Body> {
    if let Some(store) = app.loaded()
        && let Ok(status) = store.status().await
    {
        app.metrics().set_store(&status);
    }
    if let Some((number, stale)) = app.identity().user_keys() {
        app.metrics().set_user_keys(number, stale);
    }
    let text = app.metrics().text(app.sink().dropped());
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
