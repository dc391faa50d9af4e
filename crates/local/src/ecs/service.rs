//! A service: how many tasks should run, which tasks do, and what has to change.
//!
//! This is state without input or output: it is told what happens to tasks, and `reconcile` returns the
//! next steps. The rules are those of ECS's service scheduler with a minimum of 100 % and a maximum of
//! 200 %. A writable service has 0 % and 100 %, because two processes must not write to one file.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::alb::health::HealthState;

/// The number of a task within its service. The first one has 1.
pub type TaskNumber = u32;

/// The end of a task that was healthy for this long does not count as a failed start.
const STABLE: Duration = Duration::from_secs(10);

/// The delay after the first failed start. Each further one doubles it.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// The longest delay. (ECS waits up to 15 minutes; here a developer waits.)
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// How a task is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The new one is healthy before the old one drains.
    StartThenStop,
    /// The old one is gone before the new one starts.
    StopThenStart,
}

/// What the scheduler must do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start a task, perhaps to replace one that ended by itself.
    Start(TaskNumber, Option<TaskNumber>),
    /// Deregister the task's target, then call `drained`.
    Deregister(TaskNumber),
    /// Stop the task's process, then call `ended`.
    Stop(TaskNumber),
}

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPhase {
    /// Its process is starting.
    Pending,
    /// It listens and is registered as a target.
    Running(HealthState),
    /// It gets no new requests.
    Draining,
    /// It has been told to stop.
    Stopping,
}

struct TaskState {
    phase: TaskPhase,
    /// How many times `replace_all` had been called when it started.
    generation: u32,
    healthy_since: Option<Instant>,
}

/// The state of a service.
pub struct Service {
    replacement: Replacement,
    desired: usize,
    generation: u32,
    tasks: BTreeMap<TaskNumber, TaskState>,
    last_number: TaskNumber,
    /// Starts that failed in a row.
    failures: u32,
    /// Nothing starts before this.
    retry_at: Option<Instant>,
    /// Tasks that ended by themselves and have not been replaced yet.
    vacancies: VecDeque<TaskNumber>,
}

impl Service {
    /// A service without tasks yet.
    #[must_use]
    pub fn new(desired: usize, replacement: Replacement) -> Self {
        Self {
            replacement,
            desired,
            generation: 0,
            tasks: BTreeMap::new(),
            last_number: 0,
            failures: 0,
            retry_at: None,
            vacancies: VecDeque::new(),
        }
    }

    /// Changes how many tasks should run.
    pub fn scale(&mut self, desired: usize) {
        self.desired = desired;
        self.vacancies.clear();
    }

    /// Replaces every task by a new one, at once even during a delay.
    pub fn replace_all(&mut self) {
        self.generation += 1;
        self.failures = 0;
        self.retry_at = None;
    }

    /// How many tasks should run.
    #[must_use]
    pub fn desired(&self) -> usize {
        self.desired
    }

    /// Where a task is in its life.
    #[must_use]
    pub fn phase(&self, number: TaskNumber) -> Option<TaskPhase> {
        self.tasks.get(&number).map(|task| task.phase)
    }

