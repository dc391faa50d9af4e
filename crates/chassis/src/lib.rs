//! What every service of the forum is built on: configuration, the routes of a
//! collection, problems, health, metrics, logs, start and
//! shutdown. A service names its model and adds the routes that only it has.

mod api;
mod app;
mod commands;
mod config;
mod cors;
#[cfg(fuzzing)]
pub mod fuzzing;
mod identity;
mod lifecycle;
mod memory;
mod mode;
mod path;
mod problem;
mod router;
mod run;
mod server;
mod telemetry;
mod write_room;

pub use app::{App, Service};
pub use config::UserSettings;
pub use cors::Origins;
pub use identity::{caller::Identity, token::Token};
pub use lifecycle::{Lifecycle, Phase};
pub use mode::{Mode, ReadOnly};
pub use router::{Router, Routes};
pub use run::run;
pub use telemetry::exchange::ObservedBody;
pub use telemetry::log::Sink;
