//! Compares the store on a simulated disk with a simple model of it, through random writes,
//! folds, failures of the disk, and crashes of the process and the power at any call.

mod pairs;
mod steps;

use std::{path::Path, sync::Arc};

use common::User;
use pairs::every_two_crashes;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestCaseResult, TestError, TestRng, TestRunner},
};
use serde_json::{Value, json};
use steps::{Step, steps};
use tokio::sync::oneshot;

use crate::{
    author::Author,
    error::WriteError,
    journal::{Occasion, shared::Shared},
    store::open_writer,
    tests::{
        oracle::{Expected, ExpectedUser, Op, Oracle, operation, text},
        simulated::{EARLY, Simulated},
        writer::Writer,
    },
};

const DB: &str = "/data/db.json";

/// Every kind of sync that the store does. A test below checks that the comparison with the
/// model fails without any one of them.
const SYNCS: [&str; 12] = [
    "db.json at the start",
    "db.json.new",
    "directory at the start",
    "directory with a new db.json",
    "directory with a new db.json.journal",
    "journal: a batch",
    "journal: a checkpoint",
    "journal: a line for a checkpoint",
    "journal: as it was read",
    "journal: its room",
    "new journal",
    "new journal: the rest",
];

/// A service under test, from one start to the next.
struct Run {
    disk: Simulated,
    shared: Arc<Shared<User>>,
    writer: Option<Writer>,
    /// The collections that the next start may recover. The first one has the acknowledged
    /// writes, and readers see it. The others also have writes whose outcome is unknown.
    acceptable: Vec<Oracle>,
    /// Whether the disk may have failed since the start.
    faulty: bool,
    power_lost: bool,
}

impl Run {
    fn new(seed: u64, ignored: Option<&str>) -> Result<Self, TestCaseError> {
        let disk = Simulated::new(seed);
        if let Some(kind) = ignored {
            disk.ignore(kind);
        }
        let mut model = Oracle::default();
        if seed.is_multiple_of(4) {
            // There is no file, and the collection begins empty.
        } else {
            let text = r#"{"version": 3, "users": [
                {"id": 4, "username": "user-0", "name": "n", "bio": "", "badge": {"level": 1.50}}
            ], "threads": []}"#;
            disk.put(Path::new(DB), text.as_bytes());
            let (username, bio, badge) =
                ("user-0".to_owned(), String::new(), json!({"level": 1.50}));
            let badge = serde_json::from_str(&badge.to_string().replace("1.5", "1.50")).unwrap();
            model.users.insert(
                4,
                ExpectedUser {
                    username,
                    bio,
                    badge,
                    json: None,
                },
            );
            model.last_id = 4;
        }
        let mut run = Self {
            disk,
            shared: Arc::new(Shared::new(crate::memory::state::State::new(), u64::MAX)),
            writer: None,
            acceptable: vec![model],
            faulty: false,
            power_lost: false,
        };
        run.start()?;
        Ok(run)
    }

    /// Starts the service, and checks that it recovers an acceptable collection.
    fn start(&mut self) -> TestCaseResult {
        self.writer = None;
        let (shared, writer) = loop {
            self.valid_json()?;
            match open_writer(Arc::new(self.disk.clone()), Path::new(DB), None, u64::MAX) {
                Ok(opened) => break opened,
                Err(error) => {
                    prop_assert!(self.faulty, "cannot start: {error}");
                    self.disk.restart(self.power_lost);
                    self.faulty = false;
                }
            }
        };
        (self.shared, self.writer) = (shared, writer);
        let found = self
            .acceptable
            .iter_mut()
            .position(|model| model.is(&self.shared));
        let state = self.shared.state();
        prop_assert!(
            found.is_some(),
            "found {:?}, last id {}, expected one of {:#?}",
            (1..=state.last_id)
                .filter_map(|id| state.get(id))
                .collect::<Vec<_>>(),
            state.last_id,
            self.acceptable
        );
        drop(state);
        self.acceptable = vec![self.acceptable.swap_remove(found.unwrap())];
        prop_assert!(
            self.writer.is_some() || self.faulty,
            "refuses writes from the start"
        );
        Ok(())
    }

    fn restart(&mut self, power_lost: bool) -> TestCaseResult {
        self.disk.restart(power_lost);
        self.faulty = false;
        self.start()
    }

    fn step(&mut self, step: &Step) -> TestCaseResult {
        if self.disk.dead() && !matches!(step, Step::Restart { .. }) {
            self.restart(self.power_lost)?;
        }
        match step {
            Step::Write(ops) => self.write(ops)?,
            Step::FoldAtOnce => {
                if let Some(writer) = &mut self.writer {
                    writer.fold(Occasion::Closing);
                }
            }
            Step::Fold => {
                if let Some(writer) = &mut self.writer
                    && !writer.journal().worker().work_now()
                {
                    writer.fold(Occasion::Helped);
                    writer.fold(Occasion::Idle);
                }
            }
            Step::Restart { power_lost, fault } => {
                self.disk.restart(*power_lost);
                self.faulty = fault.is_some();
                if let Some((after, fault)) = fault {
                    self.disk.arm(*after, *fault);
                }
                self.start()?;
            }
            Step::Fault {
                after,
                fault,
                power_lost,
            } => {
                self.disk.arm(*after, *fault);
                self.power_lost = *power_lost;
                // After an early failure the state of the disk is known, so the store may not
                // refuse writes.
                self.faulty |= *fault != EARLY;
            }
        }
        prop_assert!(
            self.acceptable[0].is(&self.shared),
            "readers see something else"
        );
        self.valid_json()?;
        let refuses = self.shared.refusal.get();
        prop_assert!(
            refuses.is_none() || self.faulty,
            "refuses writes: {refuses:?}"
        );
        Ok(())
    }

    fn write(&mut self, ops: &[Op]) -> TestCaseResult {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let refused = self.shared.refusal.get().is_some();
        let mut after = self.acceptable[0].clone();
        let (mut expected, mut operations, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for op in ops {
            let (answer, answered) = oneshot::channel();
            operations.push((Author::Service, operation(op, after.last_id), answer));
            expected.push(after.apply(op));
            answers.push(answered);
        }
        writer.write(operations);
        let answers = answers
            .into_iter()
            .map(|mut answered| answered.try_recv().unwrap().into_outcome());
        let answers: Vec<_> = answers.collect();
        let put_off = |answer: &_| matches!(answer, Err(WriteError::PutOff));
        if answers.iter().any(put_off) {
            // A write that was put off must not appear, now or after any start.
            prop_assert!(answers.iter().all(put_off), "some writes are put off");
            return Ok(());
        }
        // A refused write must not appear either. A failed write may.
        let why = if refused {
            WriteError::Refused
        } else {
            WriteError::InDoubt
        };
        let failed = |answer: &_| matches!(answer, Err(error) if *error == why);
        if answers.iter().any(failed) {
            prop_assert!(answers.iter().all(failed), "some writes fail");
            if !refused {
                self.acceptable.push(after);
            }
            return Ok(());
        }
        for (answer, expected) in answers.into_iter().zip(expected) {
            match (answer, expected) {
                (Ok(written), expected @ (Expected::Done(id) | Expected::Replayed(id))) => {
                    prop_assert_eq!(written.id, id);
                    prop_assert_eq!(written.replayed, expected == Expected::Replayed(id));
                    if let (Some(user), Some(record)) = (after.users.get_mut(&id), written.record) {
                        user.json = Some(text(&record.json));
                    }
                }
                (Err(WriteError::NotFound), Expected::NotFound)
                | (Err(WriteError::Conflict { .. }), Expected::Conflict) => {}
                (Err(WriteError::KeyReused { id }), Expected::KeyReused(expected))
                | (Err(WriteError::MadeAndDeleted { id }), Expected::MadeAndDeleted(expected)) => {
                    prop_assert_eq!(id, expected);
                }
                (answer, expected) => {
                    let answer = answer.map(|written| written.id);
                    prop_assert!(false, "answered {answer:?}, expected {expected:?}");
                }
            }
        }
        self.acceptable = vec![after];
        Ok(())
    }

    /// Checks that `db.json`, if there is one, is valid JSON.
    fn valid_json(&self) -> TestCaseResult {
        if let Some(text) = self.disk.contents(Path::new(DB)) {
            let value: Result<Value, _> = serde_json::from_slice(&text);
            prop_assert!(value.is_ok(), "db.json is no JSON");
        }
        Ok(())
    }
}

