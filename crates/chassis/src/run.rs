//! From the command line to the exit code.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches};
use common::Model;
use store::{Store, WriteLock};
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::{
    app::{App, Service},
    commands::{healthcheck, verify},
    config::{Arguments, Command, Config, Limits},
    identity::caller::Identity,
    lifecycle::{self, Signals},
    mode::{self, Mode},
    router::Routes,
    server::{self, descriptors},
    telemetry::log::{self, Sink},
};

/// Runs a service of `M`. `complete` adds the routes that only this service has. Returns when the
/// service has stopped or cannot start; standard error then says why.
pub fn run<M: Model>(service: Service, complete: fn(Routes<M>) -> Routes<M>) -> ExitCode {
    let arguments = parse(service);
    let ran = match arguments.command {
        Some(Command::Verify) => verify::verify::<M>(&arguments.config),
        Some(Command::Healthcheck) => healthcheck::check(&arguments.config),
        None => serve(service, &arguments.config, complete),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", service.name);
            ExitCode::FAILURE
        }
    }
}

fn parse(service: Service) -> Arguments {
    let version = format!("{} ({})", service.version, Service::REVISION);
    let matches = Arguments::command()
        .name(service.name)
        .version(version)
        .about(service.about)
        .get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn serve<M: Model>(
    service: Service,
    config: &Config,
    complete: fn(Routes<M>) -> Routes<M>,
) -> anyhow::Result<()> {
    let sink = log::install(service.name)?;
    // Each service has a fraction of a core: a second thread would only add switches.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(live(service, config, complete, &sink));
    // Tasks that are left have had their time: they are dropped.
    runtime.shutdown_background();
    if served.is_ok() {
        tracing::info!("stopped");
    }
    sink.flush();
    served
}

/// The whole life of a service.
async fn live<M: Model>(
    service: Service,
    config: &Config,
    complete: fn(Routes<M>) -> Routes<M>,
    sink: &Sink,
) -> anyhow::Result<()> {
    let mut signals = Signals::new(config.exit_with_stdin).context("cannot take over signals")?;
    let settings = config.clone();
    let prepared = tokio::select! {
        // On a thread of its own, which the end of the process does not wait for: a disk may hang,
        // and the token's file may be a pipe.
        prepared = spawn_blocking(move || prepare(&settings)) => prepared??,
        signal = signals.next() => {
            tracing::info!(signal, "stopping before the start");
            return Ok(());
        }
    };
    let (identity, mode, lock) = prepared;
    let address = config.address();
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another port with --port or PORT")
    })?;
    let app = App::<M>::new(
        service,
        sink.clone(),
        mode,
        identity,
        config.cors_origins.clone(),
    );
    let router = Arc::new(complete(Routes::new(app.clone())).into_router());
    let service_for = |peer, activity| router.for_connection(peer, activity);
    tracing::info!(addr = %listener.local_addr()?, "listening");
    let mut limits = Limits::new(config);
    limits.max_connections = descriptors::raise_limit(limits.max_connections);
    let lifecycle = app.lifecycle();
    let living = async {
        let follow = async {
            app.identity().follow_user_keys().await;
            Ok(())
        };
        tokio::try_join!(load(&app, config, lock), follow).map(drop)
    };
    let served = async {
        tokio::select! {
            () = server::serve(listener, service_for, &limits, lifecycle) => {}
            failed = living => return failed,
        }
        if let Some(store) = app.loaded() {
            store.close().await?;
        }
        Ok(())
    };
    tokio::select! {
        served = served => served,
        // Does not wait for the store to close, since the disk may hang: acknowledged writes are
        // in the journal, which the next start folds.
        () = lifecycle::end(lifecycle, signals, config.drain_delay) => {
            if app.mode().writable() && app.loaded().is_some() {
                let db = config.db.display();
                bail!(
                    "stopped at once: {db} alone may be no complete backup, keep {db}.journal \
                     beside it"
                );
            }
            Ok(())
        }
    }
}

/// Reads who may write, and takes the collection's file if this process writes it.
fn prepare(config: &Config) -> anyhow::Result<(Identity, Mode, Option<WriteLock>)> {
    let identity = Identity::configured(config)?;
    let (mode, lock) = mode::choose(config, &identity)?;
    Ok((identity, mode, lock))
}

/// Loads the collection. Meanwhile, health checks are answered.
async fn load<M: Model>(
    app: &App<M>,
    config: &Config,
    lock: Option<WriteLock>,
) -> anyhow::Result<()> {
    let path = config.db.clone();
    let bytes_max = config.collection_bytes_max();
    let open = move || match lock {
        Some(lock) => Store::open_writable(lock, bytes_max),
        None => Store::open(&path, bytes_max),
    };
    let store = spawn_blocking(open).await??;
    let records = store.status().await?.records;
    app.ready(store);
    tracing::info!(records, db = %config.db.display(), mode = app.mode().name(), "ready");
    Ok(())
}
