//! Clients that read data that nobody changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::HeaderValue;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::{Ask, Client, Outcome};
use crate::report::Report;
use crate::system::System;

/// The body and the entity tag that each path must answer.
pub type Expected = BTreeMap<String, (Bytes, Option<HeaderValue>)>;

/// Asks a service for each path before there are faults, and compares the answers with its seed.
pub async fn learn(system: &Arc<System>, service: &'static str) -> Expected {
    let seed = system.seed(service);
    let mut paths: Vec<(String, Option<Value>)> = vec![
        (format!("/api/{service}"), Some(Value::from(seed.clone()))),
        (
            format!("/api/{service}?limit=2&after=1"),
            Some(seed[1..3].into()),
        ),
    ];
    for record in &seed[..5] {
        paths.push((
            format!("/api/{service}/{}", record["id"]),
            Some(record.clone()),
        ));
    }
    if service == "posts" {
        let of_thread = seed.iter().filter(|post| post["thread"] == 1).cloned();
        paths.push((
            "/api/posts/in-thread/1".to_owned(),
            Some(of_thread.collect::<Vec<_>>().into()),
        ));
    }
    paths.push((format!("/api/{service}/openapi.json"), None));
    let mut client = Client::new(Arc::clone(system), Duration::from_mins(1));
    let mut expected = Expected::new();
    for (path, json) in paths {
        let Outcome::Answer(answer) = client.ask(Ask::get(path.as_str())).await else {
            panic!("{path}: no answer");
        };
        assert_eq!(answer.status, 200, "{path}");
        assert!(json.is_none_or(|json| json == answer.json()), "{path}");
        let etag = answer.headers.get("etag").cloned();
        expected.insert(path, (answer.body, etag));
    }
    expected
}

/// One client of a service whose data nobody changes.
pub struct Reader {
    pub system: Arc<System>,
    pub service: &'static str,
    pub expected: Arc<Expected>,
    pub report: Arc<Report>,
    pub patience: Duration,
    pub rng: Rng,
}

impl Reader {
    pub async fn run(mut self, stop: CancellationToken) {
        let mut client = Client::new(Arc::clone(&self.system), self.patience);
        let of = (self.system.name, self.service);
        while !stop.is_cancelled() {
            let absent = self.rng.u8(..10) == 0;
            let path = if absent {
                format!("/api/{}/999999", self.service)
            } else {
                self.rng.choice(self.expected.keys()).cloned().unwrap()
            };
            match client.ask(Ask::get(path.as_str())).await {
                Outcome::Outage => self.report.outage(of),
                Outcome::Broken(reason) => self.report.unavailable(of, reason),
                Outcome::Answer(answer) if answer.status == 404 && absent => {
                    self.report.answered(of);
                }
                Outcome::Answer(answer) if answer.status == 200 && !absent => {
                    let (body, etag) = &self.expected[&path];
                    if *body != answer.body || answer.headers.get("etag") != etag.as_ref() {
                        self.report.wrong(format!("{path}: {answer:?}"));
                    }
                    self.report.answered(of);
                }
                Outcome::Answer(answer) if matches!(answer.status, 502..=504) => {
                    self.report.unavailable(of, format!("{path}: {answer:?}"));
                }
                Outcome::Answer(answer) => self.report.wrong(format!("{path}: {answer:?}")),
            }
            sleep(Duration::from_millis(self.rng.u64(2..15))).await;
        }
    }
}
