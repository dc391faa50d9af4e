//! A list's hold on its snapshot.

use std::sync::{Arc, Weak};

use crate::memory::{pins::Pins, snapshot::Snapshot};

/// A list's hold on its snapshot while it is being sent. [`Pins`] may end it: the list is
/// then cut off.
#[derive(Debug)]
pub(crate) struct Lease {
    pins: Arc<Pins>,
    number: u64,
    snapshot: Weak<Snapshot>,
}

impl Lease {
    /// Holds the snapshot of a list.
    pub fn new(snapshot: Snapshot) -> Self {
        let pins = Arc::clone(snapshot.pages.pins());
        let own_bytes = snapshot.ids.own_bytes();
        let held = Arc::new(snapshot);
        let snapshot = Arc::downgrade(&held);
        let number = pins.hold(held, own_bytes);
        Self {
            pins,
            number,
            snapshot,
        }
    }

    /// The snapshot; `None` when the list has been cut off.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.upgrade()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pins.release(self.number);
    }
}
