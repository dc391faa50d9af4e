//! Disks: full ones, read-only ones, and when the service syncs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use testkit::{Binary, Response, eventually};

use super::folds::assert_unfolded;
use crate::{TOKEN, create, problem, user, usernames, writable, write};

/// A file system that is unmounted when dropped.
struct Mount {
    at: TempDir,
}

impl Mount {
    fn new(options: &[&str]) -> Self {
        let at = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(options).arg(at.path()));
        Self { at }
    }

    fn path(&self) -> &Path {
        self.at.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(self.at.path()));
    }
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{command:?} failed; it takes root"
    );
}

fn on(db: &Path) -> Binary {
    writable().env("DB_PATH", db)
}

/// Fills the disk to the last byte.
fn fill(mount: &Mount) -> PathBuf {
    let ballast = mount.path().join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    for bytes in [65536, 4096, 1] {
        while std::io::Write::write_all(&mut file, &vec![0; bytes]).is_ok() {}
    }
    ballast
}

#[test]
#[ignore = "needs root: mounts a small disk"]
fn on_a_full_disk_writes_are_refused_and_nothing_is_lost() {
    let mount = Mount::new(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"]);
    let db = mount.path().join("db.json");
    let binary = on(&db);
    let task = binary.start();
    assert_eq!(create(&task, "before").status, 201);
    let ballast = fill(&mount);
    let mut acknowledged = vec!["before".to_owned()];
    let refused = loop {
        // The journal has room for some writes.
        let name = format!("user-{}", acknowledged.len());
        let mut new = user(&name);
        new["bio"] = "x".repeat(1000).into();
        let response = task.ask(&write("POST", "/api/users", &new));
        if response.status != 201 {
            break response;
        }
        acknowledged.push(name);
    };
    assert_eq!(problem(&refused).0, "unavailable");
    // Waiting does not help: somebody must restart it.
    assert_eq!(refused.header("retry-after"), "60");
    let detail = |refused: &Response| refused.json()["detail"].as_str().unwrap().to_owned();
    let in_doubt = "may have happened all the same";
    assert!(detail(&refused).contains(in_doubt), "{}", refused.text());
    // Writes after it are not in doubt.
    let behind = create(&task, "behind");
    assert_eq!(behind.header("retry-after"), "60");
    assert!(!detail(&behind).contains(in_doubt));
    assert_eq!(usernames(&task), acknowledged);
    let health = task.get("/health/ready");
    assert_eq!(
        (health.status, health.json()["writes"].as_str()),
        (200, Some("refused"))
    );
    assert!(
        task.get("/metrics")
            .text()
            .contains("\nstore_writes_refused 1\n")
    );
    // A start on a full disk can still read. Either stop says that db.json is not all there is.
    assert_unfolded(task.stop());
    let full = binary.start();
    assert_eq!(usernames(&full), acknowledged);
    assert_eq!(create(&full, "after").status, 503);
    assert_unfolded(full.stop());
    fs::remove_file(ballast).unwrap();
    let task = binary.start();
    assert_eq!(usernames(&task), acknowledged);
    assert_eq!(create(&task, "after").status, 201);
}

#[test]
#[ignore = "needs root: mounts a read-only disk"]
fn on_a_read_only_disk_it_reads_in_spite_of_a_token() {
    let mount = Mount::new(&["-t", "tmpfs", "tmpfs"]);
    let db = mount.path().join("db.json");
    fs::write(
        &db,
        r#"{"users":[{"id":1,"username":"finn","name":"F","bio":""}]}"#,
    )
    .unwrap();
    run(Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(mount.path()));
    let task = on(&db).start();
    assert_eq!(task.get("/health/ready").json()["mode"], "read-only");
    assert_eq!(create(&task, "jake").status, 405);
    task.logged("serving read-only in spite of the write token");
}

#[test]
#[ignore = "needs root: mounts a file"]
fn a_file_that_is_mounted_alone_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db.json");
    fs::write(&db, r#"{"users":[]}"#).unwrap();
    run(Command::new("mount").arg("--bind").args([&db, &db]));
    let ended = on(&db).run();
    run(Command::new("umount").arg(&db));
    assert!(!ended.status.success());
    assert!(
        ended.stderr.contains("mount its directory instead"),
        "{}",
        ended.stderr
    );
}

#[test]
#[ignore = "needs strace: looks at system calls"]
fn the_sync_comes_before_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let (trace, db) = (
        directory.path().join("trace"),
        directory.path().join("db.json"),
    );
    let calls = "trace=fdatasync,pwrite64,write,writev,sendto,sendmsg";
    let traced = ["-D", "-f", "-s", "300", "-e", calls, "-o"]
        .into_iter()
        .map(Into::into);
    let what = [
        trace.clone().into_os_string(),
        env!("CARGO_BIN_EXE_users").into(),
    ];
    let binary = Binary::new("/usr/bin/strace")
        .env("WRITE_TOKEN", TOKEN)
        .env("DB_PATH", &db);
    let task = traced
        .chain(what)
        .fold(binary, |binary, arg: std::ffi::OsString| binary.arg(arg))
        .start();
    let before = fs::read_to_string(&trace).unwrap().lines().count();
    assert_eq!(create(&task, "finn").status, 201);
    // The client may have its answer before strace has written the call.
    let read = || fs::read_to_string(&trace).unwrap();
    eventually("strace has seen the answer", || {
        read().contains("201 Created")
    });
    let trace = read();
    let calls: Vec<_> = trace.lines().skip(before).collect();
    let place = |what: &dyn Fn(&str) -> bool| calls.iter().position(|call| what(call));
    let append = place(&|call| call.contains("pwrite64(") && call.contains("finn")).unwrap();
    // The last line of the call: strace may split it into `unfinished` and `resumed`.
    let synced = append
        + calls[append..]
            .iter()
            .position(|call| call.contains("fdatasync") && call.ends_with("= 0"))
            .unwrap();
    let answer = place(&|call| call.contains("201 Created")).unwrap();
    assert!(append < synced && synced < answer, "{}", calls.join("\n"));
}
