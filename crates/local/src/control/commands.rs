//! The way to a running cluster: a Unix socket that takes one request a connection.
//!
//! Both sides speak one line of JSON.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::control::status::ClusterStatus;

/// What `local restart`, `local scale` and `local status` ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Replace every task of a service.
    Restart(String),
    /// Change how many tasks of a service should run.
    Scale(String, usize),
    /// Describe the cluster.
    Status,
}

/// What the cluster says. An error is for a person to read.
pub type Answer = Result<Success, String>;

/// A request that went well.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Success {
    /// What was done.
    Done(String),
    /// How things stand.
    Status(Box<ClusterStatus>),
}

/// Clients that have not asked yet. One more closes the one that has kept us waiting longest.
const ASKING_MAX: usize = 64;

/// How long a client may take to ask, and then to take its answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The socket of a running cluster; its file goes with it.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Clients that have connected and may be about to ask.
    asking: JoinSet<Option<(Connection, Request)>>,
    /// The same ones, the longest there first.
    waits: VecDeque<AbortHandle>,
}

impl Control {
    /// Listens at `path`.
    ///
    /// # Errors
    /// When another cluster does, or the socket cannot be made there.
    pub async fn bind(path: &Path) -> Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            bail!(
                "a cluster is running already (its socket is {}): stop it, or give this one --socket",
                path.display()
            );
        }
        // What a cluster left behind that had no time to clean up.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot replace the socket {}", path.display()));
            }
            _ => {}
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {} for the socket", directory.display()))?;
        }
        let listener = UnixListener::bind(path).with_context(|| {
            format!(
                "cannot make the socket {}: choose another place with --socket",
                path.display()
            )
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            asking: JoinSet::new(),
            waits: VecDeque::new(),
        })
    }

    /// The next request, and who asks. Clients that ask nothing keep nobody waiting. Nothing is
    /// lost when this is dropped before it is done.
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
        // Gone already, or in the way of nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A client of the socket.
pub struct Connection(UnixStream);

impl Connection {
    /// What it asks; nothing when it asks nothing that can be understood, or too late.
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
            // The client may have left, or not read.
            let _ = timeout(PATIENCE, self.0.write_all(&line)).await;
        }
    }
}

/// Asks the cluster whose socket is at `path`, and waits for its answer.
///
/// # Errors
/// When there is none, or it refuses.
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
