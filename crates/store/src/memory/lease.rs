//! The right of a list to go on.

use std::sync::{Arc, Weak};

use crate::memory::{pins::Pins, snapshot::Snapshot};

/// A list that is being sent may go on as long as it has this.
#[derive(Debug)]
pub(crate) struct Lease {
    pins: Arc<Pins>,
    number: u64,
    snapshot: Weak<Snapshot>,
}

impl Lease {
    /// For a list that is made from this.
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

    /// What the list is made from, unless it was taken away.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.upgrade()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pins.release(self.number);
    }
}
