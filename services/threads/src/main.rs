//! Serves the forum's threads.

use std::process::ExitCode;

use chassis::Service;
use common::Thread;

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: env!("CARGO_PKG_DESCRIPTION"),
};

fn main() -> ExitCode {
    chassis::run::<Thread>(SERVICE, |routes| routes)
}
