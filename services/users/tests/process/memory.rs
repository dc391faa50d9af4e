//! Memory over many requests.

use testkit::{Connection, Request, Task};

use crate::{with_much, with_users};

const WARM_UP_REQUESTS: usize = 10_000;
const REQUESTS: usize = 40_000;

/// So many pipelined requests of all kinds.
fn ask(connection: &mut Connection, requests: usize) {
    let targets = [
        "/api/users/1",
        "/api/users/0",
        "/none",
        "/api/users?limit=2",
        "/health/live",
    ];
    let burst: Vec<u8> = targets
        .iter()
        .flat_map(|target| Request::get(target).to_bytes())
        .collect();
    let burst = burst.repeat(20);
    for _ in 0..requests / 100 {
        connection.send(&burst);
        for _ in 0..20 {
            let statuses = targets.map(|_| connection.response("GET").status);
            assert_eq!(statuses, [200, 400, 404, 200, 200]);
        }
    }
}

fn scraped(task: &Task) -> usize {
    assert_eq!(task.get("/metrics").status, 200);
    task.memory_bytes()
}

#[test]
fn memory_does_not_grow_with_the_number_of_requests() {
    // Without an access log, which this process would have to read.
    let task = with_users(100).env("RUST_LOG", "info,access=off").start();
    let mut connection = task.connect();
    ask(&mut connection, WARM_UP_REQUESTS);
    let before = scraped(&task);
    ask(&mut connection, REQUESTS);
    let after = scraped(&task);
    // A leak of thirteen bytes a request would exceed this.
    assert!(
        after < before + 512 * 1024,
        "from {before} to {after} bytes"
    );
}

#[test]
fn clients_that_read_slowly_share_one_list() {
    let task = with_much().start();
    assert_eq!(task.get("/").status, 200);
    let before = task.memory_bytes();
    let connections: Vec<_> = (0..10).map(|_| task.unread("/api/users")).collect();
    let after = task.memory_bytes();
    assert!(
        after < before + 8 * 1024 * 1024,
        "from {before} to {after} bytes"
    );
    drop(connections);
}
