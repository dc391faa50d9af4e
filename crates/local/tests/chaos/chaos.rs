//! Faults under load.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::{Ask, Client, Outcome};
use crate::faults::{Fault, Faults};
use crate::model::{self, Model};
use crate::readers::{Reader, learn};
use crate::report::Report;
use crate::small_disk::SmallDisk;
use crate::support::cluster::Setup;
use crate::system::{End, SERVICES, System};
use crate::writers::{Writer, member};
use crate::{say, setting};

/// How long clients wait for an answer of a service that has faults, and of one that has none.
const PATIENCE: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(45)];

/// A fault for the cluster with many tasks. The threads service has none, and the posts service only
/// those that must fail no request.
fn of_many_tasks(rng: &mut Rng) -> Fault {
    let pause = pause(rng);
    let tasks = rng.usize(1..6);
    match rng.u8(..100) {
        0..25 => Fault::Kill("users"),
        25..30 => Fault::KillAll("users"),
        30..50 => Fault::Pause("users", pause),
        50..60 => Fault::Slow("users"),
        60..70 => Fault::Restart("users"),
        70..80 => Fault::Scale("users", tasks),
        80..88 => Fault::Restart("posts"),
        88..96 => Fault::Scale("posts", tasks),
        _ => Fault::End(End::Stop),
    }
}

/// A fault for the writable cluster. The users service has none.
fn of_writers(rng: &mut Rng) -> Fault {
    let pause = pause(rng);
    match rng.u8(..100) {
        0..15 => Fault::Kill("threads"),
        15..30 => Fault::Kill("posts"),
        30..40 => Fault::Pause("threads", pause),
        40..50 => Fault::Pause("posts", pause),
        50..58 => Fault::Slow("posts"),
        58..65 => Fault::Restart("threads"),
        65..72 => Fault::Restart("posts"),
        72..90 => Fault::FillDisk("posts"),
        90..95 => Fault::End(End::Stop),
        _ => Fault::End(End::Crash),
    }
}

/// The length of a pause. One in four is so long that health checks fail.
fn pause(rng: &mut Rng) -> Duration {
    let long = rng.u8(..4) == 0;
    let times = if long { 12_000..20_000 } else { 50..2_000 };
    Duration::from_millis(rng.u64(times))
}

/// Sets health checks that notice a hung task soon. Services in `left_alone` have no faults: their
/// checks are so patient that a busy machine does not fail them.
fn with_health_checks(mut setup: Setup, left_alone: &[&str]) -> Setup {
    for service in SERVICES {
        let [interval, timeout, threshold] = if left_alone.contains(&service) {
            ["30", "25", "3"]
        } else {
            ["5", "3", "2"]
        };
        setup = setup
            .parameter(service, "HealthCheckIntervalSeconds", interval)
            .parameter(service, "HealthCheckTimeoutSeconds", timeout)
            .parameter(service, "UnhealthyThresholdCount", threshold);
    }
    setup
}

/// Compares what a service holds with what its writers know and with its seed.
async fn compare(system: &Arc<System>, service: &'static str, models: &[Model]) {
    let mut client = Client::new(Arc::clone(system), PATIENCE[1]);
    let Outcome::Answer(answer) = client.ask(Ask::get(format!("/api/{service}"))).await else {
        panic!("{service}: no answer when all is well again");
    };
    assert_eq!(answer.status, 200, "{service}: {answer:?}");
    let list: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
    let faults = model::faults(models, &system.seed(service), &list, member(service));
    assert!(faults.is_empty(), "{service}:\n{}", faults.join("\n"));
}

#[tokio::test]
async fn no_fault_brings_a_wrong_answer_or_loses_a_write() {
    let seconds = setting("CHAOS_SECONDS", 20);
    let seed = setting("CHAOS_SEED", fastrand::u64(..1_000_000));
    say(&format!("CHAOS_SECONDS={seconds} CHAOS_SEED={seed}"));
    let mut rng = Rng::with_seed(seed);

    let setup = with_health_checks(Setup::with_services().await, &["threads", "posts"]);
    let setup = setup.parameter("users", "DesiredCount", "4");
    let many = System::start("many tasks", setup).await;
    let setup = with_health_checks(Setup::with_services().await.arg("--writable"), &["users"]);
    let disk = SmallDisk::mount(&setup.root.path().join("data/posts"));
    if disk.is_none() {
        say("the disk is never full: mounting a small one takes root");
    }
    let writable = System::start("writable", setup).await;

    let report = Arc::new(Report::default());
    let stop = CancellationToken::new();
    let mut readers = JoinSet::new();
    for service in SERVICES {
        let expected = Arc::new(learn(&many, service).await);
        for _ in 0..3 {
            let reader = Reader {
                system: Arc::clone(&many),
                service,
                expected: Arc::clone(&expected),
                report: Arc::clone(&report),
                patience: PATIENCE[usize::from(service != "users")],
                rng: rng.fork(),
            };
            readers.spawn(reader.run(stop.clone()));
        }
    }
    let mut writers = Vec::new();
    for service in SERVICES {
        for number in 0..3 {
            let patience = PATIENCE[usize::from(service == "users")];
            let writer = Writer::new(&writable, service, number, &report, patience, rng.fork());
            writers.push((service, tokio::spawn(writer.run(stop.clone()))));
        }
    }

    let until = Instant::now() + Duration::from_secs(seconds);
    let mut of_many = Faults::new(&many, of_many_tasks, rng.fork(), None);
    let mut of_writable = Faults::new(&writable, of_writers, rng.fork(), disk);
    tokio::join!(of_many.run(until), of_writable.run(until));
    let (_, _disk) = tokio::join!(of_many.heal(), of_writable.heal());

    stop.cancel();
    while let Some(end) = readers.join_next().await {
        end.unwrap();
    }
    let mut models = Vec::new();
    for (service, writer) in writers {
        models.push((service, writer.await.unwrap()));
    }
    let known = |of: &str| -> Vec<Model> {
        let models = models.iter().filter(|(service, _)| *service == of);
        models.map(|(_, model)| model.clone()).collect()
    };
    say(&report.table());
    let unsure: usize = models.iter().map(|(_, model)| model.maybe.len()).sum();
    let created: usize = models.iter().map(|(_, model)| model.records.len()).sum();
    say(&format!(
        "{created} records created, {unsure} perhaps; CHAOS_SEED={seed}"
    ));

    report.assert_no_wrong_answer();
    for service in SERVICES {
        compare(&writable, service, &known(service)).await;
    }
    writable.restart(End::Stop).await;
    for service in SERVICES {
        compare(&writable, service, &known(service)).await;
    }
    for of in [
        ("many tasks", "threads"),
        ("many tasks", "posts"),
        ("writable", "users"),
    ] {
        report.assert_always_available(of);
    }
}
