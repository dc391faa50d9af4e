//! The Unix socket of a running cluster, from both sides. Each connection carries one request and one
//! answer, both a line of JSON.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::control::status::ClusterStatus;

/// A request from `local restart`, `local scale`, `local status` or `local token`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Replace every task of a service.
    Restart(String),
    /// Change how many tasks of a service should run.
    Scale(String, usize),
    /// Describe the cluster.
    Status,
    /// Sign a token.
    Token(TokenRequest),
}

/// Who a token is for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// The id of the user.
    pub user: u64,
    /// Whether the user may moderate.
    pub moderator: bool,
    /// How long the token is valid.
    pub lifetime: Duration,
}

/// The cluster's answer. An error is a message for a person.
pub type Answer = Result<Success, String>;

/// A request that went well.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Success {
    /// What was done, or the token.
    Done(String),
    /// The state of the cluster.
    Status(Box<ClusterStatus>),
}

/// The most clients that have not sent their request. One more closes the one that is open longest.
const ASKING_MAX: usize = 64;

/// How long a client may take to send its request, and then to read its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The socket of a running cluster. Dropping this removes the socket's file.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Clients that have connected and have not sent their request.
    asking: JoinSet<Option<(Connection, Request)>>,
    /// The same clients, the one that is open longest first.
    waits: VecDeque<AbortHandle>,
}

impl Control {
    /// Listens at `path`.
    ///
    /// # Errors
    /// When another cluster listens there, or the socket cannot be made.
    pub async fn bind(path: &Path) -> Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            bail!(
                "a cluster is running already (its socket is {}): stop it, or give this one --socket",
                path.display()
            );
        }
        // A cluster that was killed could not remove its socket.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot replace the socket {}", path.display()));
            }
            _ => {}
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {} for the socket", directory.display()))?;
        }
        let listener = UnixListener::bind(path).with_context(|| {
            format!(
                "cannot make the socket {}: choose another place with --socket",
                path.display()
            )
        })?;
        // Whoever can connect can write as every user.
        fs::set_permissions(path, Permissions::from_mode(0o600))
            .with_context(|| format!("cannot restrict the socket {}", path.display()))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            asking: JoinSet::new(),
            waits: VecDeque::new(),
        })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next request and the client that sent it. A client that sends none delays no
    /// other. The future may be dropped at any time without losing a request.
    pub async fn next(&mut self) -> (Connection, Request) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(Connection(stream)),
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(asked) = self.asking.join_next() => {
                    if let Ok(Some(asked)) = asked {
                        return asked;
                    }
                }
            }
        }
    }

    fn admit(&mut self, mut client: Connection) {
        self.waits.retain(|wait| !wait.is_finished());
        if self.waits.len() >= ASKING_MAX
            && let Some(longest) = self.waits.pop_front()
        {
            longest.abort();
        }
        let wait = self.asking.spawn(async move {
            let request = client.request().await?;
            Some((client, request))
        });
        self.waits.push_back(wait);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If it cannot be removed, the next cluster replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// A client of the socket.
pub struct Connection(UnixStream);

impl Connection {
    /// Reads its request. Returns `None` when it is late or cannot be understood.
    async fn request(&mut self) -> Option<Request> {
        const REQUEST_BYTES_MAX: u64 = 4096;
        let mut line = String::new();
        let mut reader = BufReader::new((&mut self.0).take(REQUEST_BYTES_MAX));
        timeout(PATIENCE, reader.read_line(&mut line))
            .await
            .ok()?
            .ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Answers it.
    pub async fn answer(mut self, answer: &Answer) {
        if let Ok(mut line) = serde_json::to_vec(answer) {
            line.push(b'\n');
            // The client may have closed the connection, or may not read.
            let _ = timeout(PATIENCE, self.0.write_all(&line)).await;
        }
    }
}

/// Asks the cluster whose socket is at `path`, and waits for its answer.
///
/// # Errors
/// When no cluster is running there, or it refuses the request.
pub async fn ask(path: &Path, request: &Request) -> Result<Success> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) => bail!(
            "no cluster is running here: cannot reach its socket {} ({error}); start it with `cargo run`",
            path.display()
        ),
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream
        .write_all(&line)
        .await
        .context("cannot ask the cluster")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .context("cannot read the cluster's answer")?;
    let answer: Answer =
        serde_json::from_str(&answer).context("the cluster stopped before it answered")?;
    answer.map_err(anyhow::Error::msg)
}
