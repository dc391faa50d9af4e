//! Room for the writes that are under way.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::problem::ProblemDetails;

/// Writes at a time. More would only wait longer.
const WRITES_MAX: usize = 512;

/// Bytes that all writes together may hold, not counting [`OWN_BYTES`] of each.
const BYTES_MAX: usize = 6 * 1024 * 1024;

/// Bytes that every write may hold, whatever the others hold. Most writes need less.
const OWN_BYTES: usize = 4 * 1024;

/// Bounds the writes whose body is being read or that wait for the disk.
pub(crate) struct Rooms {
    writes: Semaphore,
    bytes: AtomicUsize,
}

/// Room for one write. Dropping it gives the room back.
pub(crate) struct Room<'a> {
    rooms: &'a Rooms,
    _write: SemaphorePermit<'a>,
    /// Bytes that the write holds beyond [`OWN_BYTES`].
    bytes: usize,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            writes: Semaphore::new(WRITES_MAX),
            bytes: AtomicUsize::new(0),
        }
    }
}

impl Rooms {
    /// Room for one more write.
    pub fn admit(&self) -> Result<Room<'_>, ProblemDetails> {
        let write = self.writes.try_acquire().map_err(|_| full())?;
        Ok(Room {
            rooms: self,
            _write: write,
            bytes: 0,
        })
    }
}

impl Room<'_> {
    /// Notes how many bytes the write holds now, or refuses them. A write that is alone may hold
    /// more than [`BYTES_MAX`].
    pub fn hold(&mut self, bytes: usize) -> Result<(), ProblemDetails> {
        let bytes = bytes.saturating_sub(OWN_BYTES);
        let others = self.rooms.bytes.load(Relaxed) - self.bytes;
        if bytes > self.bytes && others > 0 && others + bytes > BYTES_MAX {
            return Err(full());
        }
        self.rooms.bytes.store(others + bytes, Relaxed);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.rooms.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

fn full() -> ProblemDetails {
    ProblemDetails::unavailable("too many writes are waiting for the disk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_writes_find_room_beside_long_ones() {
        let rooms = Rooms::default();
        let mut long = rooms.admit().unwrap();
        long.hold(2 * BYTES_MAX).unwrap();
        let mut other = rooms.admit().unwrap();
        assert!(other.hold(OWN_BYTES + 1).is_err());
        other.hold(OWN_BYTES).unwrap();
        long.hold(BYTES_MAX).unwrap();
        other.hold(2 * OWN_BYTES).unwrap();
        drop(long);
        other.hold(BYTES_MAX).unwrap();
        drop(other);
        assert_eq!(rooms.bytes.load(Relaxed), 0);
    }

    #[test]
    fn only_so_many_writes_find_room() {
        let rooms = Rooms::default();
        let held: Vec<_> = (0..WRITES_MAX).map(|_| rooms.admit().unwrap()).collect();
        assert!(rooms.admit().is_err());
        drop(held);
        assert!(rooms.admit().is_ok());
    }
}
