//! Serves the forum's posts, also by thread and by user, and summaries of both.

use std::process::ExitCode;

use chassis::Service;
use common::Post;

const SERVICE: Service = Service {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    about: env!("CARGO_PKG_DESCRIPTION"),
};

fn main() -> ExitCode {
    chassis::run::<Post>(SERVICE, |routes| {
        routes
            .list_by("thread", "in-thread")
            .list_by("user", "by-user")
            .summary_by(&["thread", "user"], "summary")
    })
}
