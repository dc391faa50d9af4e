//! The cluster: starts the services' schedulers and the load balancer, and stops them in order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::alb::listen_socket::ListenSocket;
use crate::alb::listener::Listener;
use crate::alb::proxy::forward::{Proxy, Timeouts};
use crate::alb::wire::connections::Limits;
use crate::config::{self, ClusterArgs};
use crate::control::socket::{Answer, Control, Request, Success};
use crate::control::status::{self, ClusterStatus};
use crate::ecs::scheduler::{Order, Outcome, Scheduler, propagate};
use crate::ecs::task::TaskDefinition;
use crate::event::Events;
use crate::issuer::Issuer;
use crate::signals::Signals;
use crate::topology::{self, ServiceDefinition, no_service};
use crate::{
    alb::proxy::server,
    ecs::{data, program},
    keys,
    terminal::table,
};

/// When the cluster ends, how long requests may take to finish, and then how long tasks may take to
/// stop. It is shorter than ECS's stop timeout on purpose, because somebody waits for the prompt.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How many requests over the socket may be under way. One more waits. A restart takes as long as its
/// tasks need.
const ANSWERING_MAX: usize = 64;

/// The path of a cluster's socket.
#[must_use]
pub fn socket(given: Option<PathBuf>, root: &Path) -> PathBuf {
    given.unwrap_or_else(|| root.join("target/local.sock"))
}

/// Runs the cluster until a signal ends it, or forever. A second signal ends it at once.
///
/// `print` writes text for people: the table, and the commands that they may use next.
///
/// # Errors
/// When it cannot start. A service that does not start is an event, not an error.
pub async fn run(args: ClusterArgs, events: Events, print: impl Fn(String)) -> Result<()> {
    let mut signals = Signals::new()?;
    let starting = Cluster::start(args, events, &print);
    let mut cluster = tokio::select! {
        cluster = starting => cluster?,
        () = signals.next() => return Ok(()),
    };
    tokio::select! {
        () = cluster.operate(&print) => {}
        () = signals.next() => {}
    }
    tokio::select! {
        () = cluster.stop() => {}
        () = signals.next() => {}
    }
    Ok(())
}

struct Cluster {
    url: String,
    note: Option<String>,
    definitions: Vec<ServiceDefinition>,
    proxy: Arc<Proxy>,
    limits: Limits,
    listen_socket: Option<ListenSocket>,
    control: Control,
    /// In the order of the rules.
    services: Vec<(String, mpsc::Sender<Order>)>,
    schedulers: JoinSet<()>,
    tokens: Vec<(String, String)>,
    /// Signs user tokens, if the cluster is writable.
    issuer: Option<Issuer>,
    serving: JoinSet<()>,
    stop_serving: CancellationToken,
    /// Becomes true when the table is printed. Before that, only warnings and failures are printed.
    table_shown: Arc<AtomicBool>,
}

