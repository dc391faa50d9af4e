//! Memory at the limits that ship: 2,000 connections and 64 MiB, whatever the clients send.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use testkit::{Binary, Cgroup, Request};

use crate::{TOKEN, allow_descriptors, polite, users};

/// The limit in Compose and the task definitions. A debug build gets half as much again, because
/// its futures are larger. CI runs these tests with a release build, too.
const MEMORY_BYTES: usize = if cfg!(debug_assertions) { 96 } else { 64 } * 1024 * 1024;

const CONNECTIONS: usize = 2000;

/// How long an attack lasts.
const ATTACK: Duration = Duration::from_secs(4);

/// Longest wait of a well-behaved client on a busy machine.
const LIVENESS: Duration = Duration::from_mins(1);

/// What each attacker sends: `burst` at once, and then `drip` byte by byte, repeatedly.
struct Attack {
    burst: Vec<u8>,
    drip: Vec<u8>,
}

impl Attack {
    fn burst(burst: impl Into<Vec<u8>>) -> Self {
        Self {
            burst: burst.into(),
            drip: Vec::new(),
        }
    }

    /// Attacks over all connections at once. Connections that are closed are opened again.
    fn run(&self, addr: SocketAddr, stop: &AtomicBool) {
        let open = || {
            // A short wait: the system may drop the attempt, and the attack may be over.
            let stream = TcpStream::connect_timeout(&addr, Duration::from_millis(200)).ok()?;
            stream.set_nonblocking(true).unwrap();
            Some((stream, 0))
        };
        let mut clients: Vec<(TcpStream, usize)> = Vec::new();
        while !stop.load(Relaxed) {
            clients.extend((clients.len()..CONNECTIONS).filter_map(|_| open()));
            clients.retain_mut(|(stream, sent)| {
                loop {
                    let rest = match self.burst.get(*sent..) {
                        Some(rest) if !rest.is_empty() => rest,
                        _ if self.drip.is_empty() => {
                            return stream.peek(&mut [0]).is_ok_and(|read| read > 0)
                                || open_still(stream);
                        }
                        _ => {
                            let at = (*sent - self.burst.len()) % self.drip.len();
                            &self.drip[at..=at]
                        }
                    };
                    match stream.write(rest) {
                        Ok(bytes) => *sent += bytes,
                        Err(error) => return error.kind() == ErrorKind::WouldBlock,
                    }
                    if *sent > self.burst.len() {
                        return true;
                    }
                }
            });
        }
    }
}

