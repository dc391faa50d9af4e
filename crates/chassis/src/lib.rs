//! What every service of the forum is built on: configuration, the routes of a
//! collection, problems, health, metrics, logs, and a life from start to
//! shutdown. A service names its model and adds the routes that only it has.

mod app;
mod auth;
mod body;
mod collection;
mod conditional;
mod config;
mod connections;
mod descriptors;
mod entity_tag;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod health;
mod healthcheck;
mod lifecycle;
mod list_body;
mod log;
mod log_line;
mod memory;
mod metrics;
mod observe;
mod openapi;
mod problem;
mod query;
mod reader;
mod request_id;
mod rest;
mod room;
mod routes;
mod run;
mod schema;
mod secret_file;
mod server;
mod socket;
mod verify;
mod writes;
mod writing;

pub use app::{App, Service};
pub use auth::Token;
pub use config::{Config, Limits};
pub use lifecycle::{Lifecycle, Phase};
pub use log::Sink;
pub use metrics::Metrics;
pub use observe::{Observe, ObservedBody};
pub use routes::Routes;
pub use run::run;
