//! Idle connections. They are kept a little longer than a load balancer keeps them.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use crate::with_users;

/// A little more than the load balancer's idle timeout of 60 seconds.
const IDLE: Duration = Duration::from_secs(65);

/// The service's longest wait for a whole head, which is also the longest idle time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

#[test]
fn idle_connections_outlive_the_load_balancers_and_half_sent_heads_end() {
    let task = with_users(1).start();
    let began = Instant::now();
    let mut idle = task.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut half = task.connect();
    half.send(b"GET / HTTP/1.1\r\nHost: ");
    let mut half_of_second = task.connect();
    assert_eq!(half_of_second.get("/").status, 200);
    half_of_second.send(b"GET / HTTP/1.1\r\nHost: ");

    let patience = |patience| half.stream().set_read_timeout(Some(patience)).unwrap();
    patience(IDLE);
    let nothing_yet = half.stream().peek(&mut [0]).unwrap_err().kind();
    assert!(matches!(
        nothing_yet,
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert_eq!(idle.get("/").status, 200);

    half.wait_closed();
    assert!(began.elapsed() >= HEAD_TIMEOUT, "{:?}", began.elapsed());
    half_of_second.wait_closed();
    assert_eq!(
        idle.get("/").status,
        200,
        "idle for only ten seconds by now"
    );
}
