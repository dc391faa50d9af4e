//! Bounds on the number and the memory of the writes in progress.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::problem::ProblemDetails;

/// The largest number of writes at a time. More would only wait longer.
const WRITES_MAX: usize = 512;

/// Bytes that all writes together may hold, not counting [`OWN_BYTES`] of each.
const BYTES_MAX: usize = 6 * 1024 * 1024;

/// Bytes that every write may hold, whatever the others hold. Most writes need less.
const OWN_BYTES: usize = 4 * 1024;

/// A record with more bytes than this is long. It has more than a body can hold, and its edits
/// wait for each other.
const LONG_RECORD_BYTES: usize = 64 * 1024;

/// The most bytes of long records that are being edited or are in answers that are not sent yet.
/// A single record may be longer. Further edits wait; none is refused.
const EDITED_BYTES_MAX: u32 = 6 * 1024 * 1024;

/// Bounds the writes whose body is being read or that wait for the disk.
pub(crate) struct WriteBounds {
    writes: Semaphore,
    bytes: AtomicUsize,
    edited: Arc<Semaphore>,
}

/// Room for a long record in an answer. Dropping it gives the room back.
pub(crate) struct AnswerRoom {
    _bytes: OwnedSemaphorePermit,
}

/// A long record in an answer, with its room.
struct LongRecord {
    record: Bytes,
    _room: AnswerRoom,
}

impl AsRef<[u8]> for LongRecord {
    fn as_ref(&self) -> &[u8] {
        &self.record
    }
}

impl AnswerRoom {
    /// The record as bytes that keep the room until they are dropped.
    pub fn hold(self, record: Bytes) -> Bytes {
        Bytes::from_owner(LongRecord {
            record,
            _room: self,
        })
    }
}

/// Room for one write. Dropping it gives the room back.
pub(crate) struct WriteRoom<'a> {
    bounds: &'a WriteBounds,
    _write: SemaphorePermit<'a>,
    /// Bytes that the write holds beyond [`OWN_BYTES`].
    bytes: usize,
}

impl Default for WriteBounds {
    fn default() -> Self {
        Self {
            writes: Semaphore::new(WRITES_MAX),
            bytes: AtomicUsize::new(0),
            edited: Arc::new(Semaphore::new(EDITED_BYTES_MAX as usize)),
        }
    }
}

impl WriteBounds {
    /// Waits for room for a record of this many bytes that is about to be edited, first come,
    /// first served. `None` if the record is not long.
    pub async fn for_answer(&self, bytes: usize) -> Option<AnswerRoom> {
        if bytes <= LONG_RECORD_BYTES {
            return None;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let edited = Arc::clone(&self.edited);
        let room = edited.acquire_many_owned(bytes.min(EDITED_BYTES_MAX)).await;
        let bytes = room.expect("nobody closes the semaphore");
        Some(AnswerRoom { _bytes: bytes })
    }

    /// Room for one more write.
    pub fn admit(&self) -> Result<WriteRoom<'_>, ProblemDetails> {
        let write = self.writes.try_acquire().map_err(|_| full())?;
        Ok(WriteRoom {
            bounds: self,
            _write: write,
            bytes: 0,
        })
    }
}

impl WriteRoom<'_> {
    /// Notes how many bytes the write holds now, or refuses them. A write that is alone may hold
    /// more than [`BYTES_MAX`].
    pub fn hold(&mut self, bytes: usize) -> Result<(), ProblemDetails> {
        let bytes = bytes.saturating_sub(OWN_BYTES);
        let others = self.bounds.bytes.load(Relaxed) - self.bytes;
        if bytes > self.bytes && others > 0 && others + bytes > BYTES_MAX {
            return Err(full());
        }
        self.bounds.bytes.store(others + bytes, Relaxed);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for WriteRoom<'_> {
    fn drop(&mut self) {
        self.bounds.bytes.fetch_sub(self.bytes, Relaxed);
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
        let bounds = WriteBounds::default();
        let mut long = bounds.admit().unwrap();
        long.hold(2 * BYTES_MAX).unwrap();
        let mut other = bounds.admit().unwrap();
        assert!(other.hold(OWN_BYTES + 1).is_err());
        other.hold(OWN_BYTES).unwrap();
        long.hold(BYTES_MAX).unwrap();
        other.hold(2 * OWN_BYTES).unwrap();
        drop(long);
        other.hold(BYTES_MAX).unwrap();
        drop(other);
        assert_eq!(bounds.bytes.load(Relaxed), 0);
    }

    #[test]
    fn only_so_many_writes_find_room() {
        let bounds = WriteBounds::default();
        let held: Vec<_> = (0..WRITES_MAX).map(|_| bounds.admit().unwrap()).collect();
        assert!(bounds.admit().is_err());
        drop(held);
        assert!(bounds.admit().is_ok());
    }

    #[tokio::test]
    async fn edits_of_long_records_wait_for_answers_to_be_sent() {
        let bounds = WriteBounds::default();
        let long = bounds.for_answer(2 * BYTES_MAX).await.unwrap();
        let answer = long.hold(Bytes::from_static(b"{}"));
        assert_eq!(answer, "{}");
        assert!(bounds.for_answer(LONG_RECORD_BYTES).await.is_none());
        tokio::select! {
            biased;
            _ = bounds.for_answer(LONG_RECORD_BYTES + 1) => panic!("it did not wait"),
            () = std::future::ready(()) => {}
        }
        let half = || bounds.for_answer(BYTES_MAX / 2);
        let (one, other, ()) = tokio::join!(half(), half(), async { drop(answer) });
        assert!(one.is_some() && other.is_some());
    }
}
