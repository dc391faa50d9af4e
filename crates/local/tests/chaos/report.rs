//! Counts what clients were answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// At most so many wrong answers are kept.
const WRONG_MAX: usize = 20;

/// The outcomes of the requests to one service.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Answered correctly.
    pub answered: u64,
    /// Answered with a 5xx, not completely, or not in time.
    pub unavailable: u64,
    /// Failed because the whole cluster was being restarted.
    pub outages: u64,
}

/// The outcomes of all requests, by system and service.
#[derive(Default)]
pub struct Report {
    counts: Mutex<BTreeMap<(&'static str, &'static str), Counts>>,
    /// The first reason why a service was not available.
    reasons: Mutex<BTreeMap<(&'static str, &'static str), String>>,
    wrong: Mutex<Vec<String>>,
}

impl Report {
    fn count(&self, of: (&'static str, &'static str), one: impl FnOnce(&mut Counts)) {
        one(self.counts.lock().unwrap().entry(of).or_default());
    }

    pub fn answered(&self, of: (&'static str, &'static str)) {
        self.count(of, |counts| counts.answered += 1);
    }

    pub fn unavailable(&self, of: (&'static str, &'static str), reason: String) {
        self.count(of, |counts| counts.unavailable += 1);
        self.reasons.lock().unwrap().entry(of).or_insert(reason);
    }

    pub fn outage(&self, of: (&'static str, &'static str)) {
        self.count(of, |counts| counts.outages += 1);
    }

    /// Notes an answer that no service may give.
    pub fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        if wrong.len() < WRONG_MAX {
            wrong.push(what);
        }
    }

    /// Fails the test when there was a wrong answer.
    pub fn assert_no_wrong_answer(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Fails the test when a request to this service failed outside of restarts of the cluster.
    pub fn assert_always_available(&self, of: (&'static str, &'static str)) {
        let counts = self.counts.lock().unwrap()[&of];
        let reason = self.reasons.lock().unwrap().get(&of).cloned();
        assert!(counts.answered > 0, "{of:?} was asked nothing");
        assert_eq!(
            counts.unavailable,
            0,
            "{of:?}: {}",
            reason.unwrap_or_default()
        );
    }

    /// Availability per service.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<10} {:<8} {:>9} {:>12} {:>8}  {}\n",
            "cluster", "service", "answered", "unavailable", "outages", "available"
        );
        for ((system, service), counts) in &*self.counts.lock().unwrap() {
            let Counts {
                answered,
                unavailable,
                outages,
            } = *counts;
            #[expect(clippy::cast_precision_loss, reason = "it is a percentage")]
            let available = answered as f64 * 100.0 / (answered + unavailable).max(1) as f64;
            let _ = writeln!(
                table,
                "{system:<10} {service:<8} {answered:>9} {unavailable:>12} {outages:>8}  {available:.2} %"
            );
        }
        table
    }
}
