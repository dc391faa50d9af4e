//! The three services' routers, each over a collection that the test knows.

use std::{cell::OnceCell, fs, io, num::NonZeroU32, pin::Pin};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use bytes::Bytes;
use chassis::{
    App, Identity, Lifecycle, Phase, ReadOnly, Routes, Service, Sink, Token, UserSettings,
};
use common::{Model, Post, Problem, Thread, User};
use http_body_util::BodyExt;
use hyper::service::Service as _;
use serde_json::{Value, json};
use store::{Store, WriteLock};
use tempfile::TempDir;
use testkit::issuer::{self, SigningKey};
use tokio::runtime::Runtime;

use crate::document::every_answer;

/// A service in process.
pub struct Api {
    /// Name of the service and of its collection.
    pub name: &'static str,
    /// Its records in id order. The ids have gaps.
    pub records: Vec<Value>,
    /// Members that its lists can be filtered by.
    pub filters: &'static [&'static str],
    /// Lists with a member's value in the path: the path before the value, and the member.
    pub lists_by: &'static [(&'static str, &'static str)],
    pub lifecycle: Lifecycle,
    answer: Answer,
    document: OnceCell<Value>,
    runtime: Runtime,
    /// Where `db.json` is.
    _dir: Option<TempDir>,
}

type Answer = Box<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response>>>>;

/// A response whose body has been read.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The ids of the records: 1 to 60 with gaps.
pub fn ids() -> impl Iterator<Item = u64> {
    (1..=60).filter(|id| id % 7 != 0)
}

/// The token of services that write.
pub const TOKEN: &str = "a-token-for-the-tests";

/// Whether a service takes writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    Refused,
    Taken,
    /// Taken, also from users whose token has a scope, and from each one a minute.
    ByUsers,
    /// Taken, and the collection is as large as it may become.
    Full,
}

/// All three services, ready, read-only.
pub fn all() -> [Api; 3] {
    all_in(Writes::Refused)
}

/// All three services, ready.
pub fn all_in(writes: Writes) -> [Api; 3] {
    [users_in(writes), threads_in(writes), posts_in(writes)]
}

pub fn users() -> Api {
    users_in(Writes::Refused)
}

pub fn threads() -> Api {
    threads_in(Writes::Refused)
}

pub fn posts() -> Api {
    posts_in(Writes::Refused)
}

fn users_in(writes: Writes) -> Api {
    let user = |id| {
        let name = format!("Number {id}");
        json!({"id": id, "username": format!("user-{id}"), "name": name, "bio": "", "badge": {"b": 1}})
    };
    let records = ids().map(user).collect();
    Api::new::<User>(writes, records, &["username"], &[], |routes| routes)
}

fn threads_in(writes: Writes) -> Api {
    let thread = |id| json!({"id": id, "title": format!("Thread {id}"), "createdBy": id % 5 + 1});
    let records = ids().map(thread).collect();
    Api::new::<Thread>(writes, records, &["createdBy"], &[], |routes| routes)
}

/// Posts of threads 1 to 4 and users 1 to 3, on more than one page of the store.
fn posts_in(writes: Writes) -> Api {
    let text = "More than the store puts on one page. ".repeat(20);
    let post = |id| json!({"id": id, "thread": id % 4 + 1, "text": text, "user": id % 3 + 1});
    let lists = &[
        ("/api/posts/in-thread/", "thread"),
        ("/api/posts/by-user/", "user"),
    ];
    Api::new::<Post>(
        writes,
        ids().map(post).collect(),
        &["thread", "user"],
        lists,
        |routes| {
            routes
                .list_by("thread", "in-thread")
                .list_by("user", "by-user")
                .summary_by(&["thread", "user"], "summary")
        },
    )
}

/// The key that signs users' tokens.
pub fn user_key() -> SigningKey {
    SigningKey::p256("k", 0)
}

fn user_settings(dir: &TempDir) -> UserSettings {
    let path = dir.path().join("jwks.json");
    fs::write(&path, issuer::key_set(&[&user_key()])).unwrap();
    UserSettings {
        token_issuer: Some(issuer::ISSUER.to_owned()),
        token_audience: Some(issuer::AUDIENCE.to_owned()),
        user_claim: Some(issuer::USER_CLAIM.to_owned()),
        jwks_file: Some(path),
        write_scope: Some("forum:write".to_owned()),
        user_writes_per_minute: Some(NonZeroU32::MIN),
        ..UserSettings::default()
    }
}