impl Cluster {
    /// Reads the topology, has the programs built, and starts the schedulers.
    async fn start(args: ClusterArgs, events: Events, print: &impl Fn(String)) -> Result<Self> {
        let root = config::root(args.listener.root)?;
        let mut definitions = topology::load(&root.join("deploy/services"))?;
        apply_counts(&mut definitions, &args.count, args.writable)?;
        let names: Vec<&str> = definitions
            .iter()
            .map(|definition| definition.name.as_str())
            .collect();
        let mut programs = program::find(&names, &root, args.bin_dir.as_deref()).await?;

        let listen_socket = ListenSocket::open(args.listener.host, args.listener.port).await?;
        let issuer = args.writable.then(|| Issuer::start(&root, &names));
        let issuer = issuer.transpose()?;
        let control = Control::bind(&socket(args.control.socket, &root)).await?;
        let table_shown = Arc::new(AtomicBool::new(false));
        let events = events.quiet_until(Arc::clone(&table_shown));
        let mut schedulers = JoinSet::new();
        let (mut services, mut rules, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
        for definition in &definitions {
            let name = definition.name.clone();
            let group = definition.target_group();
            rules.push(definition.rule(Arc::clone(&group)));
            let program = programs
                .remove(&name)
                .context("a service without a program")?;
            let (mut task, token) = task_definition(&root, &name, program, issuer.as_ref())?;
            let origins = args.cors_origins.as_ref().map(OsString::from);
            task.environment
                .extend(origins.map(|origins| ("CORS_ORIGINS", origins)));
            tokens.extend(token.map(|token| (name.clone(), token)));
            let (orders, inbox) = mpsc::channel(16);
            let desired = definition.desired_count as usize;
            schedulers.spawn(Scheduler::run(group, task, desired, events.clone(), inbox));
            services.push((name, orders));
        }
        let url = listen_socket.url()?;
        print(format!("starting {} behind {url}\n", names.join(", ")));
        Ok(Self {
            note: listen_socket.note.clone(),
            url,
            proxy: Arc::new(Proxy {
                listener: Listener::new(rules),
                timeouts: Timeouts::default(),
                events,
            }),
            limits: Limits::new(args.listener.max_connections),
            definitions,
            listen_socket: Some(listen_socket),
            control,
            services,
            schedulers,
            tokens,
            issuer,
            serving: JoinSet::new(),
            stop_serving: CancellationToken::new(),
            table_shown,
        })
    }

    /// Waits for the services, then serves clients and carries out requests. Ends only when a scheduler
    /// panics.
    async fn operate(&mut self, print: &impl Fn(String)) {
        for (_, service) in &self.services {
            let (reply, outcome) = oneshot::channel();
            let _ = service.send(Order::WaitUntilSteady(reply)).await;
            // When one service fails to start, the others serve all the same.
            tokio::select! {
                _ = outcome => {}
                Some(end) = self.schedulers.join_next() => return propagate(end),
            }
        }
        if let Some(ListenSocket { listener, .. }) = self.listen_socket.take() {
            let (proxy, stop) = (Arc::clone(&self.proxy), self.stop_serving.clone());
            self.serving.spawn(server::serve(
                listener,
                proxy,
                self.limits,
                stop,
                END_TIMEOUT,
            ));
        }
        self.table_shown.store(true, Ordering::Relaxed);
        let status = self.status().await;
        print(format!("\n{}{}\n", table::draw(&status), self.next_steps()));

        let mut answering = JoinSet::new();
        loop {
            tokio::select! {
                (client, request) = self.control.next(), if answering.len() < ANSWERING_MAX => {
                    let reply = self.reply(request).await;
                    answering.spawn(async move { client.answer(&reply.answer().await).await });
                }
                Some(_) = answering.join_next() => {}
                Some(end) = self.schedulers.join_next() => return propagate(end),
            }
        }
    }

    /// Closes the clients' connections first, then stops the tasks.
    async fn stop(mut self) {
        self.stop_serving.cancel();
        drop(self.listen_socket);
        while self.serving.join_next().await.is_some() {}
        // The schedulers stop their tasks when the channels of their orders close.
        drop(self.services);
        let _ = timeout(END_TIMEOUT, async {
            while let Some(end) = self.schedulers.join_next().await {
                propagate(end);
            }
        })
        .await;
    }

    /// Answers a request, or passes it to its service.
    async fn reply(&self, request: Request) -> Reply {
        match request {
            Request::Status => {
                let status = Box::new(self.status().await);
                Reply::Now(Ok(Success::Status(status)))
            }
            Request::Token(request) => {
                let token = match &self.issuer {
                    Some(issuer) => issuer.token(request).map_err(|error| format!("{error:#}")),
                    None => {
                        Err("this cluster only reads: start it with --writable to write".to_owned())
                    }
                };
                Reply::Now(token.map(Success::Done))
            }
            Request::Restart(name) => self.order(&name, Order::Restart).await,
            Request::Scale(name, desired) => {
                let scale = |reply| Order::Scale(desired, reply);
                self.order(&name, scale).await
            }
        }
    }

    /// Sends an order to a service.
    async fn order(
        &self,
        service: &str,
        order: impl FnOnce(oneshot::Sender<Outcome>) -> Order,
    ) -> Reply {
        let Some((_, orders)) = self.services.iter().find(|(name, _)| name == service) else {
            return Reply::Now(Err(no_service(service, &self.definitions)));
        };
        let (reply, outcome) = oneshot::channel();
        let _ = orders.send(order(reply)).await;
        Reply::Later(outcome)
    }

    async fn status(&self) -> ClusterStatus {
        let mut services = Vec::new();
        for (_, service) in &self.services {
            let (reply, status) = oneshot::channel();
            let _ = service.send(Order::Describe(reply)).await;
            services.extend(status.await);
        }
        ClusterStatus {
            url: self.url.clone(),
            rules: status::rules(&self.proxy.listener),
            services,
            cloud_only: status::cloud_only(&self.definitions),
        }
    }

    /// The commands that a person may want to use next.
    fn next_steps(&self) -> String {
        let note = self.note.iter().map(|note| format!("{note}\n"));
        let tokens = self
            .tokens
            .iter()
            .map(|(name, token)| format!("export {}={token}\n", variable(name)));
        let write = self.tokens.first().map(|(name, _)| {
            format!(
                "curl {}/api/{name}/1 -X PATCH --json '{{}}' \\\n  --oauth2-bearer ${}\n",
                self.url,
                variable(name)
            )
        });
        let people = self.issuer.iter().map(|_| {
            let token = format!("{} token", program::command_line());
            let socket = socket_argument(self.control.path());
            format!(
                "export USER_TOKEN=$({token} --user 1{socket})\n\
                 export MODERATOR_TOKEN=$({token} --user 2 --moderator{socket})\n"
            )
        });
        let lines: String = note.chain(tokens).chain(people).chain(write).collect();
        if lines.is_empty() {
            lines
        } else {
            format!("\n{lines}")
        }
    }
}

/// What a printed command needs besides to find the cluster with this socket: nothing, or a line of
/// its own.
fn socket_argument(path: &Path) -> String {
    if config::root(None).is_ok_and(|root| path == socket(None, &root)) {
        return String::new();
    }
    // The command may be typed in another directory.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!(" \\\n  --socket '{}'", path.display())
}

/// The shell variable for a service's token.
fn variable(service: &str) -> String {
    format!("{}_TOKEN", service.to_uppercase().replace('-', "_"))
}

/// The answer to a request.
enum Reply {
    Now(Answer),
    /// When the service has carried out its order.
    Later(oneshot::Receiver<Outcome>),
}

impl Reply {
    async fn answer(self) -> Answer {
        match self {
            Self::Now(answer) => answer,
            Self::Later(outcome) => match outcome.await {
                Ok(outcome) => outcome.map(Success::Done),
                Err(_) => Err("the cluster stopped meanwhile".to_owned()),
            },
        }
    }
}

/// How the tasks of a service are started. With an issuer they are writable, and the write token that
/// they accept is returned, too.
fn task_definition(
    root: &Path,
    service: &str,
    program: PathBuf,
    issuer: Option<&Issuer>,
) -> Result<(TaskDefinition, Option<String>)> {
    let Some(issuer) = issuer else {
        let task = TaskDefinition {
            program,
            db: data::seed(root, service),
            writable: false,
            environment: Vec::new(),
        };
        return Ok((task, None));
    };
    let db = data::writable(root, service)?;
    let (token, file) = keys::write_token(root, service)?;
    let write_token = ("WRITE_TOKEN_FILE", file.into());
    let environment = issuer.environment(service).into_iter();
    let task = TaskDefinition {
        program,
        db,
        writable: true,
        environment: environment.chain([write_token]).collect(),
    };
    Ok((task, Some(token)))
}

fn apply_counts(
    definitions: &mut [ServiceDefinition],
    counts: &[(String, usize)],
    writable: bool,
) -> Result<()> {
    if writable {
        ensure!(
            counts.is_empty(),
            "--count and --writable exclude each other: a writable service has one task"
        );
        for definition in definitions.iter_mut() {
            definition.desired_count = 1;
        }
    }
    for (name, count) in counts {
        let Some(definition) = definitions
            .iter_mut()
            .find(|definition| definition.name == *name)
        else {
            anyhow::bail!("--count {name}={count}: {}", no_service(name, definitions));
        };
        definition.desired_count = u32::try_from(*count).context("--count")?;
    }
    Ok(())
}
