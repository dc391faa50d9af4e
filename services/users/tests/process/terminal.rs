//! The log on a terminal.

use std::{fs::File, io::BufRead};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use testkit::Signal;

use crate::with_users;

/// A terminal: our end, and the one that a process writes to.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (ours.into(), theirs.into())
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut parts = line.trim_end().split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.split_once('m').unwrap().1)
}

#[test]
fn people_get_lines_for_people() {
    let (ours, theirs) = terminal();
    let (task, ours) = with_users(2).start_onto(theirs, ours);
    let start: Vec<_> = task.stdout().iter().map(|line| plain(line)).collect();
    assert!(start[0].contains(" INFO listening addr="), "{start:?}");
    let mut connection = task.connect();
    assert_eq!(connection.get("/api/users/2?x=%1b[31m").status, 200);
    assert_eq!(connection.get("/health/live").status, 200);
    task.signal(Signal::TERM);
    // Reading a terminal fails once its process has ended.
    let lines = ours.lines().map_while(Result::ok);
    let rest: Vec<_> = lines.map(|line| plain(&line)).collect();
    assert!(task.wait().status.success());
    println!("{}\n{}", start.join("\n"), rest.join("\n"));

    let request = rest
        .iter()
        .find(|line| line.contains("/api/users/2"))
        .unwrap();
    assert!(
        request.contains(" INFO GET /api/users/2?x=%1b[31m 200 48 B "),
        "{request}"
    );
    assert!(rest.iter().all(|line| !line.contains("/health/live")));
    assert!(rest.last().unwrap().ends_with(" INFO stopped"), "{rest:?}");
    assert!(
        rest.iter().chain(&start).all(|line| line.starts_with("20")),
        "{rest:?}"
    );
}
