//! Thousands of connections that do nothing.

use testkit::{Connection, eventually};

use crate::{allow_descriptors, polite, service};

const MAX_CONNECTIONS: usize = 1000;

/// Idle connections, several times what the service holds.
const IDLE: usize = 4000;

/// What an idle connection may cost.
const BYTES_PER_CONNECTION: usize = 24 * 1024;

#[test]
fn thousands_of_idle_connections_make_room_for_who_asks() {
    allow_descriptors();
    let task = service(MAX_CONNECTIONS).start();
    let quiet = polite::ask_until(task.addr(), |met| met.answers.len() == 200);
    let (memory, descriptors) = (task.memory_bytes(), task.descriptors());
    let mut idle = Vec::new();
    for number in 0..IDLE {
        let mut connection = Connection::open(task.addr()).unwrap();
        if number % 8 == 0 {
            assert_eq!(connection.get("/").status, 200);
        }
        idle.push(connection);
    }
    let crowded = polite::ask_until(task.addr(), |met| met.answers.len() == 200);
    let (crowded_memory, open) = (task.memory_bytes(), task.descriptors());
    println!(
        "p99 {:?} quiet, {:?} with {IDLE} idle connections; memory {} KiB quiet, {} KiB",
        quiet.p99(),
        crowded.p99(),
        memory / 1024,
        crowded_memory / 1024,
    );
    assert!(crowded.turned_away <= 1, "{crowded:?}");
    assert!(open <= descriptors + MAX_CONNECTIONS, "{open} descriptors");
    assert!(crowded_memory < memory + MAX_CONNECTIONS * BYTES_PER_CONNECTION);
    drop(idle);
    eventually("the connections are gone", || {
        task.descriptors() <= descriptors + 1
    });
}
