//! Events that may happen very often, and are logged now and then.

use std::time::{Duration, Instant};

/// The shortest time between two log lines about the same kind of event.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts the events of one kind.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    logged: Option<Instant>,
    unlogged: u64,
}

impl Repeats {
    /// Counts an event. If a log line about it is due, returns how many events the line stands
    /// for: this one, and those before it that were not logged.
    pub fn count(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        let since = |at| now.saturating_duration_since(at);
        if self.logged.is_some_and(|at| since(at) < INTERVAL) {
            return None;
        }
        self.logged = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_stands_for_all_events() {
        let start = Instant::now();
        let mut repeats = Repeats::default();
        let mut at = |millis| repeats.count(start + Duration::from_millis(millis));
        assert_eq!(at(0), Some(1));
        assert_eq!((at(10), at(999)), (None, None));
        assert_eq!(at(1000), Some(3));
        assert_eq!(at(1999), None);
        assert_eq!(at(5000), Some(2));
    }
}
