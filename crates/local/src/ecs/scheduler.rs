//! The scheduler of one service: carries out the steps that the service's state decides, and tells the
//! state what happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::alb::check::{self, Transition};
use crate::alb::health::HealthState;
use crate::alb::target::Target;
use crate::alb::target_group::TargetGroup;
use crate::control::status::{BackingOff, ServiceStatus, TaskStatus};
use crate::ecs::service::{Replacement, Service, Step, TaskNumber, TaskPhase};
use crate::ecs::task::{Task, TaskDefinition, TaskEvent};
use crate::event::{Event, Events};

/// The result of an order: what was done, or why it is not done yet.
pub type Outcome = Result<String, String>;

/// What the cluster asks of a service. The outcome is sent when the tasks run and are healthy, or when
/// one has failed to start.
pub enum Order {
    /// Report when all tasks that should run are healthy.
    WaitUntilSteady(oneshot::Sender<Outcome>),
    /// Replace every task.
    Restart(oneshot::Sender<Outcome>),
    /// Change how many tasks should run.
    Scale(usize, oneshot::Sender<Outcome>),
    /// Describe the service and its tasks.
    Describe(oneshot::Sender<ServiceStatus>),
}

/// What happens to a task.
enum TaskUpdate {
    Task(TaskEvent),
    Health(Transition),
    /// Its target is deregistered. The number says how many requests failed by that.
    Drained(usize),
}

struct RunningTask {
    pid: u32,
    stop: CancellationToken,
    target: Option<Arc<Target>>,
}

/// Runs the tasks of one service.
pub struct Scheduler {
    name: String,
    definition: TaskDefinition,
    replacement: Replacement,
    service: Service,
    group: Arc<TargetGroup>,
    events: Events,
    tasks: BTreeMap<TaskNumber, RunningTask>,
    /// One job for each process, for each target's checks and for each deregistration.
    jobs: JoinSet<()>,
    updates: mpsc::UnboundedSender<(TaskNumber, TaskUpdate)>,
    waiting: Vec<(Instant, oneshot::Sender<Outcome>)>,
}

impl Scheduler {
    /// Runs a service until `orders` closes; then stops its tasks.
    ///
    /// # Panics
    /// When one of its jobs panics.
    pub async fn run(
        group: Arc<TargetGroup>,
        definition: TaskDefinition,
        desired: usize,
        events: Events,
        mut orders: mpsc::Receiver<Order>,
    ) {
        let replacement = if definition.writable {
            Replacement::StopThenStart
        } else {
            Replacement::StartThenStop
        };
        let (updates, mut inbox) = mpsc::unbounded_channel();
        let mut this = Self {
            name: group.name.clone(),
            definition,
            replacement,
            service: Service::new(desired, replacement),
            group,
            events,
            tasks: BTreeMap::new(),
            jobs: JoinSet::new(),
            updates,
            waiting: Vec::new(),
        };
        loop {
            let steps = this.service.reconcile(Instant::now());
            this.carry_out(steps);
            this.answer_waiting();
            let wake_at = this.service.wake_at(Instant::now());
            tokio::select! {
                Some((number, update)) = inbox.recv() => this.on_update(number, update),
                order = orders.recv() => match order {
                    Some(order) => this.on_order(order),
                    None => break,
                },
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
                Some(job) = this.jobs.join_next() => propagate(job),
            }
        }
        let steps = this.service.stop_all();
        this.carry_out(steps);
        while !this.tasks.is_empty() {
            tokio::select! {
                Some((number, update)) = inbox.recv() => this.on_update(number, update),
                Some(job) = this.jobs.join_next() => propagate(job),
            }
        }
    }

    fn task_name(&self, number: TaskNumber) -> String {
        format!("{}/{number}", self.name)
    }

