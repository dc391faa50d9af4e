//! The thread beside the writer's, and the place where the two meet.

use std::{
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::journal::file::{
    failure::Failure,
    fold::task::{Done, Task},
};

/// What came of a task.
pub(crate) type Outcome = Result<Done, Failure>;

/// The writer's side: gives the other thread one task at a time.
///
/// Dropping it ends the other thread, and waits for the task that is under way: nothing
/// is written once the right to write may be somebody else's.
#[derive(Default)]
pub(crate) struct Helper(Arc<Meeting>);

/// The other side, which does the tasks.
pub(crate) struct Worker(Arc<Meeting>);

#[derive(Default)]
struct Meeting {
    slot: Mutex<Slot>,
    changed: Condvar,
    /// Whether the task under way is not needed any more.
    stopped: AtomicBool,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Asked(Task),
    UnderWay,
    Done(Outcome),
    /// The writer has ended.
    Ended,
}

impl Helper {
    /// The other side. There may be one.
    pub fn worker(&self) -> Worker {
        Worker(Arc::clone(&self.0))
    }

    /// Gives the other thread this task. It must have none.
    pub fn ask(&self, task: Task) {
        self.0.stopped.store(false, Relaxed);
        self.0.set(Slot::Asked(task));
    }

    /// Whether there is a task, or an outcome to be taken.
    pub fn is_busy(&self) -> bool {
        !matches!(*self.0.slot(), Slot::Empty)
    }

    /// What came of the last task, if it is done.
    pub fn take(&self) -> Option<Outcome> {
        let mut slot = self.0.slot();
        match mem::take(&mut *slot) {
            Slot::Done(outcome) => Some(outcome),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Stops the task, if there is one: takes it back, or waits until it has ended, which
    /// it does soon. Returns what came of it, if it was begun.
    pub fn stop(&self) -> Option<Outcome> {
        self.0.stopped.store(true, Relaxed);
        let under_way = |slot: &mut Slot| matches!(slot, Slot::UnderWay);
        let slot = self.0.changed.wait_while(self.0.slot(), under_way);
        let mut slot = slot.unwrap_or_else(PoisonError::into_inner);
        match mem::take(&mut *slot) {
            Slot::Done(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.stop());
        self.0.set(Slot::Ended);
    }
}

impl Worker {
    /// Waits for a task and does it. `false` when there will be none any more.
    pub fn work(&self) -> bool {
        let idle = |slot: &mut Slot| !matches!(slot, Slot::Asked(_) | Slot::Ended);
        let slot = self.0.changed.wait_while(self.0.slot(), idle);
        self.begin(slot.unwrap_or_else(PoisonError::into_inner))
    }

    /// Does the task that there is. `false` when there is none.
    fn begin(&self, mut slot: MutexGuard<'_, Slot>) -> bool {
        let task = match mem::take(&mut *slot) {
            Slot::Asked(task) => task,
            other => {
                *slot = other;
                return false;
            }
        };
        *slot = Slot::UnderWay;
        drop(slot);
        // The writer must not wait for an outcome that never comes. What the task leaves
        // behind is its own, and the writer refuses all writes.
        let run = AssertUnwindSafe(|| task.run(&self.0.stopped));
        let outcome = catch_unwind(run)
            .unwrap_or_else(|_| Err(Failure::Final(io::Error::other("the fold has panicked"))));
        self.0.set(Slot::Done(outcome));
        true
    }

    /// Whether the task under way is not needed any more.
    #[cfg(test)]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Relaxed)
    }

    /// Does the task that there is, without waiting. `false` when there is none.
    #[cfg(test)]
    pub fn work_now(&self) -> bool {
        self.begin(self.0.slot())
    }
}

impl Meeting {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, slot: Slot) {
        // Dropped without the lock: it may be a large file that is freed by that.
        let before = mem::replace(&mut *self.slot(), slot);
        drop(before);
        self.changed.notify_all();
    }
}
