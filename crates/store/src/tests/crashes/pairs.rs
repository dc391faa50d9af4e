//! Every two crashes of a service that folds its journal.

use super::{Run, steps::Step};
use crate::tests::{oracle::Op, simulated::Fault};

/// A call to the disk that no run gets to.
const NEVER: usize = 1 << 30;

/// A line in the journal of a little more than a sector: a record and a key.
fn write(username: u8) -> Step {
    let (bio, key) = (155, Some(username));
    Step::Write(vec![Op::Create { username, bio, key }])
}

/// The process crashes at this call. In that crash, or else in the next one, the power
/// fails, too.
fn power_fails_at(call: usize) -> Step {
    Step::Fault {
        after: call,
        fault: Fault::Kill,
        power_lost: true,
    }
}

/// The process ends, and crashes again at this call of its start.
fn crash_in_start(call: usize) -> Step {
    Step::Restart {
        power_lost: false,
        fault: Some((call, Fault::Kill)),
    }
}

/// A fold for which a write waits, as at a stop.
fn fold() -> Vec<Step> {
    vec![write(2), Step::FoldAtOnce]
}

/// A fold beside writes.
fn fold_beside() -> Vec<Step> {
    let parts = (2..8).flat_map(|username| [Step::Fold, write(username)]);
    parts.collect()
}

/// Calls to the disk in these steps, and in a start that has to replay a write and fold it.
fn calls(steps: &[Step]) -> (usize, usize) {
    let mut run = Run::new(1, None).unwrap();
    let before = run.disk.calls();
    for step in steps {
        run.step(step).unwrap();
    }
    let between = run.disk.calls();
    run.step(&write(0)).unwrap();
    let written = run.disk.calls();
    run.restart(false).unwrap();
    (between - before, run.disk.calls() - written)
}

/// Every pair of crashes: one at a call of the writes and a fold, and one at a call of the
/// start that follows. In the first the power fails, or else in the second. Each round
/// loses other sectors and names.
pub(super) fn every_two_crashes(rounds: usize) -> impl Iterator<Item = (u64, Vec<Step>)> {
    let all = (0..rounds).flat_map(|_| {
        let during = [fold(), fold_beside()].into_iter().flat_map(in_both);
        during.chain(between_parts())
    });
    (0..).zip(all)
}

/// The power fails at each call of this fold, and the process crashes in the start.
fn in_both(fold: Vec<Step>) -> impl Iterator<Item = Vec<Step>> {
    let (firsts, seconds) = calls(&fold);
    (0..firsts * seconds).map(move |number| {
        let (first, second) = (1 + number / seconds, 1 + number % seconds);
        let mut steps = vec![write(1), power_fails_at(first)];
        steps.extend(fold.iter().cloned());
        steps.extend([crash_in_start(second), write(9)]);
        steps
    })
}

/// The process ends between two parts of a fold, and the power fails in the start.
fn between_parts() -> impl Iterator<Item = Vec<Step>> {
    let fold = fold_beside();
    let (_, seconds) = calls(&fold);
    (0..fold.len() * seconds).map(move |number| {
        let (parts, second) = (1 + number / seconds, 1 + number % seconds);
        let mut steps = vec![write(1), power_fails_at(NEVER)];
        steps.extend(fold[..parts].iter().cloned());
        steps.extend([crash_in_start(second), write(9)]);
        steps
    })
}
