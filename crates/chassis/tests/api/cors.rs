//! Pages of other origins, where a process cannot easily be brought. The rest is tested with the
//! users service.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{Request, Response};
use bytes::Bytes;
use chassis::{
    App, Identity, Mode, ObservedBody, Origins, Routes, Service, Sink, Token, UserSettings,
};
use common::User;
use http_body::{Body, Frame};
use hyper::service::Service as _;
use store::{Store, WriteLock};

use crate::fixture::TOKEN;

const ORIGIN: &str = "https://forum.example";

/// A body whose bytes cannot be read without a panic.
struct Panicking;

impl Body for Panicking {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        panic!("of the test");
    }
}

/// A writable service for pages of [`ORIGIN`], before its collection is loaded.
fn app() -> App<User> {
    let service = Service {
        name: "users",
        version: "1.2.3",
        about: "A service in a test.",
    };
    let sink = Sink::new("users", false, io::sink());
    let keys = vec![Token::new(TOKEN).unwrap()];
    let identity = Identity::new(keys, &UserSettings::default()).unwrap();
    let origins: Origins = ORIGIN.parse().unwrap();
    App::new(service, sink, Mode::Writable, identity, Some(origins))
}

/// The answer to a request of a page.
fn ask(app: &App<User>, method: &str, headers: &[(&str, &str)]) -> Response<ObservedBody> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut request = Request::builder().method(method).uri("/api/users");
    for (name, value) in headers.iter().chain(&[("origin", ORIGIN)]) {
        request = request.header(*name, *value);
    }
    let request = request.body(Panicking).unwrap();
    let service = Routes::new(app.clone()).into_router().in_process();
    let Ok(response) = runtime.block_on(service.call(request));
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    assert_eq!(headers["vary"], "Origin");
    response
}

#[test]
fn a_page_reads_that_the_service_failed() {
    let (app, dir) = (app(), tempfile::tempdir().unwrap());
    let lock = WriteLock::take(&dir.path().join("db.json")).unwrap();
    app.ready(Store::open_writable(lock, u64::MAX).unwrap());
    let token = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", &*token),
        ("content-type", "application/json"),
    ];
    assert_eq!(ask(&app, "POST", &headers).status(), 500);
}

#[test]
fn a_page_reads_that_the_collection_is_not_loaded_and_may_ask_what_it_may_send() {
    let app = app();
    assert_eq!(ask(&app, "GET", &[]).status(), 503);
    let preflight = ask(
        &app,
        "OPTIONS",
        &[("access-control-request-method", "POST")],
    );
    assert_eq!(preflight.status(), 204);
    let methods = &preflight.headers()["access-control-allow-methods"];
    assert_eq!(methods, "GET, HEAD, POST, OPTIONS");
}
