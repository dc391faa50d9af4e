//! What survives `kill -9`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use testkit::{Connection, Signal, eventually};

use crate::{user, writable, write};

const ROUNDS: usize = 200;
const WRITERS: usize = 4;

/// Creates users until the service is gone. Notes the acknowledged ones.
fn create_until_killed(
    mut connection: Connection,
    count: &AtomicUsize,
    acknowledged: &Mutex<BTreeMap<u64, String>>,
) -> io::Result<()> {
    loop {
        let name = format!("user-{}", count.fetch_add(1, Relaxed));
        let request = write("POST", "/api/users", &user(&name));
        io::Write::write_all(&mut connection.stream(), &request.to_bytes())?;
        let response = connection.try_response("POST")?;
        assert_eq!(response.status, 201);
        let id = response.json()["id"].as_u64().unwrap();
        let before = acknowledged.lock().unwrap().insert(id, name);
        assert_eq!(before, None, "id {id} was given twice");
    }
}

#[test]
fn every_acknowledged_write_survives_kill_9_and_no_id_is_used_again() {
    let binary = writable();
    let count = AtomicUsize::new(0);
    let acknowledged = Mutex::new(BTreeMap::new());
    let mut highest = 0;
    for round in 0..ROUNDS {
        let task = binary.start();
        let listed = task.get("/api/users").json();
        let stored: BTreeMap<u64, String> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|user| {
                (
                    user["id"].as_u64().unwrap(),
                    user["username"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let names: BTreeSet<_> = stored.values().collect();
        assert_eq!(names.len(), stored.len(), "a write is there twice");
        for (id, name) in acknowledged.lock().unwrap().iter() {
            assert_eq!(
                stored.get(id),
                Some(name),
                "round {round}: acknowledged and lost"
            );
        }
        let last = stored.keys().next_back().copied().unwrap_or(0);
        assert!(last >= highest, "round {round}: ids went back");
        highest = last;
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                let connection = task.connect();
                // The error means that the service has ended.
                scope.spawn(|| create_until_killed(connection, &count, &acknowledged).unwrap_err());
            }
            // Each round kills at another moment: mostly between two syncs, sometimes during a
            // checkpoint. The wait counts writes first, so that a busy machine has as many.
            let more = acknowledged.lock().unwrap().len() + round * 7 % 13;
            eventually("writes are acknowledged", || {
                acknowledged.lock().unwrap().len() >= more
            });
            thread::sleep(Duration::from_micros(round as u64 * 7919 % 10_000));
            task.signal(Signal::KILL);
        });
    }
    let acknowledged = acknowledged.into_inner().unwrap().len();
    println!("{ROUNDS} rounds, {acknowledged} acknowledged writes");
    assert!(
        acknowledged >= 1_000,
        "{acknowledged} writes show too little"
    );
}

#[test]
fn writers_share_syncs() {
    const TOGETHER: usize = 64;
    const EACH: usize = 10;
    let task = writable().start();
    thread::scope(|scope| {
        for writer in 0..TOGETHER {
            let mut connection = task.connect();
            scope.spawn(move || {
                for n in 0..EACH {
                    let request = write("POST", "/api/users", &user(&format!("w{writer}-{n}")));
                    assert_eq!(connection.ask(&request).status, 201);
                }
            });
        }
    });
    let metrics = task.get("/metrics");
    let metric = |name: &str| {
        let line = metrics
            .text()
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let (writes, syncs) = (metric("store_writes_total "), metric("store_syncs_total "));
    println!("{writes} writes in {syncs} syncs");
    assert_eq!(writes, TOGETHER * EACH);
    assert!(syncs < writes, "each write had a sync of its own");
}
