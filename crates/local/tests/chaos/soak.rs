//! A long time under load, without faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::readers::{Reader, learn};
use crate::report::Report;
use crate::sample::{Sample, sample};
use crate::support::cluster::Setup;
use crate::system::{SERVICES, System};
use crate::writers::Writer;
use crate::{say, setting};

const PATIENCE: Duration = Duration::from_secs(45);

/// How much memory may differ between two quarters: allocators keep a part of what is freed.
const SLACK_KIB: u64 = 4 * 1024;

/// How many descriptors may differ between two quarters. Each of six clients may have a connection to
/// both tasks of its service, and each of six tasks may have a health check. How many of these exist
/// at one moment is chance. A leak would be larger, because there are thousands of requests.
const SLACK_DESCRIPTORS: usize = 18;

/// A journal is folded into `db.json` at a megabyte or at the file's size, whichever is more.
const JOURNAL_BYTES_MAX: u64 = 3 * 1024 * 1024;

#[tokio::test]
async fn under_steady_load_nothing_grows() {
    let seconds = setting("SOAK_SECONDS", 60);
    let many = System::start("many tasks", Setup::with_services().await).await;
    let setup = Setup::with_services().await.arg("--writable");
    let writable = System::start("writable", setup).await;
    let report = Arc::new(Report::default());
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    let mut rng = Rng::new();
    for service in SERVICES {
        let expected = Arc::new(learn(&many, service).await);
        for number in 0..2 {
            let reader = Reader {
                system: Arc::clone(&many),
                service,
                expected: Arc::clone(&expected),
                report: Arc::clone(&report),
                patience: PATIENCE,
                rng: rng.fork(),
            };
            clients.spawn(reader.run(stop.clone()));
            let writer = Writer::new(&writable, service, number, &report, PATIENCE, rng.fork());
            let writing = writer.run(stop.clone());
            clients.spawn(async move { drop(writing.await) });
        }
    }

    let quarter = Duration::from_secs(seconds) / 4;
    let mut quarters: Vec<BTreeMap<String, Sample>> = Vec::new();
    let mut tick = interval(Duration::from_millis(500));
    for _ in 0..4 {
        let (end, mut most) = (Instant::now() + quarter, BTreeMap::new());
        while Instant::now() < end {
            tick.tick().await;
            for system in [&many, &writable] {
                for (name, now) in sample(system).await {
                    let most: &mut Sample = most.entry(name).or_default();
                    *most = most.max(now);
                }
            }
        }
        quarters.push(most);
    }
    stop.cancel();
    while let Some(end) = clients.join_next().await {
        end.unwrap();
    }

    say(&format!("SOAK_SECONDS={seconds}\n{}", report.table()));
    say("the most of each, in the second and in the last quarter of the time:");
    for (name, second) in &quarters[1] {
        say(&format!(
            "{name:<20} {second}\n{:<20} {}",
            "", quarters[3][name]
        ));
    }
    report.assert_no_wrong_answer();
    for service in SERVICES {
        report.assert_always_available(("many tasks", service));
        report.assert_always_available(("writable", service));
    }
    for (name, second) in &quarters[1] {
        let last = quarters[3][name];
        assert!(
            last.resident_kib <= second.resident_kib + SLACK_KIB,
            "{name}: memory grew"
        );
        assert!(
            last.descriptors <= second.descriptors + SLACK_DESCRIPTORS,
            "{name}: descriptors are left open"
        );
        assert!(last.journal_bytes <= JOURNAL_BYTES_MAX, "{name}: journal");
    }
}