    fn carry_out(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Start(number, replaces) => self.start(number, replaces),
                Step::Deregister(number) => self.deregister(number),
                Step::Stop(number) => {
                    if let Some(task) = self.tasks.get(&number) {
                        task.stop.cancel();
                    }
                }
            }
        }
    }

    fn start(&mut self, number: TaskNumber, replaces: Option<TaskNumber>) {
        let subject = self.task_name(number);
        let task = match Task::start(subject.clone(), &self.definition) {
            Ok(task) => task,
            Err(cause) => return self.ended(number, cause),
        };
        let (pid, stop) = (task.pid, CancellationToken::new());
        let replaces = replaces.map(|replaced| self.task_name(replaced));
        self.events.send(Event::Started {
            subject,
            pid,
            replaces,
        });
        let updates = self.updates.clone();
        // The scheduler may have ended, and then nobody needs the updates.
        let report = move |event| drop(updates.send((number, TaskUpdate::Task(event))));
        self.jobs
            .spawn(task.supervise(self.events.clone(), stop.clone(), report));
        self.tasks.insert(
            number,
            RunningTask {
                pid,
                stop,
                target: None,
            },
        );
    }

    fn register(&mut self, number: TaskNumber, addr: SocketAddr) {
        self.service.listening(number);
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        if self.service.phase(number) != Some(TaskPhase::Running(HealthState::Initial)) {
            return;
        }
        let target = self.group.register(addr);
        task.target = Some(Arc::clone(&target));
        let (group, updates) = (Arc::clone(&self.group), self.updates.clone());
        self.jobs.spawn(async move {
            let report = |transition| drop(updates.send((number, TaskUpdate::Health(transition))));
            check::run(&group, target, report).await;
        });
    }

    fn deregister(&mut self, number: TaskNumber) {
        let Some(target) = self.tasks.get(&number).and_then(|task| task.target.clone()) else {
            return;
        };
        self.events.send(Event::Draining {
            subject: self.task_name(number),
        });
        self.group.drain(&target);
        let (group, updates) = (Arc::clone(&self.group), self.updates.clone());
        self.jobs.spawn(async move {
            let broken_off = group.deregister(&target).await;
            let _ = updates.send((number, TaskUpdate::Drained(broken_off)));
        });
    }

    fn on_update(&mut self, number: TaskNumber, update: TaskUpdate) {
        match update {
            TaskUpdate::Task(TaskEvent::Listening(addr)) => self.register(number, addr),
            TaskUpdate::Task(TaskEvent::Ended(cause)) => self.ended(number, cause.to_string()),
            TaskUpdate::Health(transition) => self.health(number, &transition),
            TaskUpdate::Drained(broken_off) => {
                if broken_off > 0 {
                    let delay = self.group.deregistration_delay.as_secs();
                    let text =
                        format!("broke off {broken_off} requests after draining for {delay} s");
                    self.events.send(Event::Warning {
                        subject: self.task_name(number),
                        text,
                    });
                }
                let stop = self.service.drained(number);
                self.carry_out(stop.into_iter().collect());
            }
        }
    }

    fn health(&mut self, number: TaskNumber, transition: &Transition) {
        let was = self.service.phase(number);
        self.service
            .health(number, transition.state, Instant::now());
        let now = self.service.phase(number);
        let Some(target) = self
            .tasks
            .get(&number)
            .and_then(|task| task.target.as_ref())
        else {
            return;
        };
        let subject = self.task_name(number);
        match now {
            _ if was == now => {}
            Some(TaskPhase::Running(HealthState::Healthy)) => {
                self.events.send(Event::Healthy {
                    subject,
                    detail: target.addr.to_string(),
                });
            }
            Some(TaskPhase::Running(HealthState::Unhealthy)) => {
                let reason = transition.reason.clone();
                self.events.send(Event::Unhealthy {
                    subject: subject.clone(),
                    reason: reason.clone(),
                });
                if was == Some(TaskPhase::Running(HealthState::Initial)) {
                    self.start_failed(&subject, &reason);
                }
                self.announce_backoff();
            }
            _ => {}
        }
    }

    fn ended(&mut self, number: TaskNumber, cause: String) {
        // ECS deregisters the target of a task that ended. It does not wait for health checks.
        if let Some(target) = self.tasks.remove(&number).and_then(|task| task.target) {
            self.group.remove(&target);
        }
        let phase = self.service.phase(number);
        let expected = self.service.ended(number, Instant::now());
        let subject = self.task_name(number);
        if matches!(
            phase,
            Some(TaskPhase::Pending | TaskPhase::Running(HealthState::Initial))
        ) {
            self.start_failed(&subject, &cause);
        }
        self.events.send(Event::Stopped {
            subject,
            cause,
            expected,
        });
        if !expected {
            self.announce_backoff();
        }
    }

    fn announce_backoff(&self) {
        let now = Instant::now();
        if let Some((failures, at)) = self.service.backing_off(now) {
            let delay = at - now;
            self.events.send(Event::BackingOff {
                subject: self.name.clone(),
                failures,
                delay,
            });
        }
    }

    fn on_order(&mut self, order: Order) {
        match order {
            Order::WaitUntilSteady(reply) => self.waiting.push((Instant::now(), reply)),
            Order::Restart(reply) => {
                self.service.replace_all();
                self.waiting.push((Instant::now(), reply));
            }
            Order::Scale(desired, reply) => {
                if self.replacement == Replacement::StopThenStart && desired > 1 {
                    let refusal =
                        "a writable service has one task: a second would need the same file";
                    let _ = reply.send(Err(format!(
                        "cannot scale {} to {desired}: {refusal}",
                        self.name
                    )));
                    return;
                }
                self.service.scale(desired);
                self.waiting.push((Instant::now(), reply));
            }
            Order::Describe(reply) => drop(reply.send(self.describe())),
        }
    }

    /// Tells everyone who waits that a task has failed to start, because the next start may take long.
    fn start_failed(&mut self, task: &str, cause: &str) {
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(format!(
                "{task} failed to start, and is tried again: {cause}"
            )));
        }
    }

    fn answer_waiting(&mut self) {
        if self.service.is_steady() {
            let desired = self.service.desired();
            let tasks = if desired == 1 { "task" } else { "tasks" };
            for (since, reply) in self.waiting.drain(..) {
                let seconds = since.elapsed().as_secs_f64();
                let _ = reply.send(Ok(format!(
                    "{}: {desired} {tasks} healthy after {seconds:.2} s",
                    self.name
                )));
            }
        }
    }

    fn describe(&self) -> ServiceStatus {
        let now = Instant::now();
        let backing_off = self
            .service
            .backing_off(now)
            .map(|(failures, at)| BackingOff {
                failures,
                seconds: (at - now).as_secs() + 1,
            });
        let tasks = self.tasks.iter().map(|(&number, task)| TaskStatus {
            task: Some(number),
            pid: Some(task.pid),
            target: task.target.as_ref().map(|target| target.addr),
            health: match self.service.phase(number) {
                None | Some(TaskPhase::Stopping) => "stopping",
                Some(TaskPhase::Pending) => "starting",
                Some(TaskPhase::Running(HealthState::Initial)) => "initial",
                Some(TaskPhase::Running(HealthState::Healthy)) => "healthy",
                Some(TaskPhase::Running(HealthState::Unhealthy)) => "unhealthy",
                Some(TaskPhase::Draining) => "draining",
            }
            .to_owned(),
        });
        ServiceStatus {
            service: self.name.clone(),
            desired: self.service.desired(),
            tasks: tasks.collect(),
            backing_off,
        }
    }
}

/// Passes on the panic of a job or of a scheduler, so that the whole program ends and all tasks with it.
pub(crate) fn propagate(job: Result<(), tokio::task::JoinError>) {
    if let Err(error) = job
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
