//! A client that sends one request at a time and reads the answers.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use testkit::{Connection, Request, Response};

use crate::USERS;

/// What the client experienced.
#[derive(Debug, Default)]
pub struct Met {
    /// How long each answer took, connecting included.
    pub answers: Vec<Duration>,
    /// How often it was turned away with 503, or its idle connection closed.
    pub turned_away: usize,
    /// Longest time without an answer.
    pub longest_wait: Duration,
}

impl Met {
    /// The time within which 99 of 100 answers came.
    pub fn p99(&self) -> Duration {
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        answers[answers.len() * 99 / 100]
    }
}

/// Asks for one user after the other. Every answer must be that user, or a 503 that says when to
/// try again.
pub fn ask_until(addr: SocketAddr, mut over: impl FnMut(&Met) -> bool) -> Met {
    let mut met = Met::default();
    let mut connection = None;
    let mut answered = Instant::now();
    let mut id = 0;
    while !over(&met) {
        id = id % USERS + 1;
        let asked = Instant::now();
        let answer = ask(&mut connection, addr, id);
        met.longest_wait = met.longest_wait.max(answered.elapsed());
        match answer {
            Ok(response) if response.status == 200 => {
                let username = format!("user-{id}");
                assert_eq!(response.json()["username"], username);
                met.answers.push(asked.elapsed());
                answered = Instant::now();
            }
            Ok(response) => {
                assert_eq!(response.status, 503);
                assert_eq!(response.header("retry-after"), "1");
                connection = None;
                met.turned_away += 1;
            }
            Err(_) => {
                connection = None;
                met.turned_away += 1;
            }
        }
    }
    met
}

fn ask(connection: &mut Option<Connection>, addr: SocketAddr, id: usize) -> io::Result<Response> {
    let opened = match connection.take() {
        Some(connection) => connection,
        None => Connection::open(addr)?,
    };
    let connection = connection.insert(opened);
    let request = Request::get(&format!("/api/users/{id}")).to_bytes();
    // A client that is refused may find the connection closed with the answer in it.
    let sent = connection.stream().write_all(&request);
    connection
        .try_response("GET")
        .or_else(|error| sent.and(Err(error)))
}
