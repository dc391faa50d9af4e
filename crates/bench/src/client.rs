//! A client that takes little processor time: raw sockets, prepared requests, one thread.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::{
    buffer::spare_capacity,
    event::Timespec,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The requests that a client repeats, and the answers that it expects.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The bytes of each write: one request, or several that are pipelined.
    bursts: Vec<Vec<u8>>,
    /// Requests in a burst.
    pub depth: usize,
    /// Connections that each have one burst in flight.
    pub connections: usize,
    /// The status of every answer.
    status: u16,
}

impl Traffic {
    /// Sends `requests` in turn, `depth` at a time on each of `connections`.
    pub fn new(requests: &[Vec<u8>], connections: usize, depth: usize, status: u16) -> Self {
        let bursts = (0..requests.len()).map(|first| {
            let burst = requests.iter().cycle().skip(first).take(depth);
            burst.flatten().copied().collect()
        });
        Self {
            bursts: bursts.collect(),
            depth,
            connections,
            status,
        }
    }
}

/// A GET without a body.
pub fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").into_bytes()
}

/// The result of some traffic.
#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: u64,
    pub elapsed: Duration,
    /// Nanoseconds from each burst to its last answer's last byte, ascending.
    pub latencies: Vec<u64>,
    /// Bytes of all answers' bodies.
    pub body_bytes: u64,
}

impl Outcome {
    /// The latency of which this share of the bursts stays below.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "the index of a quantile is rounded"
        )]
        let at = (self.latencies.len() as f64 * share) as usize;
        let at = at.min(self.latencies.len().saturating_sub(1));
        Duration::from_nanos(self.latencies.get(at).copied().unwrap_or(0))
    }
}

/// How long traffic lasts.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Requests(u64),
}

/// Open connections to one server.
pub struct Client<'a> {
    traffic: &'a Traffic,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    next_burst: usize,
}

struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    filled: usize,
    /// Bytes of the current answer's body that are still to come.
    body_left: usize,
    answers_left: usize,
    sent: Instant,
}

impl<'a> Client<'a> {
    /// Connects, and sends one burst on every connection.
    pub fn connect(addr: SocketAddr, traffic: &'a Traffic) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for number in 0..traffic.connections {
            let stream = TcpStream::connect(addr).context("cannot connect")?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, EventFlags::IN)?;
            connections.push(Connection {
                stream,
                buffer: vec![0; 64 * 1024].into(),
                filled: 0,
                body_left: 0,
                answers_left: 0,
                sent: Instant::now(),
            });
        }
        let mut client = Self {
            traffic,
            connections,
            epoll,
            next_burst: 0,
        };
        let each_once = traffic.connections * traffic.depth;
        client.run(Until::Requests(each_once as u64))?;
        Ok(client)
    }

    /// Keeps every connection busy, and then waits for the last answers.
    pub fn run(&mut self, until: Until) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let began = Instant::now();
        let mut sent = 0;
        let more = |sent: u64, now: Instant| match until {
            Until::Elapsed(time) => now - began < time,
            Until::Requests(count) => sent < count,
        };
        let mut open = 0;
        for number in 0..self.connections.len() {
            if more(sent, began) {
                self.send(number)?;
                sent += self.traffic.depth as u64;
                open += 1;
            }
        }
        let mut events = Vec::with_capacity(self.connections.len());
        let patience = Timespec::try_from(PATIENCE)?;
        while open > 0 {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience))?;
            ensure!(!events.is_empty(), "no answer within {PATIENCE:?}");
            for event in &events {
                let number = usize::try_from(event.data.u64())?;
                let connection = &mut self.connections[number];
                let before = connection.answers_left;
                connection.receive(self.traffic.status, &mut outcome.body_bytes)?;
                outcome.requests += (before - connection.answers_left) as u64;
                if connection.answers_left > 0 {
                    continue;
                }
                let now = Instant::now();
                let latency = now - connection.sent;
                outcome.latencies.push(u64::try_from(latency.as_nanos())?);
                if more(sent, now) {
                    self.send(number)?;
                    sent += self.traffic.depth as u64;
                } else {
                    open -= 1;
                }
            }
        }
        outcome.elapsed = began.elapsed();
        outcome.latencies.sort_unstable();
        Ok(outcome)
    }

    fn send(&mut self, number: usize) -> io::Result<()> {
        let burst = &self.traffic.bursts[self.next_burst % self.traffic.bursts.len()];
        // Bursts overlap. With a stride of `depth`, each request is sent equally often.
        self.next_burst += self.traffic.depth;
        let connection = &mut self.connections[number];
        connection.answers_left = self.traffic.depth;
        connection.sent = Instant::now();
        connection.stream.write_all(burst)
    }
}

impl Connection {
    /// Reads what has arrived.
    fn receive(&mut self, status: u16, body_bytes: &mut u64) -> anyhow::Result<()> {
        let read = match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut rest = &self.buffer[..self.filled + read];
        while !rest.is_empty() {
            if self.body_left == 0 {
                let Some((head, body)) = head(rest, status)? else {
                    break;
                };
                rest = &rest[head..];
                self.body_left = body;
                *body_bytes += body as u64;
            }
            let here = self.body_left.min(rest.len());
            self.body_left -= here;
            rest = &rest[here..];
            if self.body_left == 0 {
                self.answers_left -= 1;
            }
        }
        let (kept, end) = (rest.len(), self.filled + read);
        self.buffer.copy_within(end - kept..end, 0);
        self.filled = kept;
        Ok(())
    }
}

/// The lengths of the head at the beginning of `bytes` and of the body behind it. `None` if the
/// head is not complete.
fn head(bytes: &[u8], status: u16) -> anyhow::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else {
        return Ok(None);
    };
    let got = response.code.unwrap_or(0);
    ensure!(
        got == status,
        "expected status {status}, got {got}: {}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(1000)])
    );
    if matches!(got, 204 | 304) {
        return Ok(Some((length, 0)));
    }
    let named = |header: &&httparse::Header| header.name.eq_ignore_ascii_case("content-length");
    let body = response.headers.iter().find(named);
    let body = body.context("an answer without Content-Length")?.value;
    Ok(Some((length, std::str::from_utf8(body)?.parse()?)))
}