    /// Whether exactly the tasks that should run do, and all of them are healthy.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.tasks.len() == self.desired
            && self
                .tasks
                .values()
                .all(|task| self.is_current(task) && is_healthy(task))
    }

    /// During a delay: how many starts failed in a row, and when the next one is due.
    #[must_use]
    pub fn backing_off(&self, now: Instant) -> Option<(u32, Instant)> {
        let at = self.retry_at.filter(|&at| now < at)?;
        (self.live() < self.desired).then_some((self.failures, at))
    }

    /// A task listens.
    pub fn listening(&mut self, number: TaskNumber) {
        if let Some(task) = self.tasks.get_mut(&number)
            && task.phase == TaskPhase::Pending
        {
            task.phase = TaskPhase::Running(HealthState::Initial);
        }
    }

    /// A task's health changed.
    pub fn health(&mut self, number: TaskNumber, state: HealthState, now: Instant) {
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        if !matches!(task.phase, TaskPhase::Running(_)) {
            return;
        }
        task.phase = TaskPhase::Running(state);
        match state {
            HealthState::Healthy => task.healthy_since = Some(now),
            HealthState::Initial => {}
            HealthState::Unhealthy => {
                let healthy_since = task.healthy_since.take();
                self.failed(healthy_since, now);
            }
        }
    }

    /// A task's target is deregistered.
    pub fn drained(&mut self, number: TaskNumber) -> Option<Step> {
        let task = self
            .tasks
            .get_mut(&number)
            .filter(|task| task.phase == TaskPhase::Draining)?;
        task.phase = TaskPhase::Stopping;
        Some(Step::Stop(number))
    }

    /// A task's process ended. Returns whether it had been told to stop.
    pub fn ended(&mut self, number: TaskNumber, now: Instant) -> bool {
        let Some(task) = self.tasks.remove(&number) else {
            return true;
        };
        if matches!(task.phase, TaskPhase::Draining | TaskPhase::Stopping) {
            return true;
        }
        self.vacancies.push_back(number);
        // A task that became unhealthy was counted at that time.
        if task.phase != TaskPhase::Running(HealthState::Unhealthy) {
            self.failed(task.healthy_since, now);
        }
        false
    }

    /// A task is lost. That counts as a failed start unless it had been healthy for long. A task that is
    /// lost during a delay does not lengthen it, so that several that end at once count as one failure.
    fn failed(&mut self, healthy_since: Option<Instant>, now: Instant) {
        if healthy_since.is_some_and(|since| now - since >= STABLE) {
            self.failures = 0;
            self.retry_at = None;
        } else if self.retry_at.is_none_or(|at| at <= now) {
            self.failures += 1;
            let doublings = (self.failures - 1).min(16);
            self.retry_at = Some(now + (BACKOFF_FIRST * (1 << doublings)).min(BACKOFF_MAX));
        }
    }

    fn is_current(&self, task: &TaskState) -> bool {
        task.generation == self.generation
    }

    /// Tasks that are healthy or may become so, and are not to be replaced.
    fn live(&self) -> usize {
        self.tasks
            .values()
            .filter(|task| self.is_current(task) && is_live(task))
            .count()
    }

    /// Stops every task at once, because the cluster ends.
    pub fn stop_all(&mut self) -> Vec<Step> {
        self.desired = 0;
        self.tasks
            .values_mut()
            .for_each(|task| task.phase = TaskPhase::Stopping);
        self.tasks
            .keys()
            .map(|&number| Step::Stop(number))
            .collect()
    }

    /// Returns the next steps. `wake_at` then says when to call again if nothing happens before.
    pub fn reconcile(&mut self, now: Instant) -> Vec<Step> {
        let mut steps = Vec::new();
        self.stop_surplus(&mut steps);
        self.stop_replaced(&mut steps);
        self.start_missing(now, &mut steps);
        steps
    }

    /// When to call `reconcile` if nothing happens before.
    #[must_use]
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        self.backing_off(now).map(|(_, at)| at)
    }

    /// Stops tasks beyond the desired count: unhealthy ones first, then the newest.
    fn stop_surplus(&mut self, steps: &mut Vec<Step>) {
        let mut live: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| self.is_current(task) && is_live(task))
            .map(|(&number, task)| (!is_healthy(task), number))
            .collect();
        live.sort_unstable();
        for (_, number) in live.into_iter().skip(self.desired) {
            steps.extend(self.stop(number));
        }
    }

    /// Stops tasks of an earlier generation and unhealthy ones once the new ones are healthy.
    fn stop_replaced(&mut self, steps: &mut Vec<Step>) {
        let healthy = self
            .tasks
            .values()
            .filter(|task| self.is_current(task) && is_healthy(task))
            .count();
        if self.replacement == Replacement::StartThenStop && healthy < self.desired {
            return;
        }
        let replaced: Vec<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| !(self.is_current(task) && is_live(task)))
            .map(|(&number, _)| number)
            .collect();
        for number in replaced {
            steps.extend(self.stop(number));
        }
    }

    /// Starts the tasks that are missing, as far as the maximum allows.
    fn start_missing(&mut self, now: Instant, steps: &mut Vec<Step>) {
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        for _ in self.live()..self.desired {
            if !self.has_room()
                && let Some(number) = self.oldest_unhealthy()
            {
                steps.extend(self.stop(number));
            }
            while !self.has_room()
                && let Some(number) = self.needless_replaced()
            {
                steps.extend(self.stop(number));
            }
            if !self.has_room() {
                return;
            }
            self.last_number += 1;
            let task = TaskState {
                phase: TaskPhase::Pending,
                generation: self.generation,
                healthy_since: None,
            };
            self.tasks.insert(self.last_number, task);
            steps.push(Step::Start(self.last_number, self.vacancies.pop_front()));
        }
    }

    /// Whether one more task stays within the maximum.
    fn has_room(&self) -> bool {
        match self.replacement {
            Replacement::StopThenStart => self.tasks.len() < self.desired,
            Replacement::StartThenStop => {
                self.tasks.values().filter(|task| runs(task)).count() < 2 * self.desired
            }
        }
    }

    fn oldest_unhealthy(&self) -> Option<TaskNumber> {
        let unhealthy = |task: &TaskState| task.phase == TaskPhase::Running(HealthState::Unhealthy);
        self.tasks
            .iter()
            .find(|(_, task)| unhealthy(task))
            .map(|(&number, _)| number)
    }

    /// A task of an earlier generation that is not healthy, or without which enough tasks are. Several
    /// generations may run when tasks are replaced again before the last replacement is over.
    fn needless_replaced(&self) -> Option<TaskNumber> {
        let healthy = self.tasks.values().filter(|task| is_healthy(task)).count();
        let mut replaced = self
            .tasks
            .iter()
            .filter(|(_, task)| !self.is_current(task) && runs(task));
        let needless = |task: &TaskState| !is_healthy(task) || healthy > self.desired;
        replaced
            .find(|(_, task)| needless(task))
            .map(|(&number, _)| number)
    }

    /// The next step to end a task, unless it is ending already.
    fn stop(&mut self, number: TaskNumber) -> Option<Step> {
        let task = self.tasks.get_mut(&number)?;
        let (phase, step) = match task.phase {
            TaskPhase::Pending => (TaskPhase::Stopping, Step::Stop(number)),
            TaskPhase::Running(_) => (TaskPhase::Draining, Step::Deregister(number)),
            TaskPhase::Draining | TaskPhase::Stopping => return None,
        };
        task.phase = phase;
        Some(step)
    }
}

fn is_healthy(task: &TaskState) -> bool {
    task.phase == TaskPhase::Running(HealthState::Healthy)
}

fn is_live(task: &TaskState) -> bool {
    matches!(
        task.phase,
        TaskPhase::Pending | TaskPhase::Running(HealthState::Initial | HealthState::Healthy)
    )
}

fn runs(task: &TaskState) -> bool {
    matches!(task.phase, TaskPhase::Pending | TaskPhase::Running(_))
}

#[cfg(test)]
mod tests;
