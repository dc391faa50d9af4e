//! Each transition of a service, on a paused clock.

use tokio::time::advance;

use super::*;

fn service(desired: usize) -> Service {
    Service::new(desired, Replacement::StartThenStop)
}

fn reconcile(service: &mut Service) -> Vec<Step> {
    service.reconcile(Instant::now())
}

fn becomes_healthy(service: &mut Service, number: TaskNumber) {
    service.listening(number);
    service.health(number, HealthState::Healthy, Instant::now());
}

/// A service whose tasks have been healthy for long.
async fn steady(desired: u32, replacement: Replacement) -> Service {
    let mut service = Service::new(desired as usize, replacement);
    reconcile(&mut service);
    (1..=desired).for_each(|number| becomes_healthy(&mut service, number));
    advance(STABLE).await;
    assert!(service.is_steady());
    assert_eq!(reconcile(&mut service), []);
    service
}

#[tokio::test(start_paused = true)]
async fn the_desired_tasks_are_started_once() {
    let mut service = service(2);
    assert_eq!(
        reconcile(&mut service),
        [Step::Start(1, None), Step::Start(2, None)]
    );
    assert_eq!(reconcile(&mut service), []);
    becomes_healthy(&mut service, 1);
    assert!(!service.is_steady());
    becomes_healthy(&mut service, 2);
    assert!(service.is_steady());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_served_well_is_replaced_at_once() {
    let mut service = steady(2, Replacement::StartThenStop).await;
    assert!(!service.ended(1, Instant::now()), "nobody asked");
    assert_eq!(reconcile(&mut service), [Step::Start(3, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn failed_starts_back_off_doubling_to_a_limit() {
    let mut service = service(1);
    let mut delays = Vec::new();
    for number in 1..=9 {
        assert_eq!(reconcile(&mut service).len(), 1, "start {number}");
        service.ended(number, Instant::now());
        assert_eq!(reconcile(&mut service), []);
        let (failures, at) = service.backing_off(Instant::now()).unwrap();
        assert_eq!(failures, number);
        assert_eq!(service.wake_at(Instant::now()), Some(at));
        let delay = at - Instant::now();
        delays.push(delay.as_secs());
        advance(delay).await;
        assert_eq!(service.backing_off(Instant::now()), None);
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[tokio::test(start_paused = true)]
async fn several_ends_at_once_count_as_one_failed_start() {
    let mut service = service(4);
    reconcile(&mut service);
    for number in 1..=4 {
        becomes_healthy(&mut service, number);
        service.ended(number, Instant::now());
    }
    let (failures, at) = service.backing_off(Instant::now()).unwrap();
    assert_eq!((failures, at - Instant::now()), (1, BACKOFF_FIRST));
    advance(BACKOFF_FIRST).await;
    assert_eq!(reconcile(&mut service).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_good_start_ends_the_backing_off() {
    let mut service = service(1);
    for number in 1..=3 {
        reconcile(&mut service);
        service.ended(number, Instant::now());
        advance(BACKOFF_MAX).await;
    }
    reconcile(&mut service);
    becomes_healthy(&mut service, 4);
    advance(STABLE).await;
    service.ended(4, Instant::now());
    assert_eq!(service.backing_off(Instant::now()), None);
    assert_eq!(reconcile(&mut service), [Step::Start(5, Some(4))]);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_task_stays_until_its_replacement_is_healthy() {
    let mut service = steady(2, Replacement::StartThenStop).await;
    service.health(1, HealthState::Unhealthy, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Start(3, None)]);
    service.listening(3);
    assert_eq!(reconcile(&mut service), []);
    service.health(3, HealthState::Healthy, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Deregister(1)]);
    assert_eq!(service.drained(1), Some(Step::Stop(1)));
    assert!(service.ended(1, Instant::now()), "asked for");
    assert!(service.is_steady());
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_task_that_recovers_first_makes_its_replacement_superfluous() {
    let mut service = steady(2, Replacement::StartThenStop).await;
    service.health(1, HealthState::Unhealthy, Instant::now());
    reconcile(&mut service);
    service.health(1, HealthState::Healthy, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Stop(3)]);
    service.ended(3, Instant::now());
    assert!(service.is_steady());
}

#[tokio::test(start_paused = true)]
async fn tasks_that_never_turn_healthy_do_not_pile_up() {
    let mut service = service(1);
    for number in 1..=20 {
        for step in reconcile(&mut service) {
            if let Step::Deregister(old) = step {
                service.drained(old);
                service.ended(old, Instant::now());
            }
        }
        service.listening(number);
        service.health(number, HealthState::Unhealthy, Instant::now());
        advance(BACKOFF_MAX).await;
        assert!(service.tasks.len() <= 2, "{} tasks", service.tasks.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_starts_all_new_tasks_before_any_old_one_drains() {
    let mut service = steady(2, Replacement::StartThenStop).await;
    service.replace_all();
    assert!(!service.is_steady());
    assert_eq!(
        reconcile(&mut service),
        [Step::Start(3, None), Step::Start(4, None)]
    );
    becomes_healthy(&mut service, 3);
    assert_eq!(reconcile(&mut service), []);
    becomes_healthy(&mut service, 4);
    assert_eq!(
        reconcile(&mut service),
        [Step::Deregister(1), Step::Deregister(2)]
    );
    for old in [1, 2] {
        service.drained(old);
        service.ended(old, Instant::now());
    }
    assert!(service.is_steady());
}

#[tokio::test(start_paused = true)]
async fn a_restart_whose_tasks_fail_leaves_the_old_ones_alone() {
    let mut service = steady(1, Replacement::StartThenStop).await;
    service.replace_all();
    for number in 2..=5 {
        assert_eq!(reconcile(&mut service).len(), 1);
        service.ended(number, Instant::now());
        assert_eq!(reconcile(&mut service), []);
        advance(BACKOFF_MAX).await;
    }
    assert_eq!(
        service.phase(1),
        Some(TaskPhase::Running(HealthState::Healthy))
    );
}

#[tokio::test(start_paused = true)]
async fn a_writable_service_is_stopped_before_it_is_started() {
    let mut service = steady(1, Replacement::StopThenStart).await;
    service.replace_all();
    assert_eq!(reconcile(&mut service), [Step::Deregister(1)]);
    assert_eq!(service.drained(1), Some(Step::Stop(1)));
    assert_eq!(reconcile(&mut service), []);
    service.ended(1, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Start(2, None)]);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_writable_task_is_gone_before_its_replacement_starts() {
    let mut service = steady(1, Replacement::StopThenStart).await;
    service.health(1, HealthState::Unhealthy, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Deregister(1)]);
    service.drained(1);
    service.ended(1, Instant::now());
    assert_eq!(reconcile(&mut service), [Step::Start(2, None)]);
}

#[tokio::test(start_paused = true)]
async fn scaling_in_stops_what_is_not_healthy_then_the_youngest() {
    let mut service = steady(4, Replacement::StartThenStop).await;
    service.scale(5);
    assert_eq!(reconcile(&mut service), [Step::Start(5, None)]);
    service.listening(5);
    service.scale(3);
    assert_eq!(
        reconcile(&mut service),
        [Step::Deregister(4), Step::Deregister(5)]
    );
    service.scale(0);
    assert_eq!(
        reconcile(&mut service),
        [
            Step::Deregister(1),
            Step::Deregister(2),
            Step::Deregister(3)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_not_listened_yet_is_stopped_without_draining() {
    let mut service = service(1);
    reconcile(&mut service);
    service.scale(0);
    assert_eq!(reconcile(&mut service), [Step::Stop(1)]);
    service.listening(1);
    assert_eq!(service.phase(1), Some(TaskPhase::Stopping), "too late");
}

#[tokio::test(start_paused = true)]
async fn a_draining_task_that_ends_early_is_no_failure() {
    let mut service = steady(2, Replacement::StartThenStop).await;
    service.scale(1);
    assert_eq!(reconcile(&mut service), [Step::Deregister(2)]);
    assert!(service.ended(2, Instant::now()));
    assert_eq!(service.drained(2), None);
    assert_eq!(reconcile(&mut service), []);
    assert!(service.is_steady());
}

/// Carries out what the service decides, until it decides nothing more.
fn carry_out(service: &mut Service) {
    loop {
        let steps = reconcile(service);
        if steps.is_empty() {
            return;
        }
        for step in steps {
            match step {
                Step::Start(number, _) => becomes_healthy(service, number),
                Step::Deregister(number) => {
                    assert_eq!(service.drained(number), Some(Step::Stop(number)));
                    service.ended(number, Instant::now());
                }
                Step::Stop(number) => drop(service.ended(number, Instant::now())),
            }
            let healthy = service.tasks.values().filter(|task| is_healthy(task));
            assert!(
                healthy.count() >= service.desired.min(3),
                "too few are healthy"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_replaced_itself_comes_to_an_end() {
    for (healthy, desired) in [(false, 3), (true, 3), (true, 1), (false, 4)] {
        let mut service = steady(3, Replacement::StartThenStop).await;
        service.replace_all();
        assert_eq!(reconcile(&mut service).len(), 3);
        if healthy {
            (4..=6).for_each(|number| becomes_healthy(&mut service, number));
        }
        // Six tasks run: no more are allowed.
        service.replace_all();
        service.scale(desired);
        carry_out(&mut service);
        assert!(service.is_steady(), "{healthy} {desired}");
    }
}
