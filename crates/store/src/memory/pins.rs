//! Counts and bounds the memory that only lists still hold.

use std::{
    any::Any,
    collections::BTreeMap,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Bytes that lists may hold even if the collection is smaller.
const BYTES_MIN: usize = 4 * 1024 * 1024;

/// The memory that only lists still hold: records and ids that the collection has replaced
/// since these lists began.
///
/// It may have as many bytes as the collection. Beyond that, the oldest list is cut off. The
/// newest list never is: it holds at most the size of the collection. A list that ends with
/// its first piece holds nothing.
#[derive(Debug)]
pub(crate) struct Pins {
    /// Bytes of replaced values that lists still hold.
    replaced: AtomicUsize,
    bytes_max: AtomicUsize,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    /// The snapshots of the lists, by number; the oldest first.
    snapshots: BTreeMap<u64, HeldSnapshot>,
    /// The number of the next list.
    next: u64,
    /// Bytes that belong to one list alone, summed over all lists.
    own_bytes: usize,
}

/// The snapshot of one list.
#[derive(Debug)]
struct HeldSnapshot {
    _snapshot: Arc<dyn Any + Send + Sync>,
    /// Bytes that belong to this list alone.
    own_bytes: usize,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            replaced: AtomicUsize::new(0),
            bytes_max: AtomicUsize::new(BYTES_MIN),
            lists: Mutex::default(),
        }
    }
}

impl Pins {
    /// Sets the bound to the size of the collection, in bytes.
    pub fn set_collection_bytes(&self, bytes: usize) {
        self.bytes_max.store(bytes.max(BYTES_MIN), Relaxed);
    }

    /// Like [`Arc::make_mut`], but counts the old value if lists still hold it. `bytes` is what
    /// the value has on the heap.
    ///
    /// No other thread may clone the `Arc` at the same time.
    pub fn make_mut<'a, T: Clone>(
        self: &Arc<Self>,
        shared: &'a mut Arc<Pinned<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> &'a mut T {
        self.replaced(shared, bytes);
        let own = Arc::make_mut(shared);
        // It is still the old value if the last list has ended since it was counted.
        own.counted.take();
        &mut own.value
    }

    /// Counts a value that the collection replaces, if lists still hold it. `bytes` is what the
    /// value has on the heap.
    pub fn replaced<T>(self: &Arc<Self>, shared: &Arc<Pinned<T>>, bytes: impl FnOnce(&T) -> usize) {
        if Arc::strong_count(shared) > 1 {
            let bytes = || size_of::<T>() + bytes(&shared.value);
            shared.counted.get_or_init(|| Counted::new(self, bytes()));
        }
    }

    /// Holds the snapshot of a list until it is released or the list is cut off. Returns the
    /// list's number, for [`Pins::release`].
    pub fn hold(&self, snapshot: Arc<dyn Any + Send + Sync>, own_bytes: usize) -> u64 {
        let mut lists = self.lists();
        let number = lists.next;
        lists.next += 1;
        lists.own_bytes += own_bytes;
        let held = HeldSnapshot {
            _snapshot: snapshot,
            own_bytes,
        };
        lists.snapshots.insert(number, held);
        drop(lists);
        self.bound();
        number
    }

    /// Releases the snapshot of the list with this number.
    pub fn release(&self, number: u64) {
        // A variable of its own, so that the lock is released before the drop.
        let held = self.lists().take(number);
        drop(held);
    }

    /// Cuts off the oldest lists until the others are within the bound. A list that is being
    /// read at this moment may hold its snapshot a little longer.
    pub fn bound(&self) {
        let mut ended = 0_u64;
        // Drops each snapshot before it counts again, and without the lock: dropping a large
        // snapshot takes a while.
        while self.excess().is_some() {
            ended += 1;
        }
        if ended > 0 {
            tracing::warn!(
                lists = ended,
                "lists were cut off: their clients read too slowly for what was written meanwhile"
            );
        }
    }

    /// Takes the snapshot from the oldest list if the lists hold too much.
    fn excess(&self) -> Option<HeldSnapshot> {
        let mut lists = self.lists();
        let bytes_max = self.bytes_max.load(Relaxed);
        if lists.snapshots.len() <= 1 || self.bytes(&lists) <= bytes_max {
            return None;
        }
        let oldest = *lists.snapshots.first_key_value()?.0;
        lists.take(oldest)
    }

    /// Bytes that only lists still hold.
    fn bytes(&self, lists: &Lists) -> usize {
        lists.own_bytes + self.replaced.load(Relaxed)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn take(&mut self, number: u64) -> Option<HeldSnapshot> {
        let held = self.snapshots.remove(&number)?;
        self.own_bytes -= held.own_bytes;
        Some(held)
    }
}

/// A value of the collection that lists may hold longer than the collection does.
#[derive(Debug, Default)]
pub(crate) struct Pinned<T> {
    value: T,
    /// Set when the value is replaced while lists hold it.
    counted: OnceLock<Counted>,
}

impl<T> From<T> for Pinned<T> {
    fn from(value: T) -> Self {
        let counted = OnceLock::new();
        Self { value, counted }
    }
}

impl<T: Clone> Clone for Pinned<T> {
    fn clone(&self) -> Self {
        self.value.clone().into()
    }
}

impl<T> Deref for Pinned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The mark of a replaced value that lists still hold. Counts its bytes until it is dropped.
#[derive(Debug)]
struct Counted {
    pins: Arc<Pins>,
    bytes: usize,
}

impl Counted {
    fn new(pins: &Arc<Pins>, bytes: usize) -> Self {
        let pins = Arc::clone(pins);
        pins.replaced.fetch_add(bytes, Relaxed);
        Self { pins, bytes }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.pins.replaced.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests;
