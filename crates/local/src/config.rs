//! The command line.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;

use crate::alb::wire::connections::CONNECTIONS_MAX;

/// ECS and an Application Load Balancer on this machine: starts the tasks of each service in
/// deploy/services, restarts those that end, checks their health and routes requests to them.
///
/// For laptops and tests, never for production.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Config {
    /// What to do; without it, run the cluster.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run the cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// How to run the cluster.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Where clients come in.
    #[command(flatten)]
    pub listener: ListenerArgs,
    /// Run N tasks of a service instead of what its topology file says; may be repeated
    #[arg(long, value_name = "NAME=N", value_parser = parse_count)]
    pub count: Vec<(String, usize)>,
    /// One task a service, which writes to a copy of its db.json under data/
    #[arg(long)]
    pub writable: bool,
    /// Origins whose pages may use the services in a browser (CORS), such as
    /// `http://localhost:5173`, with commas between, or * for all
    #[arg(long, value_name = "ORIGINS")]
    pub cors_origins: Option<String>,
    /// Where the services' programs are [default: built by cargo, or beside this program]
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// The socket that `restart`, `scale`, `status` and `token` use.
    #[command(flatten)]
    pub control: ControlArgs,
}

/// Where clients come in.
#[derive(Debug, Args)]
pub struct ListenerArgs {
    /// Address to listen at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen at; 0 lets the system choose [default: 80, or 8080 when 80 cannot be used]
    #[arg(long)]
    pub port: Option<u16>,
    /// Clients' connections at a time; one more closes the one that has been idle longest, or else
    /// one whose client is slow to read
    #[arg(long, value_name = "NUMBER", default_value_t = CONNECTIONS_MAX)]
    pub max_connections: NonZeroUsize,
    /// Show every line of the tasks' logs, and an access log
    #[arg(long)]
    pub logs: bool,
    /// The directory with deploy/services [default: the first one upwards from here that has it]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// How to reach a running cluster.
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// Socket of the running cluster [default: target/local.sock below the directory with deploy/services]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// What else `local` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replace every task of a service by a new one, without an interruption
    Restart {
        /// The service
        name: String,
        /// How to reach the cluster.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Change how many tasks of a service run
    Scale {
        /// The service and its tasks, such as users=3
        #[arg(value_name = "NAME=N", value_parser = parse_count)]
        count: (String, usize),
        /// How to reach the cluster.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Show rules, targets and their health
    Status {
        /// How to reach the cluster.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Print a token with which a user may write, signed by the running cluster
    Token {
        /// The id of the user
        #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..=9_007_199_254_740_991))]
        user: u64,
        /// The user may change and delete what others wrote
        #[arg(long)]
        moderator: bool,
        /// How long the token is valid, such as 15m
        #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = parse_lifetime)]
        lifetime: Duration,
        /// How to reach the cluster.
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Run the load balancer alone, before targets that something else starts
    Alb {
        /// A target of a service, by address or name; every address of a name is one target
        #[arg(long = "target", value_name = "NAME=HOST:PORT", value_parser = parse_target)]
        targets: Vec<(String, String)>,
        /// Where clients come in.
        #[command(flatten)]
        listener: ListenerArgs,
    },
    /// Ask the load balancer on this machine whether it answers
    Healthcheck {
        /// Its port
        #[arg(long, default_value_t = 80)]
        port: u16,
    },
}

fn parse_count(text: &str) -> Result<(String, usize), String> {
    let (name, count) = text
        .split_once('=')
        .ok_or("expected NAME=N, such as users=3")?;
    let number = count.parse().ok().filter(|&count| count <= 1000);
    let number =
        number.ok_or_else(|| format!("expected a number from 0 to 1000, found {count:?}"))?;
    Ok((name.to_owned(), number))
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime: Option<SignedDuration> = text.parse().ok();
    lifetime
        .and_then(|lifetime| Duration::try_from(lifetime).ok())
        .filter(|lifetime| !lifetime.is_zero())
        .ok_or_else(|| format!("expected a duration such as 15m or 1h, found {text:?}"))
}

fn parse_target(text: &str) -> Result<(String, String), String> {
    const EXPECTED: &str = "expected NAME=HOST:PORT, such as users=users:3000";
    let (name, address) = text.split_once('=').ok_or(EXPECTED)?;
    let (host, port) = address.rsplit_once(':').ok_or(EXPECTED)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(EXPECTED.to_owned());
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// The directory with `deploy/services`: `given`, or the first one upwards from the package that
/// cargo runs or from the current directory.
///
/// # Errors
/// When there is none.
pub fn root(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(root) = given {
        return Ok(root);
    }
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => PathBuf::from(package),
        None => std::env::current_dir().context("cannot tell the current directory")?,
    };
    let root = start
        .ancestors()
        .find(|directory| directory.join("deploy/services").is_dir());
    root.map(PathBuf::from).with_context(|| {
        format!(
            "no deploy/services in {} or above it: say where it is with --root",
            start.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Config as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn lifetimes_are_read() {
        assert_eq!(parse_lifetime("15m"), Ok(Duration::from_mins(15)));
        assert!(parse_lifetime("0s").is_err() && parse_lifetime("-1h").is_err());
        assert!(parse_lifetime("1 month").is_err() && parse_lifetime("").is_err());
    }

    #[test]
    fn counts_and_targets_are_read() {
        assert_eq!(parse_count("users=3"), Ok(("users".to_owned(), 3)));
        assert!(parse_count("users").is_err() && parse_count("users=-1").is_err());
        assert!(parse_count("users=1001").is_err());
        assert_eq!(
            parse_target("users=[::1]:3000"),
            Ok(("users".to_owned(), "[::1]:3000".to_owned()))
        );
        assert!(parse_target("users=:3000").is_err() && parse_target("users=users").is_err());
        assert!(parse_target("users:3000").is_err());
    }
}
