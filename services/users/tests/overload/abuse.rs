//! Malicious clients.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use testkit::{Connection, Request, eventually};

use crate::{TOKEN, polite, service};

const MAX_CONNECTIONS: usize = 100;

/// How long the abuse lasts: longer than a slow client may keep its place when others need it.
const ABUSE: Duration = Duration::from_secs(12);

/// Longest wait of a well-behaved client. Slow clients keep a connection for at most five seconds,
/// and a machine that runs tests is busy.
const LIVENESS: Duration = Duration::from_mins(1);

/// Memory that abuse may cost: what hyper buffers for each connection in both directions, and a
/// margin. Each list is 16 MiB, so a few copies would exceed this.
const MEMORY_BYTES_MAX: usize = 48 * 1024 * 1024;

/// Sends `begin` on every connection, and then nothing. Replaces connections that are closed.
fn hold(addr: SocketAddr, begin: &[u8], connections: usize, stop: &AtomicBool) {
    let mut held: Vec<TcpStream> = Vec::new();
    while !stop.load(Relaxed) {
        held.retain(|stream| match stream.peek(&mut [0]) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        while held.len() < connections {
            let Ok(mut stream) = TcpStream::connect(addr) else {
                break;
            };
            let _ = stream.write_all(begin);
            stream.set_nonblocking(true).unwrap();
            held.push(stream);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Reads a long list a few bytes at a time.
fn sip(addr: SocketAddr, connections: usize, stop: &AtomicBool) {
    let open = || {
        let mut stream = TcpStream::connect(addr).ok()?;
        let _ = stream.write_all(&Request::get("/api/users").to_bytes());
        stream.set_nonblocking(true).unwrap();
        Some(stream)
    };
    let mut held: Vec<TcpStream> = Vec::new();
    while !stop.load(Relaxed) {
        held.retain_mut(|stream| match stream.read(&mut [0; 16]) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        held.extend((held.len()..connections).filter_map(|_| open()));
        thread::sleep(Duration::from_millis(50));
    }
}

/// Sends requests without end. Reads the answers if `reads` says so.
fn flood(addr: SocketAddr, reads: bool, stop: &AtomicBool) {
    let burst = Request::get("/api/users/1").to_bytes().repeat(200);
    let mut answers = vec![0; 256 * 1024];
    while !stop.load(Relaxed) {
        let Ok(mut stream) = TcpStream::connect(addr) else {
            continue;
        };
        let patience = Some(Duration::from_millis(200));
        stream.set_read_timeout(patience).unwrap();
        stream.set_write_timeout(patience).unwrap();
        while !stop.load(Relaxed) {
            let sent = stream.write_all(&burst);
            let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
            if sent.is_err_and(|error| !waits.contains(&error.kind())) {
                break;
            }
            if reads && matches!(stream.read(&mut answers), Ok(0)) {
                break;
            }
        }
    }
}

#[test]
fn abuse_costs_only_those_who_do_it() {
    let task = service(MAX_CONNECTIONS).env("WRITE_TOKEN", TOKEN).start();
    let addr = task.addr();
    let quiet = polite::ask_until(addr, |met| met.answers.len() == 500);
    let (memory, descriptors) = (task.memory_bytes(), task.descriptors());

    let stop = AtomicBool::new(false);
    let half_head = b"GET /api/users/1 HTTP/1.1\r\nHost: ";
    let half_body = Request::new("POST", "/api/users")
        .header("Content-Type", "application/json")
        .header("Content-Length", 1000)
        .to_bytes();
    let trusted_half_body = Request::new("POST", "/api/users")
        .header("Authorization", format!("Bearer {TOKEN}"))
        .header("Content-Type", "application/json")
        .header("Content-Length", 1000)
        .to_bytes();
    let mut most = 0;
    let abused = thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || hold(addr, b"", 100, stop));
        scope.spawn(move || hold(addr, half_head, 100, stop));
        scope.spawn(move || hold(addr, &half_body, 100, stop));
        scope.spawn(move || hold(addr, &trusted_half_body, 30, stop));
        scope.spawn(move || sip(addr, 2 * MAX_CONNECTIONS, stop));
        scope.spawn(move || flood(addr, true, stop));
        scope.spawn(move || flood(addr, false, stop));
        let asking = scope.spawn(move || polite::ask_until(addr, |_| stop.load(Relaxed)));
        let end = Instant::now() + ABUSE;
        while Instant::now() < end {
            most = most.max(task.memory_bytes());
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Relaxed);
        asking.join().unwrap()
    });
    println!(
        "p99 {:?} quiet, {:?} under abuse; {} answers, turned away {} times, at most {:?} without \
         an answer; memory {} KiB quiet, at most {} KiB",
        quiet.p99(),
        abused.p99(),
        abused.answers.len(),
        abused.turned_away,
        abused.longest_wait,
        memory / 1024,
        most / 1024,
    );
    assert!(abused.longest_wait < LIVENESS, "{:?}", abused.longest_wait);
    assert!(
        most < memory + MEMORY_BYTES_MAX,
        "{most} bytes, {memory} before"
    );

    let recovered = polite::ask_until(addr, |met| met.answers.len() == 100);
    assert!(recovered.longest_wait < LIVENESS, "{recovered:?}");
    eventually("the connections are gone", || {
        task.descriptors() <= descriptors + 2
    });
}

#[test]
fn without_room_those_who_hardly_read_give_way() {
    let task = service(4).start();
    let began = Instant::now();
    let slow: Vec<_> = (0..4).map(|_| task.unread("/api/users")).collect();
    eventually("one of them is gone", || {
        task.get("/api/users/1").status == 200
    });
    // A slow client is disconnected after five seconds here, and much later when nobody needs its place.
    assert!(began.elapsed() < Duration::from_secs(20));
    drop(slow);
}

#[test]
fn who_is_turned_away_is_answered_when_the_request_arrives_and_not_before() {
    let task = service(1).start();
    let _busy = task.unread("/api/users");
    let first = Connection::open(task.addr()).unwrap();
    let mut second = Connection::open(task.addr()).unwrap();
    let request = Request::get("/api/users/1").to_bytes();
    second.stream().write_all(&request).unwrap();
    assert_eq!(second.response("GET").status, 503);
    // The first came before the second, and has sent nothing yet. At most it was left.
    first.stream().set_nonblocking(true).unwrap();
    let early = first.stream().peek(&mut [0]);
    assert!(!matches!(early, Ok(1)));
}

#[test]
fn who_is_turned_away_learns_so() {
    let task = service(1).start();
    let busy = task.unread("/api/users");
    for _ in 0..50 {
        let mut newcomer = Connection::open(task.addr()).unwrap();
        let _ = newcomer
            .stream()
            .write_all(&Request::get("/api/users/1").to_bytes());
        let response = newcomer.response("GET");
        assert_eq!(response.status, 503);
        assert_eq!(response.header("retry-after"), "1");
        newcomer.wait_closed();
    }
    drop(busy);
    let answered = polite::ask_until(task.addr(), |met| met.answers.len() == 10);
    assert!(answered.longest_wait < LIVENESS, "{answered:?}");
}
