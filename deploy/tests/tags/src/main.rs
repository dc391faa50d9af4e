//! Serves the forum's tags, also by thread, and summaries of threads.

use std::process::ExitCode;

use chassis::Service;
use common::Tag;

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: env!("CARGO_PKG_DESCRIPTION"),
};

fn main() -> ExitCode {
    chassis::run::<Tag>(SERVICE, |routes| {
        routes
            .list_by("thread", "in-thread")
            .summary_by(&["thread"], "summary")
    })
}
