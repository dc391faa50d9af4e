//! What an operator can set.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

mod parse;
mod users;

use self::parse::{duration, expecting};
pub use self::users::UserSettings;
use crate::{cors::Origins, memory};

/// The memory divided by this is the default for the largest size of the records. A start takes
/// up to four and a half times the bytes of the records: for the text that it reads (`db.json`,
/// then a journal half as long again), for what it parses, for the records and for their
/// indexes. The rest is for connections.
const COLLECTION_SHARE: u64 = 6;

/// The command line of a service.
#[derive(Debug, Parser)]
#[command(after_help = "Environment alone:
  WRITE_TOKEN  Token for writing, instead of a file that holds it. Prefer the file: root and
               this user can read the environment in /proc/PID/environ, and child processes
               inherit it
  WRITE_TOKEN_NEXT  The same for the second token
  RUST_LOG     What is logged, such as info, debug or warn,access=info [default: info]")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub config: Config,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What a service does instead of serving.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Check the collection's files and say what they hold; changes nothing
    Verify,
    /// Ask the service that runs on this port whether it is alive: exit code 0 if it is
    Healthcheck,
}

/// What an operator can set, by flag or environment variable.
#[derive(Debug, Clone, Args)]
pub(crate) struct Config {
    /// Port to listen on; 0 lets the system choose
    #[arg(long, env, global = true, default_value = "3000", value_parser = expecting::<u16>("a port from 0 to 65535"))]
    pub port: u16,

    /// Address to listen on
    #[arg(long, env, default_value = "0.0.0.0", value_parser = expecting::<IpAddr>("an IP address such as 0.0.0.0 or ::"))]
    pub host: IpAddr,

    /// File that holds the collection
    #[arg(
        long,
        global = true,
        env = "DB_PATH",
        value_name = "FILE",
        default_value = "db.json"
    )]
    pub db: PathBuf,

    /// File that holds the token for writing: 16 visible ASCII characters or more. `WRITE_TOKEN`
    /// can hold the token itself. Without a token the service is read-only
    #[arg(long, env = "WRITE_TOKEN_FILE", value_name = "FILE")]
    pub write_token_file: Option<PathBuf>,

    /// File that holds a second token for writing, while clients change from one to the other.
    /// `WRITE_TOKEN_NEXT` can hold the token itself
    #[arg(long, env = "WRITE_TOKEN_NEXT_FILE", value_name = "FILE")]
    pub write_token_next_file: Option<PathBuf>,

    /// How long requests are still served after SIGTERM, such as 5s
    #[arg(long, env, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub drain_delay: Duration,

    /// Connections at a time. One more closes the connection that has been idle longest, or else
    /// one whose client is slow to read
    #[arg(long, env, value_name = "NUMBER", default_value = "2000", value_parser = expecting::<NonZeroUsize>("a number from 1 on"))]
    pub max_connections: NonZeroUsize,

    /// Bytes that the list of all records may have. A write that would exceed them is refused
    /// [default: a sixth of the memory that the service may use]
    #[arg(long, env, value_name = "BYTES", value_parser = expecting::<NonZeroU64>("a number of bytes from 1 on"))]
    pub max_collection_bytes: Option<NonZeroU64>,

    /// Origins whose pages may use the service in a browser (CORS), such as `https://forum.example`,
    /// with commas between, or * for all [default: none]
    #[arg(long, env, value_name = "ORIGINS")]
    pub cors_origins: Option<Origins>,

    /// Treat the end of standard input as SIGTERM. A parent process that holds the other end of
    /// the pipe thereby ends the service when it ends, even if it is killed
    #[arg(long)]
    pub exit_with_stdin: bool,

    /// The tokens of users
    #[command(flatten)]
    pub users: UserSettings,
}

impl Config {
    /// Bytes that the list of all records may have.
    pub fn collection_bytes_max(&self) -> u64 {
        match self.max_collection_bytes {
            Some(bytes) => bytes.get(),
            None => memory::limit().map_or(u64::MAX, |bytes| bytes / COLLECTION_SHARE),
        }
    }

    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }
}

/// Bounds on what a client can make the server wait for or hold.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub max_connections: usize,
    /// Longest wait for a whole request head, which is also the longest that a connection may be
    /// idle: the wait begins at the end of the last answer. It must exceed the load balancer's
    /// idle timeout (ALB default 60 s), or the load balancer may send a request on a connection
    /// that is being closed.
    pub head_timeout: Duration,
    /// Longest wait for the requests in flight once the listener is closed.
    pub drain_deadline: Duration,
}

impl Limits {
    /// The limits of a service with this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            max_connections: config.max_connections.get(),
            head_timeout: Duration::from_secs(75),
            drain_deadline: Duration::from_secs(20),
        }
    }
}
