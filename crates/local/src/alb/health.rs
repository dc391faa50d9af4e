//! The health of a target, decided by its checks.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// How a target group checks its targets (the ALB's `HealthCheck…` parameters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path that a check requests with GET. The status 200 passes.
    pub path: String,
    /// From the start of one check to the start of the next.
    pub interval: Duration,
    /// A check that takes longer has failed. It is shorter than the interval.
    pub timeout: Duration,
    /// Consecutive passed checks before an unhealthy target is healthy again.
    pub healthy_threshold: NonZeroU32,
    /// Consecutive failed checks before a target leaves rotation.
    pub unhealthy_threshold: NonZeroU32,
}

/// The states of a registered target that checks decide. (The target group sets the ALB's fourth
/// state, `draining`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// Registered; no check has decided yet.
    Initial,
    /// Gets requests.
    Healthy,
    /// Gets no requests, unless no target is healthy.
    Unhealthy,
}

/// The health of one target. It does no input or output: results of checks go in, changes come out.
#[derive(Debug, Clone)]
pub struct Health {
    state: HealthState,
    /// How many checks in a row contradict `state`.
    against: u32,
    /// Before this instant a failed check of an `initial` target does not count.
    grace_until: Instant,
}

impl Health {
    /// A target registered now.
    #[must_use]
    pub fn registered(now: Instant, check: &HealthCheck) -> Self {
        Self {
            state: HealthState::Initial,
            against: 0,
            grace_until: now + check.interval,
        }
    }

    /// The state after the checks so far.
    #[must_use]
    pub fn state(&self) -> HealthState {
        self.state
    }

    /// Takes the result of a check. Returns the new state if it changed.
    ///
    /// A new target is healthy after one passed check: the healthy threshold counts for recovery only.
    pub fn record(
        &mut self,
        passed: bool,
        now: Instant,
        check: &HealthCheck,
    ) -> Option<HealthState> {
        let (next, threshold) = match (self.state, passed) {
            (HealthState::Initial, true) => (HealthState::Healthy, 1),
            (HealthState::Initial, false) if now < self.grace_until => return None,
            (HealthState::Initial | HealthState::Healthy, false) => {
                (HealthState::Unhealthy, check.unhealthy_threshold.get())
            }
            (HealthState::Unhealthy, true) => (HealthState::Healthy, check.healthy_threshold.get()),
            (HealthState::Healthy, true) | (HealthState::Unhealthy, false) => {
                self.against = 0;
                return None;
            }
        };
        self.against += 1;
        if self.against < threshold {
            return None;
        }
        self.against = 0;
        self.state = next;
        Some(next)
    }

    /// When the next check starts, counted from the start of the last one.
    ///
    /// This differs from the ALB on purpose. The ALB waits a whole interval; here an `initial` target
    /// is checked again at once during its first interval, so that a start does not take seconds.
    #[must_use]
    pub fn next_check(&self, now: Instant, check: &HealthCheck) -> Duration {
        const EAGER: Duration = Duration::from_millis(50);
        if self.state == HealthState::Initial && now < self.grace_until {
            EAGER
        } else {
            check.interval
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn check() -> HealthCheck {
        HealthCheck {
            path: "/health/ready".to_owned(),
            interval: Duration::from_secs(6),
            timeout: Duration::from_secs(5),
            healthy_threshold: NonZeroU32::new(3).unwrap(),
            unhealthy_threshold: NonZeroU32::new(2).unwrap(),
        }
    }

    /// A target that has passed its first check.
    fn healthy() -> Health {
        let mut health = Health::registered(Instant::now(), &check());
        assert_eq!(
            health.record(true, Instant::now(), &check()),
            Some(HealthState::Healthy)
        );
        health
    }

    fn record(health: &mut Health, passed: bool) -> Option<HealthState> {
        health.record(passed, Instant::now(), &check())
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_target_is_healthy_after_one_passed_check() {
        let health = Health::registered(Instant::now(), &check());
        assert_eq!(health.state(), HealthState::Initial);
        assert_eq!(healthy().state(), HealthState::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_target_is_asked_often_and_its_failures_count_after_one_interval() {
        let mut health = Health::registered(Instant::now(), &check());
        for _ in 0..10 {
            assert_eq!(record(&mut health, false), None);
            assert!(health.next_check(Instant::now(), &check()) < Duration::from_secs(1));
        }
        advance(check().interval).await;
        assert_eq!(
            health.next_check(Instant::now(), &check()),
            check().interval
        );
        assert_eq!(record(&mut health, false), None);
        assert_eq!(record(&mut health, false), Some(HealthState::Unhealthy));
    }

    #[tokio::test(start_paused = true)]
    async fn a_healthy_target_turns_unhealthy_at_its_threshold() {
        let mut health = healthy();
        assert_eq!(record(&mut health, false), None);
        assert_eq!(record(&mut health, false), Some(HealthState::Unhealthy));
    }

    #[tokio::test(start_paused = true)]
    async fn a_passed_check_between_two_failures_starts_the_count_again() {
        let mut health = healthy();
        for _ in 0..3 {
            assert_eq!(record(&mut health, false), None);
            assert_eq!(record(&mut health, true), None);
        }
        assert_eq!(health.state(), HealthState::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unhealthy_target_recovers_at_the_healthy_threshold() {
        let mut health = healthy();
        record(&mut health, false);
        record(&mut health, false);
        assert_eq!(record(&mut health, true), None);
        assert_eq!(record(&mut health, true), None);
        assert_eq!(record(&mut health, false), None);
        assert_eq!(record(&mut health, true), None);
        assert_eq!(record(&mut health, true), None);
        assert_eq!(record(&mut health, true), Some(HealthState::Healthy));
    }
}