/// Takes a service through these steps, then through two power failures with a write between
/// them.
fn run(seed: u64, steps: &[Step], ignored: Option<&str>) -> TestCaseResult {
    let mut run = Run::new(seed, ignored)?;
    for step in steps {
        run.step(step)?;
    }
    run.restart(true)?;
    let username = 99;
    let (bio, key) = (0, None);
    run.write(&[Op::Create { username, bio, key }])?;
    prop_assert!(run.acceptable[0].is(&run.shared));
    run.restart(true)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn what_is_recovered_is_what_was_acknowledged((seed, steps) in steps()) {
        run(seed, &steps, None)?;
    }
}

#[test]
fn what_is_recovered_after_every_two_crashes_is_what_was_acknowledged() {
    for (seed, steps) in every_two_crashes(2) {
        let ran = run(seed, &steps, None);
        assert!(ran.is_ok(), "{ran:?}, seed {seed}, {steps:#?}");
    }
}

#[test]
fn without_any_one_of_its_syncs_the_store_loses_writes() {
    for kind in SYNCS {
        let config = ProptestConfig {
            max_shrink_iters: 0,
            ..config(2000)
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let without = |(seed, steps): (u64, Vec<Step>)| run(seed, &steps, Some(kind));
        let found = match TestRunner::new_with_rng(config, rng).run(&steps(), without) {
            Err(TestError::Fail(why, _)) => Some(TestCaseError::Fail(why)),
            _ => every_two_crashes(40).find_map(|crashes| without(crashes).err()),
        };
        let Some(TestCaseError::Fail(why)) = found else {
            panic!("nobody would miss the sync {kind:?}");
        };
        let why = why.message().lines().next().unwrap_or_default();
        println!("without {kind:?}: {why}");
    }
}

#[test]
fn these_are_all_syncs() {
    let mut run = Run::new(1, None).unwrap();
    let write = |run: &mut Run| {
        let create = Op::Create {
            username: 1,
            bio: 800,
            key: None,
        };
        run.step(&Step::Write(vec![create])).unwrap();
        let which = u8::try_from(run.acceptable[0].last_id).unwrap();
        run.step(&Step::Write(vec![Op::Delete { which }])).unwrap();
    };
    (0..4).for_each(|_| write(&mut run));
    run.step(&Step::FoldAtOnce).unwrap();
    for _ in 0..6 {
        write(&mut run);
        run.step(&Step::Fold).unwrap();
    }
    run.restart(false).unwrap();
    let syncs = run.disk.syncs();
    assert_eq!(syncs.iter().map(String::as_str).collect::<Vec<_>>(), SYNCS);
}
