//! A target group: the targets of a service, and which of them gets the next request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::alb::health::HealthCheck;
use crate::alb::target::{Lease, Target, TargetState};

/// The targets of one service.
pub struct TargetGroup {
    /// The service's name.
    pub name: String,
    /// How its targets are checked.
    pub health_check: HealthCheck,
    /// How long a draining target may finish what it has begun.
    pub deregistration_delay: Duration,
    /// The lock is held for a few instructions at a time, never across an await.
    targets: Mutex<Vec<Arc<Target>>>,
    /// How many requests were sent so far, which decides whose turn it is.
    turn: AtomicUsize,
}

impl TargetGroup {
    /// A group without targets.
    #[must_use]
    pub fn new(name: String, health_check: HealthCheck, deregistration_delay: Duration) -> Self {
        Self {
            name,
            health_check,
            deregistration_delay,
            targets: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    fn targets(&self) -> MutexGuard<'_, Vec<Arc<Target>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an address. Its target is `initial` until a health check decides.
    pub fn register(&self, addr: SocketAddr) -> Arc<Target> {
        let target = Arc::new(Target::new(addr, &self.health_check));
        self.targets().push(Arc::clone(&target));
        target
    }

    /// Deregisters a target. It may finish the requests under way, for at most the deregistration
    /// delay. Then it is removed, and the requests that are left fail. Returns how many those were.
    pub async fn deregister(&self, target: &Target) -> usize {
        self.drain(target);
        let left = target.unused(self.deregistration_delay).await;
        self.remove(target);
        left
    }

    /// The first step of `deregister`: the target gets no new request from now on.
    pub fn drain(&self, target: &Target) {
        // `choose` takes the same lock: a request is either counted already or goes elsewhere.
        let _targets = self.targets();
        target.start_draining();
    }

    /// Removes a target at once, because its process has ended.
    pub fn remove(&self, target: &Target) {
        self.targets()
            .retain(|other| !std::ptr::eq(Arc::as_ptr(other), target));
        target.close();
    }

    /// The target whose turn it is, among those not yet `tried` for this request.
    ///
    /// Healthy targets get requests in turn. When none is healthy the group fails open, as the ALB does:
    /// all targets that are not draining get requests in turn.
    pub fn choose(&self, tried: &[SocketAddr]) -> Option<Lease> {
        let targets = self.targets();
        let any_healthy = targets
            .iter()
            .any(|target| target.state() == TargetState::Healthy);
        let eligible = || {
            targets.iter().filter(|target| match target.state() {
                TargetState::Healthy => !tried.contains(&target.addr),
                TargetState::Initial | TargetState::Unhealthy => {
                    !any_healthy && !tried.contains(&target.addr)
                }
                TargetState::Draining => false,
            })
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let nth = turn.checked_rem(eligible().count())?;
        eligible()
            .nth(nth)
            .map(|target| Lease::new(Arc::clone(target)))
    }

    /// Every target with its state, in the order of registration.
    pub fn describe(&self) -> Vec<(SocketAddr, TargetState)> {
        self.targets()
            .iter()
            .map(|target| (target.addr, target.state()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::num::NonZeroU32;

    use super::*;

    impl TargetGroup {
        pub(crate) fn for_tests(name: &str) -> Arc<Self> {
            let two = NonZeroU32::new(2).unwrap();
            let check = HealthCheck {
                path: "/health/ready".to_owned(),
                interval: Duration::from_secs(6),
                timeout: Duration::from_secs(5),
                healthy_threshold: two,
                unhealthy_threshold: two,
            };
            Arc::new(Self::new(name.to_owned(), check, Duration::from_secs(15)))
        }

        fn with_targets(count: u16) -> (Arc<Self>, Vec<Arc<Target>>) {
            let group = Self::for_tests("users");
            let targets = (1..=count).map(|port| group.register(addr(port))).collect();
            (group, targets)
        }
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn check(group: &TargetGroup, target: &Target, results: &[bool]) {
        for &passed in results {
            target.record_check(passed, &group.health_check);
        }
    }

    /// How many of 60 requests each port gets.
    fn shares(group: &TargetGroup) -> HashMap<u16, usize> {
        let mut shares = HashMap::new();
        for _ in 0..60 {
            *shares
                .entry(group.choose(&[]).unwrap().addr.port())
                .or_default() += 1;
        }
        shares
    }

    #[tokio::test(start_paused = true)]
    async fn healthy_targets_take_turns_and_others_get_nothing() {
        let (group, targets) = TargetGroup::with_targets(4);
        check(&group, &targets[0], &[true]);
        check(&group, &targets[1], &[true]);
        check(&group, &targets[2], &[true, false, false]);
        assert_eq!(shares(&group), HashMap::from([(1, 30), (2, 30)]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_healthy_target_the_group_fails_open() {
        let (group, targets) = TargetGroup::with_targets(3);
        check(&group, &targets[0], &[true, false, false]);
        check(&group, &targets[1], &[true, false, false]);
        group.drain(&targets[2]);
        assert_eq!(shares(&group), HashMap::from([(1, 30), (2, 30)]));

        check(&group, &targets[0], &[true, true]);
        assert_eq!(shares(&group), HashMap::from([(1, 60)]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_target_there_is_nobody_to_choose() {
        let (group, targets) = TargetGroup::with_targets(1);
        group.drain(&targets[0]);
        assert!(group.choose(&[]).is_none());
        group.remove(&targets[0]);
        assert!(group.choose(&[]).is_none());
        assert!(group.describe().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_try_goes_to_another_target() {
        let (group, targets) = TargetGroup::with_targets(2);
        for target in &targets {
            check(&group, target, &[true]);
        }
        for _ in 0..4 {
            let first = group.choose(&[]).unwrap().addr;
            let second = group.choose(&[first]).unwrap().addr;
            assert_ne!(first, second);
            assert!(group.choose(&[first, second]).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_draining_target_is_unused_as_soon_as_nothing_is_under_way() {
        let (group, targets) = TargetGroup::with_targets(1);
        check(&group, &targets[0], &[true]);
        let lease = group.choose(&[]).unwrap();
        let start = tokio::time::Instant::now();
        let draining = tokio::spawn({
            let (group, target) = (Arc::clone(&group), Arc::clone(&targets[0]));
            async move { group.deregister(&target).await }
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(group.describe(), [(addr(1), TargetState::Draining)]);
        assert!(group.choose(&[]).is_none());
        drop(lease);
        assert_eq!(draining.await.unwrap(), 0);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert!(group.describe().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_draining_target_is_given_up_after_the_delay() {
        let (group, targets) = TargetGroup::with_targets(1);
        let _lease = group.choose(&[]).unwrap();
        let start = tokio::time::Instant::now();
        let given_up = targets[0].closed();
        assert_eq!(group.deregister(&targets[0]).await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(15));
        given_up.await;
    }
}
