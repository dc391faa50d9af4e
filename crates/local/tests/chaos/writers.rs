//! Clients that create, change, delete and read records, and note what the collection must hold.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::client::{Ask, Client, Outcome};
use crate::model::{Content, Model, Record};
use crate::report::Report;
use crate::support::client::Answer;
use crate::system::System;

/// A writer creates no more records while it has so many.
const LIVE_MAX: usize = 20;

/// The member that writes set in a service's records.
pub fn member(service: &str) -> &'static str {
    match service {
        "users" => "name",
        "threads" => "title",
        _ => "text",
    }
}

/// The outcome of a write.
enum Written {
    /// It was done.
    Done(Answer),
    /// It was not done, and never will be.
    Refused,
    /// It may have been done: there was no answer, or a wrong one.
    Unknown,
}

/// One client of a writable service. No other client changes its records.
pub struct Writer {
    system: Arc<System>,
    service: &'static str,
    number: usize,
    report: Arc<Report>,
    client: Client,
    rng: Rng,
    /// How many contents it has made.
    contents: u64,
    model: Model,
}

impl Writer {
    pub fn new(
        system: &Arc<System>,
        service: &'static str,
        number: usize,
        report: &Arc<Report>,
        patience: Duration,
        rng: Rng,
    ) -> Self {
        Self {
            client: Client::new(Arc::clone(system), patience),
            system: Arc::clone(system),
            service,
            number,
            report: Arc::clone(report),
            rng,
            contents: 0,
            model: Model::default(),
        }
    }

    /// Writes until `stop` is cancelled. Returns what it knows of the collection.
    pub async fn run(mut self, stop: CancellationToken) -> Model {
        while !stop.is_cancelled() {
            let settled = self.model.records.iter();
            let live: Vec<_> = settled
                .filter(|(_, record)| matches!(record.known(), Some(Some(_))))
                .map(|(&id, _)| id)
                .collect();
            let chosen = self.rng.choice(&live).copied();
            match (self.rng.u8(..100), chosen) {
                (0..25, _) if live.len() < LIVE_MAX => self.create().await,
                (_, None) => self.create().await,
                (0..50, _) => self.read().await,
                (50..70, Some(id)) => self.change(id, Method::PATCH).await,
                (70..80, Some(id)) => self.change(id, Method::PUT).await,
                (80..95, Some(id)) => self.delete(id).await,
                (_, Some(id)) => self.change_if_other(id).await,
            }
            sleep(Duration::from_millis(self.rng.u64(2..15))).await;
        }
        self.model
    }

    fn of(&self) -> (&'static str, &'static str) {
        (self.system.name, self.service)
    }

    fn path(&self, id: u64) -> String {
        format!("/api/{}/{id}", self.service)
    }

    /// A content that no other write has. In posts it is long, so that a journal on a full disk soon
    /// uses up the space that it has reserved.
    fn content(&mut self) -> String {
        self.contents += 1;
        let short = format!("{}-{}-{}", self.service, self.number, self.contents);
        match self.service {
            "posts" => short + &" x".repeat(self.rng.usize(2_500..4_900)),
            _ => short,
        }
    }

    fn record(&self, content: &str) -> Value {
        match self.service {
            // The username must be unique, and so is the content.
            "users" => json!({"username": content, "name": content, "bio": ""}),
            "threads" => json!({"title": content, "createdBy": 1}),
            _ => json!({"thread": 1, "text": content, "user": 1}),
        }
    }

    async fn write(&mut self, method: Method, path: String, body: Option<Value>) -> Written {
        let expected = match method {
            Method::POST => 201,
            Method::DELETE => 204,
            _ => 200,
        };
        let what = format!("{method} {path}");
        let asked = Ask {
            method,
            path,
            if_match: None,
            body: body.map(|body| body.to_string()),
            token_of: Some(self.service),
        };
        match self.client.ask(asked).await {
            Outcome::Outage => self.report.outage(self.of()),
            Outcome::Broken(reason) => self.report.unavailable(self.of(), reason),
            Outcome::Answer(answer) if answer.status == expected => {
                self.report.answered(self.of());
                return Written::Done(answer);
            }
            Outcome::Answer(answer) if matches!(answer.status, 502..=504) => {
                let refused = answer.status == 503;
                let reason = format!("{what}: {answer:?}");
                self.report.unavailable(self.of(), reason);
                if refused {
                    return Written::Refused;
                }
            }
            Outcome::Answer(answer) => self.report.wrong(format!("{what}: {answer:?}")),
        }
        Written::Unknown
    }

