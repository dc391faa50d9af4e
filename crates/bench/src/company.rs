//! Readers of a service that others keep busy meanwhile.

use std::{net::SocketAddr, thread, time::Duration};

use crate::client::{Client, Outcome, Traffic, Until};

/// The readers' outcome. The clients of `others` share the servers' and the clients' cores with
/// them, but on the clients' core the readers go first.
pub fn beside(
    addr: SocketAddr,
    reads: &Traffic,
    others: Option<&Traffic>,
    time: Duration,
) -> anyhow::Result<Outcome> {
    thread::scope(|scope| {
        let others = others.map(|traffic| {
            scope.spawn(move || {
                rustix::process::nice(19)?;
                Client::connect(addr, traffic)?.run(Until::Elapsed(time))
            })
        });
        let outcome = Client::connect(addr, reads)?.run(Until::Elapsed(time))?;
        match others.map(thread::ScopedJoinHandle::join) {
            Some(Ok(ended)) => drop(ended?),
            Some(Err(_)) => anyhow::bail!("a client's thread panicked"),
            None => {}
        }
        Ok(outcome)
    })
}
