//! Stopping.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use testkit::{Connection, Signal};

use crate::{MUCH_BYTES, with_much, with_users};

/// How long requests in flight may take once the listener is closed.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

#[test]
fn requests_in_flight_are_answered_and_half_sent_heads_do_not_hold_up_the_exit() {
    for signal in [Signal::TERM, Signal::INT] {
        let task = with_much().start();
        let mut fresh = task.connect();
        fresh.send(b"GET / HTTP/1.1\r\nHost: ");
        let mut used = task.connect();
        assert_eq!(used.get("/").status, 200);
        used.send(b"GET / HTTP/1.1\r\nHost: ");
        let mut idle = task.connect();
        assert_eq!(idle.get("/").status, 200);
        let mut silent = task.connect();
        let mut in_flight = task.unread("/api/users");

        task.signal(signal);
        for connection in [&mut fresh, &mut used, &mut idle, &mut silent] {
            connection.wait_closed();
        }
        let refused = Connection::open(task.addr()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        let list = in_flight.response("GET");
        assert!(list.body.len() > MUCH_BYTES);
        assert!(list.json().is_array());
        in_flight.wait_closed();
        let ended = task.wait_within(DRAIN_DEADLINE / 2);
        assert_eq!(ended.status.code(), Some(0));
        let log = ended.log();
        assert_eq!(log.last().unwrap()["message"], "stopped");
        assert!(
            log.iter().any(|line| line["bytes"] == list.body.len()),
            "logged when complete"
        );
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn requests_that_never_end_are_cut_off_at_the_deadline() {
    let task = with_much().start();
    let mut in_flight = task.unread("/api/users");
    let began = Instant::now();
    task.signal(Signal::TERM);
    let ended = task.wait_within(DRAIN_DEADLINE * 2);
    assert!(began.elapsed() >= DRAIN_DEADLINE);
    assert_eq!(ended.status.code(), Some(0));
    let warned = |line: &serde_json::Value| line["level"] == "WARN" && line["connections"] == 1;
    assert!(ended.log().iter().any(warned));
    assert!(in_flight.try_response("GET").is_err());
}

#[test]
fn with_the_flag_the_end_of_standard_input_is_a_sigterm() {
    let (stdin, end) = std::io::pipe().unwrap();
    let task = with_much().arg("--exit-with-stdin").start_reading(stdin);
    let mut in_flight = task.unread("/api/users");
    drop(end);
    task.logged_where("why it drains", |line| {
        line["message"] == "draining" && line["signal"] == "the end of standard input"
    });
    let list = in_flight.response("GET");
    assert!(list.json().is_array(), "what is in flight is answered");
    let ended = task.wait_within(DRAIN_DEADLINE / 2);
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stderr, "");
}

#[test]
fn with_the_flag_and_no_standard_input_it_ends_at_once_and_without_it_serves_on() {
    let ended = with_users(1).arg("--exit-with-stdin").run();
    assert_eq!(ended.status.code(), Some(0));
    // The standard input of a task in ECS is `/dev/null`, as here.
    assert_eq!(with_users(1).start().get("/").status, 200);
}

#[test]
fn a_second_signal_stops_at_once() {
    for delay in ["0s", "60s"] {
        let task = with_much().env("DRAIN_DELAY", delay).start();
        let mut in_flight = task.unread("/api/users");
        task.signal(Signal::TERM);
        task.logged("draining");
        task.signal(Signal::TERM);
        let ended = task.wait_within(DRAIN_DEADLINE / 2);
        assert_eq!(ended.status.code(), Some(0));
        let log = ended.log();
        assert!(log.iter().any(|line| line["message"] == "stopping at once"));
        assert!(in_flight.try_response("GET").is_err());
    }
}

#[test]
fn while_draining_requests_are_served_and_readiness_is_not() {
    // Longer than the test takes on any machine. A second signal ends the delay.
    let task = with_users(2).arg("--drain-delay=10m").start();
    let mut kept_alive = task.connect();
    assert_eq!(kept_alive.get("/health/ready").status, 200);
    let mut idle = task.connect();
    assert_eq!(idle.get("/").status, 200);

    task.signal(Signal::TERM);
    task.logged("draining");
    let ready = kept_alive.get("/health/ready");
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (503, &"draining".into())
    );
    assert_eq!(ready.header("connection"), "close");
    kept_alive.wait_closed();
    // New connections are accepted, too.
    assert_eq!(task.get("/health/live").status, 200);
    for (target, status) in [("/api/users/2", 200), ("/api/users/3", 404)] {
        let response = task.get(target);
        assert_eq!(response.status, status);
        assert_eq!(response.header("connection"), "close");
    }
    task.signal(Signal::TERM);
    idle.wait_closed();
    assert_eq!(task.wait().status.code(), Some(0));
}

#[test]
fn draining_takes_as_long_as_it_should() {
    let delay = Duration::from_secs(2);
    let task = with_users(1).arg("--drain-delay=2s").start();
    let mut idle = task.connect();
    assert_eq!(idle.get("/").status, 200);
    let began = Instant::now();
    task.signal(Signal::TERM);
    idle.wait_closed();
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
    assert_eq!(task.wait().status.code(), Some(0));
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
}

#[test]
fn sigkill_needs_no_cooperation() {
    let task = with_users(1).start();
    task.signal(Signal::KILL);
    assert_eq!(task.wait().status.code(), None);
}