    /// Reports an answer that is not the record with this content.
    fn check(&self, what: &str, answer: &Answer, content: &str) {
        if answer.json()[member(self.service)] != content {
            let wrong = format!("{what} did not answer {content:?}: {answer:?}");
            self.report.wrong(wrong);
        }
    }

    async fn create(&mut self) {
        let content = self.content();
        let body = self.record(&content);
        let path = format!("/api/{}", self.service);
        match self.write(Method::POST, path, Some(body)).await {
            Written::Refused => {}
            Written::Unknown => drop(self.model.maybe.insert(content)),
            Written::Done(answer) => {
                self.check("POST", &answer, &content);
                let id = answer.json()["id"].as_u64().unwrap_or_default();
                let record = Record::new(Some(content));
                if self.model.records.insert(id, record).is_some() {
                    self.report.wrong(format!("id {id} was given twice"));
                }
            }
        }
    }

    async fn change(&mut self, id: u64, method: Method) {
        let content = self.content();
        let mut body = self.record(&content);
        if method == Method::PATCH {
            body = json!({ member(self.service): content });
        } else if self.service == "users" {
            body["username"] = format!("changed-{id}").into();
        }
        let written = self.write(method.clone(), self.path(id), Some(body)).await;
        if let Written::Done(answer) = &written {
            self.check(method.as_str(), answer, &content);
        }
        self.note(id, &written, Some(content));
    }

    async fn delete(&mut self, id: u64) {
        let written = self.write(Method::DELETE, self.path(id), None).await;
        self.note(id, &written, None);
    }

    fn note(&mut self, id: u64, written: &Written, content: Content) {
        let record = self.model.records.get_mut(&id).unwrap();
        match written {
            Written::Done(_) => record.acknowledged(content),
            Written::Refused => {}
            Written::Unknown => record.unknown(content),
        }
    }

    /// A change whose `If-Match` does not match.
    async fn change_if_other(&mut self, id: u64) {
        let body = json!({ member(self.service): self.content() });
        let asked = Ask {
            method: Method::PATCH,
            path: self.path(id),
            if_match: Some("\"another\""),
            body: Some(body.to_string()),
            token_of: Some(self.service),
        };
        match self.client.ask(asked).await {
            Outcome::Outage => self.report.outage(self.of()),
            Outcome::Broken(reason) => self.report.unavailable(self.of(), reason),
            Outcome::Answer(answer) => match answer.status {
                412 => self.report.answered(self.of()),
                502..=504 => self.report.unavailable(self.of(), format!("{answer:?}")),
                _ => self.report.wrong(format!("If-Match: {answer:?}")),
            },
        }
    }

    /// Reads one of its records, whatever is known of it.
    async fn read(&mut self) {
        let Some(id) = self.rng.choice(self.model.records.keys()).copied() else {
            return;
        };
        let (member, path) = (member(self.service), self.path(id));
        match self.client.ask(Ask::get(path.as_str())).await {
            Outcome::Outage => self.report.outage(self.of()),
            Outcome::Broken(reason) => self.report.unavailable(self.of(), reason),
            Outcome::Answer(answer) => {
                let content = match answer.status {
                    200 => answer.json()[member].as_str().map(str::to_owned),
                    404 => None,
                    502..=504 => {
                        let reason = format!("{path}: {answer:?}");
                        return self.report.unavailable(self.of(), reason);
                    }
                    _ => return self.report.wrong(format!("{path}: {answer:?}")),
                };
                let record = self.model.records.get_mut(&id).unwrap();
                let expected = record.clone();
                if !record.seen(&content) {
                    let wrong = format!("{path}: {answer:?}, expected {expected:?}");
                    self.report.wrong(wrong);
                }
                self.report.answered(self.of());
            }
        }
    }
}
