//! A client that goes on after the cluster was down for a while.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use tokio::time::timeout;

use crate::support::client::{self, Answer};
use crate::system::{Running, System};

/// What a client sends.
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub if_match: Option<&'static str>,
    pub body: Option<String>,
    /// The service whose token it sends.
    pub token_of: Option<&'static str>,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            if_match: None,
            body: None,
            token_of: None,
        }
    }
}

/// The outcome of a request.
pub enum Outcome {
    Answer(Answer),
    /// No answer, for this reason.
    Broken(String),
    /// No answer or a 5xx, and the cluster was stopped meanwhile.
    Outage,
}

/// A client with one connection at a time.
pub struct Client {
    system: Arc<System>,
    patience: Duration,
    connection: Option<(u64, client::Client)>,
}

impl Client {
    pub fn new(system: Arc<System>, patience: Duration) -> Self {
        Self {
            system,
            patience,
            connection: None,
        }
    }

    pub async fn ask(&mut self, ask: Ask) -> Outcome {
        let running = self.system.running().await;
        let answer = timeout(self.patience, self.attempt(&running, ask)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("none within {:?}", self.patience)));
        let ended = || self.system.generation() != running.generation;
        match answer {
            Ok(answer) if answer.status >= 500 && ended() => Outcome::Outage,
            Ok(answer) => Outcome::Answer(answer),
            Err(reason) => {
                self.connection = None;
                if ended() {
                    Outcome::Outage
                } else {
                    Outcome::Broken(reason)
                }
            }
        }
    }

    async fn attempt(&mut self, running: &Running, ask: Ask) -> Result<Answer, String> {
        let mut kept = self.connection.take();
        kept = kept.filter(|(generation, _)| *generation == running.generation);
        let connected = match kept {
            Some((_, client)) if !client.is_closed() => client,
            _ => client::Client::connect(running.addr)
                .await
                .map_err(|error| error.to_string())?,
        };
        let (_, client) = self.connection.insert((running.generation, connected));
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header("host", "forum");
        if let Some(if_match) = ask.if_match {
            request = request.header("if-match", if_match);
        }
        if let Some(service) = ask.token_of {
            request = request.header(
                "authorization",
                format!("Bearer {}", running.tokens[service]),
            );
        }
        if ask.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = Full::from(ask.body.unwrap_or_default());
        let request = request.body(body).map_err(|error| error.to_string())?;
        client
            .send(request)
            .await
            .map_err(|error| format!("{error:?}"))
    }
}
