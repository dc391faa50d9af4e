//! Serves the forum's users.

use std::process::ExitCode;

use chassis::Service;
use common::User;

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: env!("CARGO_PKG_DESCRIPTION"),
};

fn main() -> ExitCode {
    chassis::run::<User>(SERVICE, |routes| routes)
}
