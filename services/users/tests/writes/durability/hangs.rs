//! A disk that hangs.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use testkit::{Binary, Ended, Signal, Task, Tracer};

use crate::{TOKEN, create, user, usernames, write};

/// Far below the time of a hanging sync in these tests, and below the deadline of a drain.
const AT_ONCE: Duration = Duration::from_secs(10);

/// The service with one user, on a disk whose syncs take ten minutes after the first ones.
fn hanging(inject: &str) -> Binary {
    let inject = format!("inject={inject}:delay_enter=600s");
    let arguments = ["-e", "trace=fsync,fdatasync", "-e", &inject];
    Tracer::binary(&arguments, env!("CARGO_BIN_EXE_users"))
        .db(r#"{"users":[{"id":1,"username":"finn","name":"F","bio":""}]}"#)
        .env("WRITE_TOKEN", TOKEN)
}

/// The state of a process according to the system.
fn status(task: &Task, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", task.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().trim().to_owned()
}

/// Waits until the process has ended, except for the thread that strace delays.
fn ends_at_once(task: Task, tracer: Tracer) -> Ended {
    let began = Instant::now();
    while !status(&task, "State:").starts_with('Z') {
        assert!(began.elapsed() < AT_ONCE, "it waits for the disk");
        thread::sleep(Duration::from_millis(10));
    }
    drop(tracer);
    task.wait()
}

#[test]
#[ignore = "needs strace: makes syncs hang"]
fn a_second_signal_stops_at_once_though_a_write_or_the_last_fold_hangs() {
    for (delay, in_flight) in [("0s", true), ("0s", false), ("60s", true)] {
        // strace counts calls by thread: the first sync of the start and the first of the writer
        // are not delayed.
        let binary = hanging("fdatasync:when=2+").env("DRAIN_DELAY", delay);
        let task = binary.start_unready();
        let tracer = Tracer::of(&task);
        task.logged("ready");
        assert_eq!(create(&task, "jake").status, 201);
        let mut writing = task.connect();
        if in_flight {
            writing.send(&write("POST", "/api/users", &user("hangs")).to_bytes());
        }
        task.signal(Signal::TERM);
        task.logged("draining");
        task.signal(Signal::INT);
        task.logged("stopping at once");
        let ended = ends_at_once(task, tracer);
        // Whoever makes a backup now must know.
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains("keep "), "{}", ended.stderr);
        // Acknowledged writes are there.
        let task = Binary::new(env!("CARGO_BIN_EXE_users")).env("DB_PATH", binary.db_path());
        assert_eq!(usernames(&task.start())[..2], ["finn", "jake"]);
    }
}

#[test]
#[ignore = "needs strace: makes syncs hang"]
fn signals_stop_a_service_whose_load_hangs() {
    let binary = hanging("fsync");
    for (delay, signals) in [("0s", 1), ("60s", 2)] {
        let task = binary.clone().env("DRAIN_DELAY", delay).start_unready();
        let tracer = Tracer::of(&task);
        for _ in 0..signals {
            task.signal(Signal::TERM);
            task.logged("draining");
        }
        let ended = ends_at_once(task, tracer);
        assert_eq!(ended.status.code(), Some(0));
    }
}