impl Api {
    fn new<M: Model>(
        writes: Writes,
        records: Vec<Value>,
        filters: &'static [&'static str],
        lists_by: &'static [(&'static str, &'static str)],
        routes: fn(Routes<M>) -> Routes<M>,
    ) -> Self {
        let (api, app) = Self::starting_in(writes, filters, lists_by, routes);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.json");
        fs::write(&path, json!({M::COLLECTION: records}).to_string()).unwrap();
        let store = match writes {
            Writes::Refused => Store::open(&path, u64::MAX),
            Writes::Taken | Writes::ByUsers => {
                Store::open_writable(WriteLock::take(&path).unwrap(), u64::MAX)
            }
            Writes::Full => {
                let store = Store::<M>::open(&path, u64::MAX).unwrap();
                let bytes = api.runtime.block_on(store.status()).unwrap().bytes;
                Store::open_writable(WriteLock::take(&path).unwrap(), bytes)
            }
        };
        app.ready(store.unwrap());
        Self {
            records,
            _dir: Some(dir),
            ..api
        }
    }

    /// A service that has not loaded its collection.
    pub fn starting<M: Model>(
        filters: &'static [&'static str],
        lists_by: &'static [(&'static str, &'static str)],
        routes: fn(Routes<M>) -> Routes<M>,
    ) -> (Self, App<M>) {
        Self::starting_in(Writes::Refused, filters, lists_by, routes)
    }

    /// A service that has not loaded its collection, and takes writes or not.
    pub fn starting_in<M: Model>(
        writes: Writes,
        filters: &'static [&'static str],
        lists_by: &'static [(&'static str, &'static str)],
        routes: fn(Routes<M>) -> Routes<M>,
    ) -> (Self, App<M>) {
        let service = Service {
            name: M::COLLECTION,
            version: "1.2.3",
            about: "A service in a test.",
        };
        let (mode, keys) = match writes {
            Writes::Refused => (chassis::Mode::ReadOnly(ReadOnly::NoToken), vec![]),
            Writes::Taken | Writes::ByUsers | Writes::Full => {
                (chassis::Mode::Writable, vec![Token::new(TOKEN).unwrap()])
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let users = match writes {
            Writes::ByUsers => user_settings(&dir),
            _ => UserSettings::default(),
        };
        let identity = Identity::new(keys, &users).unwrap();
        let sink = Sink::new(M::COLLECTION, false, io::sink());
        let app = App::<M>::new(service, sink, mode, identity, None);
        let service = routes(Routes::new(app.clone())).into_router().in_process();
        let answer: Answer = Box::new(move |request| {
            let answering = service.call(request);
            Box::pin(async move {
                let Ok(response) = answering.await;
                let (head, body) = response.into_parts();
                Response {
                    status: head.status,
                    headers: head.headers,
                    body: body.collect().await.unwrap().to_bytes(),
                }
            })
        });
        let api = Self {
            name: M::COLLECTION,
            records: Vec::new(),
            filters,
            lists_by,
            lifecycle: app.lifecycle().clone(),
            answer,
            document: OnceCell::new(),
            _dir: None,
            // The paused clock jumps ahead when all tasks wait: no test waits for a time limit.
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap(),
        };
        (api, app)
    }

    /// The document that the service sends.
    pub fn document(&self) -> &Value {
        self.document.get_or_init(|| {
            let target = format!("{}/openapi.json", self.collection());
            let request = Request::get(target).body(Body::empty()).unwrap();
            self.runtime.block_on((self.answer)(request)).json()
        })
    }

    /// The path of the collection.
    pub fn collection(&self) -> String {
        format!("/api/{}", self.name)
    }

    /// One target of each route, and the type of what a GET answers there.
    pub fn paths(&self) -> Vec<(String, &'static str)> {
        let (collection, json) = (self.collection(), "application/json");
        let text = "text/plain; charset=utf-8";
        let mut paths = vec![
            ("/".into(), text),
            ("/api".into(), text),
            ("/health/live".into(), json),
            ("/health/ready".into(), json),
            (
                "/metrics".into(),
                "text/plain; version=0.0.4; charset=utf-8",
            ),
            (format!("{collection}/openapi.json"), json),
            (format!("{collection}/1"), json),
            (collection, json),
        ];
        paths.extend(
            self.lists_by
                .iter()
                .map(|(path, _)| (format!("{path}1"), json)),
        );
        if self.name == "posts" {
            paths.push(("/api/posts/summary?thread=1".into(), json));
        }
        paths
    }

    /// The service's answer. It is checked for what all answers have.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        self.send(method, target, headers, Body::empty())
    }

    /// The same for a request with a body.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let response = self.runtime.block_on((self.answer)(request));
        self.check(&format!("{method} {target}"), &response);
        every_answer::check(self.document(), method, target, &response);
        response
    }

    pub fn get(&self, target: &str) -> Response {
        self.ask("GET", target, &[])
    }

    fn check(&self, request: &str, response: &Response) {
        assert_eq!(response.header("cache-control"), "no-cache", "{request}");
        assert_eq!(
            response.header("x-content-type-options"),
            "nosniff",
            "{request}"
        );
        let request_id = response.header("x-request-id");
        assert!(!request_id.is_empty(), "{request}");
        let closing = response.headers.contains_key("connection");
        assert_eq!(
            closing,
            self.lifecycle.phase() >= Phase::Draining,
            "{request}"
        );
        let failed = response.status.is_client_error() || response.status.is_server_error();
        if !failed || request.ends_with("/health/ready") {
            return;
        }
        assert_eq!(
            response.header("content-type"),
            "application/problem+json",
            "{request}"
        );
        let problem = response.json();
        let known = Problem::ALL
            .iter()
            .find(|known| problem["type"] == known.urn());
        let known = known.unwrap_or_else(|| panic!("{request}: unknown type in {problem}"));
        assert_eq!(problem["title"], known.title(), "{request}");
        assert_eq!(problem["status"], response.status.as_u16(), "{request}");
        assert_eq!(problem["requestId"], request_id, "{request}");
        assert_ne!(problem["detail"], "", "{request}");
    }
}

impl Response {
    /// A header that must be there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The last part of the problem's type.
    pub fn problem(&self) -> String {
        let problem = self.json();
        let urn = problem["type"].as_str().unwrap_or_default();
        urn.trim_start_matches("urn:forum:problem:").to_owned()
    }

    /// The records of a list.
    pub fn records(&self) -> Vec<Value> {
        assert_eq!(self.status, 200);
        match self.json() {
            Value::Array(records) => records,
            other => panic!("expected an array, got {other}"),
        }
    }
}
