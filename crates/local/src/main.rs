//! `local`: the forum on one machine. `cargo run` starts it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use local::config::{self, Command, Config, ControlArgs};
use local::control::socket::{self, Request, Success, TokenRequest};
use local::event::Events;
use local::terminal::printer::Printer;
use local::{cluster, ecs::program, standalone, terminal::table};
use rustix::process::{Resource, getrlimit, setrlimit};

fn main() -> ExitCode {
    match run(Config::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<()> {
    raise_descriptor_limit();
    let printer = Printer::start();
    let print = printer.writer();
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(async {
            match config.command {
                None => {
                    let events = Events::new(config.cluster.listener.logs, printer.event_writer());
                    cluster::run(config.cluster, events, print).await
                }
                Some(Command::Alb { targets, listener }) => {
                    let events = Events::new(listener.logs, printer.event_writer());
                    standalone::run(targets, listener, events, print).await
                }
                Some(Command::Healthcheck { port }) => standalone::healthcheck(port).await,
                Some(Command::Restart { name, control }) => {
                    rebuild(&name).await?;
                    ask(control, Request::Restart(name), print).await
                }
                Some(Command::Scale {
                    count: (name, desired),
                    control,
                }) => ask(control, Request::Scale(name, desired), print).await,
                Some(Command::Token {
                    user,
                    moderator,
                    lifetime,
                    control,
                }) => {
                    let request = TokenRequest {
                        user,
                        moderator,
                        lifetime,
                    };
                    ask(control, Request::Token(request), print).await
                }
                Some(Command::Status { control }) => ask(control, Request::Status, print).await,
            }
        });
    printer.finish();
    result
}

/// Sends a request to the running cluster, and prints its answer.
async fn ask(control: ControlArgs, request: Request, print: impl Fn(String)) -> Result<()> {
    let path = match control.socket {
        Some(socket) => socket,
        None => cluster::socket(None, &config::root(None)?),
    };
    match socket::ask(&path, &request).await? {
        Success::Done(text) => print(format!("{text}\n")),
        Success::Status(status) => print(table::draw(&status)),
    }
    Ok(())
}

/// When cargo has started this program, has cargo build what the new tasks will run.
async fn rebuild(service: &str) -> Result<()> {
    let root: PathBuf = config::root(None)?;
    if std::env::var_os("CARGO").is_none() {
        return Ok(());
    }
    if !root.join("services").join(service).is_dir() {
        bail!(
            "no service {service:?} in {}",
            root.join("services").display()
        );
    }
    program::find(&[service], &root, None).await.map(drop)
}

/// Raises the limit of descriptors. Each connection needs one, and the usual soft limit is 1024.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If this fails, fewer clients are served.
    let _ = setrlimit(Resource::Nofile, limit);
}