/// Whether the error only says that there is nothing to read yet.
fn open_still(stream: &TcpStream) -> bool {
    stream
        .peek(&mut [0])
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Ends an attack when dropped, so that it also ends when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Allows one attack at a time, since each takes the whole machine.
static TURN: Mutex<()> = Mutex::new(());

/// Attacks a service, in a control group if there is one. Meanwhile a well-behaved client asks it.
/// The service's list is about so many MiB long.
fn attack(attack: &Attack, list_mib: usize, group: Option<&Cgroup>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    allow_descriptors();
    let service = Binary::new(env!("CARGO_BIN_EXE_users"));
    let service = users(service, list_mib).env("WRITE_TOKEN", TOKEN);
    let service = match group {
        Some(group) => service.in_cgroup(group),
        None => service,
    };
    let task = service.start();
    let (addr, stop) = (task.addr(), AtomicBool::new(false));
    let met = thread::scope(|scope| {
        scope.spawn(|| attack.run(addr, &stop));
        let _stop = Stop(&stop);
        let end = Instant::now() + ATTACK;
        polite::ask_until(addr, |met| {
            met.longest_wait > LIVENESS || Instant::now() > end && met.answers.len() > 20
        })
    });
    assert_eq!(
        group.map_or(0, Cgroup::kills),
        0,
        "killed for want of memory"
    );
    println!(
        "{} answers, turned away {} times, at most {:?} without an answer; peak {} KiB, {:?} KiB \
         with the system's",
        met.answers.len(),
        met.turned_away,
        met.longest_wait,
        task.memory_peak_bytes() / 1024,
        group.map(|group| group.peak_bytes() / 1024),
    );
    assert!(met.longest_wait < LIVENESS, "{:?}", met.longest_wait);
    assert!(task.memory_peak_bytes() < MEMORY_BYTES);
    assert_eq!(task.get("/api/users/1").status, 200);
}

fn half_heads() -> Attack {
    Attack::burst(format!(
        "GET /api/users/1 HTTP/1.1\r\nHost: test\r\nX: {}",
        "x".repeat(63 * 1024)
    ))
}

fn long_heads() -> Attack {
    let request = Request::get("/api/users/1").header("X", "x".repeat(60 * 1024));
    Attack::burst(request.to_bytes())
}

fn many_headers() -> Attack {
    let mut headers = String::new();
    for number in 0..95 {
        let _ = write!(headers, "a{number}: b\r\n");
    }
    Attack::burst(format!("GET /api/users/1 HTTP/1.1\r\nHost: test\r\n{headers}\r\n").repeat(100))
}

fn unread(target: &str) -> Attack {
    Attack::burst(Request::get(target).to_bytes().repeat(2000))
}

/// A write with this token and the longest body that is allowed.
fn post(token: &str, length: &str) -> String {
    format!(
        "POST /api/users HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{length}\r\n\r\n"
    )
}

fn whole_bodies(begin: &str, value: &str, end: &str) -> Attack {
    let count = (64 * 1024 - begin.len() - end.len()) / value.len();
    let body = format!("{begin}{}{end}", value.repeat(count));
    let head = post(TOKEN, &format!("Content-Length: {}", body.len()));
    Attack::burst(format!("{head}{body}").repeat(10))
}

fn half_bodies(token: &str) -> Attack {
    let head = post(token, "Content-Length: 65536");
    Attack {
        burst: format!("{head}{}", "x".repeat(60 * 1024)).into_bytes(),
        drip: b"x".to_vec(),
    }
}

fn dripping_bodies() -> Attack {
    Attack {
        burst: post(TOKEN, "Content-Length: 65536").into_bytes(),
        drip: b"x".to_vec(),
    }
}

fn tiny_chunks() -> Attack {
    let head = post(TOKEN, "Transfer-Encoding: chunked");
    Attack::burst(format!("{head}{}", "1\r\nx\r\n".repeat(60 * 1024)))
}

fn tls() -> Attack {
    let hello = [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &vec![0xa5; 32 * 1024],
    ]
    .concat();
    Attack::burst(hello)
}

fn within_a_cgroup(attacks: &[Attack]) {
    for each in attacks {
        attack(each, 0, Some(&Cgroup::with_memory(MEMORY_BYTES)));
    }
}

#[test]
fn half_heads_are_bounded() {
    attack(&half_heads(), 0, None);
}

#[test]
fn unread_answers_are_bounded() {
    attack(&unread("/api/users/1"), 0, None);
}

#[test]
fn bodies_are_bounded() {
    attack(&whole_bodies("[0", ",0", "]"), 0, None);
}

#[test]
#[ignore = "needs root: puts the service into a memory cgroup"]
fn heads_fit_the_memory_that_ships() {
    within_a_cgroup(&[half_heads(), long_heads(), many_headers(), tls()]);
}

#[test]
#[ignore = "needs root: puts the service into a memory cgroup"]
fn unread_answers_fit_the_memory_that_ships() {
    let targets = ["/api/users", "/api/users/1", "/api/users/99", "/metrics"];
    within_a_cgroup(&targets.map(unread));
}

#[test]
#[ignore = "needs root: puts the service into a memory cgroup"]
fn unread_lists_of_a_full_collection_fit_the_memory_that_ships() {
    // The collection is almost as large as the default of `MAX_COLLECTION_BYTES`, a sixth of the
    // memory. Newest first, the list has to be copied for each client.
    let list_mib = (MEMORY_BYTES / 6 - 1) / (1024 * 1024);
    let group = Cgroup::with_memory(MEMORY_BYTES);
    attack(&unread("/api/users?sort=-id"), list_mib, Some(&group));
}

#[test]
#[ignore = "needs root: puts the service into a memory cgroup"]
fn half_bodies_fit_the_memory_that_ships() {
    within_a_cgroup(&[
        half_bodies(TOKEN),
        half_bodies("another"),
        dripping_bodies(),
        tiny_chunks(),
    ]);
}

#[test]
#[ignore = "needs root: puts the service into a memory cgroup"]
fn whole_bodies_fit_the_memory_that_ships() {
    within_a_cgroup(&[
        whole_bodies("[0", ",0", "]"),
        whole_bodies("[0", ",[{\"\":0}]", "]"),
        whole_bodies("{\"bio\": \"", "x", "\"}"),
    ]);
}
