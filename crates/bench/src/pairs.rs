//! Measures servers in pairs. All servers run at once and get short slices of traffic in turn, so
//! that changes on the machine affect all of them alike.

use std::time::Duration;

use crate::{
    client::{Client, Traffic, Until},
    machine::processor_time_at_rest,
    server::Server,
};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub slice: Duration,
}

/// The result of one slice.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Microseconds of processor time that the server took per request.
    pub cpu_us: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// Gives every server its slice of the same traffic, in `effort.rounds` rounds.
/// Returns each server's samples.
pub fn measure(
    servers: &[(&Server, &Traffic)],
    effort: Effort,
) -> anyhow::Result<Vec<Vec<Sample>>> {
    in_turns(servers.len(), effort.rounds, |number| {
        let (server, traffic) = servers[number];
        let mut client = Client::connect(server.addr, traffic)?;
        sample(server, &mut client, effort.slice)
    })
}

/// Takes samples of so many kinds in turn, in `rounds` rounds. Returns each kind's samples.
pub fn in_turns(
    kinds: usize,
    rounds: usize,
    mut take: impl FnMut(usize) -> anyhow::Result<Sample>,
) -> anyhow::Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::with_capacity(rounds); kinds];
    for round in 0..rounds {
        for turn in 0..kinds {
            // The order changes: none is always first, or always behind the same one.
            let number = if round % 2 == 0 {
                (round / 2 + turn) % kinds
            } else {
                (round / 2 + kinds - turn) % kinds
            };
            samples[number].push(take(number)?);
        }
    }
    Ok(samples)
}

/// Sends traffic for so long.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
pub fn sample(server: &Server, client: &mut Client, time: Duration) -> anyhow::Result<Sample> {
    let before = processor_time_at_rest(server.pid())?;
    let outcome = client.run(Until::Elapsed(time))?;
    let after = processor_time_at_rest(server.pid())?;
    server.forget_output()?;
    let requests = outcome.requests as f64;
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Sample {
        cpu_us: us(after.saturating_sub(before)) / requests,
        per_second: requests / outcome.elapsed.as_secs_f64(),
        p50_us: us(outcome.quantile(0.5)),
        p99_us: us(outcome.quantile(0.99)),
    })
}

/// A median, and the quartiles around it.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |quarter: usize| {
            let last = values.len().saturating_sub(1);
            values.get(last * quarter / 4).copied().unwrap_or(f64::NAN)
        };
        Self {
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }

    /// The spread of the ratios of `one` to `other`, round by round.
    pub fn ratio(one: &[Sample], other: &[Sample]) -> Self {
        Self::of(
            one.iter()
                .zip(other)
                .map(|(one, other)| one.cpu_us / other.cpu_us),
        )
    }
}
