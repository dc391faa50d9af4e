//! Counts and bounds the memory that only lists still hold.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
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
    /// Bytes of replaced pages that lists still hold.
    pages: AtomicUsize,
    bytes_max: AtomicUsize,
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    /// The snapshots of the lists, by number; the oldest first.
    snapshots: BTreeMap<u64, Held>,
    /// The number of the next list.
    next: u64,
    /// Bytes that belong to one list alone, summed over all lists.
    own_bytes: usize,
    /// Other values that were replaced while lists held them, with their bytes.
    replaced: Vec<(Weak<dyn Send + Sync>, usize)>,
}

/// The snapshot of one list.
#[derive(Debug)]
struct Held {
    _snapshot: Arc<dyn Any + Send + Sync>,
    /// Bytes that belong to this list alone.
    own_bytes: usize,
}

impl Default for Pins {
    fn default() -> Self {
        Self {
            pages: AtomicUsize::new(0),
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

    /// Like [`Arc::make_mut`], but counts the old value if lists still hold it.
    ///
    /// No other thread may clone the `Arc` at the same time.
    pub fn make_mut<'a, T>(
        &self,
        shared: &'a mut Arc<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> &'a mut T
    where
        T: Clone + Send + Sync + 'static,
    {
        if Arc::strong_count(shared) > 1 {
            let held = Arc::downgrade(shared);
            self.lists().replaced.push((held, bytes(shared)));
        }
        Arc::make_mut(shared)
    }

    /// Holds the snapshot of a list until it is released or the list is cut off. Returns the
    /// list's number, for [`Pins::release`].
    pub fn hold(&self, snapshot: Arc<dyn Any + Send + Sync>, own_bytes: usize) -> u64 {
        let mut lists = self.lists();
        let number = lists.next;
        lists.next += 1;
        lists.own_bytes += own_bytes;
        let held = Held {
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
    fn excess(&self) -> Option<Held> {
        let mut lists = self.lists();
        let bytes_max = self.bytes_max.load(Relaxed);
        if lists.snapshots.len() <= 1 || self.bytes(&mut lists) <= bytes_max {
            return None;
        }
        let oldest = *lists.snapshots.first_key_value()?.0;
        lists.take(oldest)
    }

    /// Bytes that only lists still hold.
    fn bytes(&self, lists: &mut Lists) -> usize {
        lists.replaced.retain(|(held, _)| held.strong_count() > 0);
        let replaced: usize = lists.replaced.iter().map(|(_, bytes)| bytes).sum();
        replaced + lists.own_bytes + self.pages.load(Relaxed)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lists {
    fn take(&mut self, number: u64) -> Option<Held> {
        let held = self.snapshots.remove(&number)?;
        self.own_bytes -= held.own_bytes;
        Some(held)
    }
}

/// The mark of a replaced page that lists still hold. Counts its bytes until it is dropped.
#[derive(Debug)]
pub(crate) struct PinnedPage {
    pins: Arc<Pins>,
    bytes: usize,
}

impl PinnedPage {
    pub fn new(pins: &Arc<Pins>, bytes: usize) -> Self {
        let pins = Arc::clone(pins);
        pins.pages.fetch_add(bytes, Relaxed);
        Self { pins, bytes }
    }
}

impl Drop for PinnedPage {
    fn drop(&mut self) {
        self.pins.pages.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use bytes::Bytes;
    use common::{Key, Post};

    use super::*;
    use crate::{
        document::text::Document,
        memory::{
            list::{CutOff, Frames},
            state::State,
        },
        query::{Filter, Query},
    };

    /// Records of the collection, which fill several pages.
    const POSTS: u64 = 500;

    fn post(id: u64, round: u64) -> String {
        let text = "x".repeat(1000);
        format!(r#"{{"id":{id},"thread":1,"text":"{round} {text}","user":2}}"#)
    }

    /// A collection whose lists may hold this many bytes.
    fn posts(bytes_max: usize) -> State<Post> {
        let posts: Vec<_> = (1..=POSTS).map(|id| post(id, 0)).collect();
        let document = format!("{{\"posts\":[{}]}}", posts.join(","));
        let state = Document::parse(document.as_bytes()).unwrap().state;
        state.pins.bytes_max.store(bytes_max, Relaxed);
        state
    }

    fn put(state: &mut State<Post>, ids: Range<u64>, round: u64) {
        for id in ids {
            let json = post(id, round);
            state.put(id, json.as_bytes(), &serde_json::from_str(&json).unwrap());
        }
    }

    fn held(pins: &Pins) -> usize {
        pins.bytes(&mut pins.lists())
    }

    fn by(index: usize, id: u64) -> Filter {
        Filter {
            index,
            key: Key::Id(id),
        }
    }

    /// A list whose first piece was read.
    fn begin(state: &State<Post>, filters: Vec<Filter>) -> (Bytes, Frames) {
        let query = Query {
            filters,
            ..Query::default()
        };
        let mut frames = state.list(&query).frames;
        (frames.next().unwrap().unwrap(), frames)
    }

    /// The rest of a list, in which every post is of this round.
    fn check_whole((first, rest): (Bytes, Frames), round: u64) {
        let json = rest.fold(first.to_vec(), |mut json, piece| {
            json.extend(piece.unwrap());
            json
        });
        let posts: Vec<Post> = serde_json::from_slice(&json).unwrap();
        let round = format!("{round} ");
        assert_eq!(posts.len() as u64, POSTS);
        assert!(posts.iter().all(|post| post.text.starts_with(&round)));
    }

    fn check_cut_off((_, mut rest): (Bytes, Frames)) {
        assert_eq!(rest.next(), Some(Err(CutOff)));
        assert_eq!(rest.next(), None);
        assert!(rest.bytes_left() > 0);
    }

    #[test]
    fn lists_hold_a_bounded_part_of_what_was_replaced_and_the_oldest_end() {
        const ROUNDS: u64 = 12;
        let mut state = posts(0);
        let collection = state.summary.array_bytes();
        // Four lists hold one version of the collection each, and some bytes more per page.
        let bytes_max = collection * 9 / 2;
        state.pins.bytes_max.store(bytes_max, Relaxed);
        let pins = Arc::clone(&state.pins);
        let first = Arc::downgrade(&state.pages);
        let mut lists = Vec::new();
        for round in 0..ROUNDS {
            lists.push(begin(&state, Vec::new()));
            for id in 1..=POSTS {
                put(&mut state, id..id + 1, round + 1);
                pins.bound();
                assert!(held(&pins) <= bytes_max);
            }
        }
        assert!(held(&pins) > bytes_max - collection);
        assert_eq!(first.strong_count(), 0);
        let newest = lists.split_off(lists.len() - 4);
        lists.into_iter().for_each(check_cut_off);
        for (list, round) in newest.into_iter().zip(ROUNDS - 4..) {
            check_whole(list, round);
        }
        assert_eq!(held(&pins), 0);
        assert!(pins.lists().snapshots.is_empty());
    }

    #[test]
    fn the_newest_list_is_whole_whatever_it_holds() {
        let mut state = posts(0);
        let list = begin(&state, Vec::new());
        put(&mut state, 1..POSTS + 1, 1);
        state.pins.bound();
        assert!(held(&state.pins) > state.summary.array_bytes());
        check_whole(list, 0);
        assert_eq!(held(&state.pins), 0);
    }

    #[test]
    fn what_is_dropped_unread_is_held_no_more() {
        let mut state = posts(usize::MAX);
        let list = begin(&state, vec![by(0, 1)]);
        put(&mut state, 1..POSTS + 1, 1);
        // The list also holds the replaced ids of the index.
        assert!(held(&state.pins) > state.summary.array_bytes() + 8 * 500);
        drop(list);
        assert_eq!(held(&state.pins), 0);
        assert!(state.pins.lists().snapshots.is_empty());
    }

    #[test]
    fn ids_of_one_list_alone_are_bounded_though_nothing_is_written() {
        let bytes = 8 * usize::try_from(POSTS).unwrap();
        let state = posts(2 * bytes);
        let both = || begin(&state, vec![by(0, 1), by(1, 2)]);
        let (oldest, old) = (both(), both());
        assert_eq!(held(&state.pins), 2 * bytes);
        let new = both();
        assert_eq!(held(&state.pins), 2 * bytes);
        check_cut_off(oldest);
        check_whole(old, 0);
        check_whole(new, 0);
        assert_eq!(held(&state.pins), 0);
    }

    #[test]
    fn short_lists_are_made_at_once() {
        let mut state = posts(0);
        let query = Query {
            limit: Some(10),
            ..Query::default()
        };
        let mut frames = state.list(&query).frames;
        let piece = frames.next().unwrap().unwrap();
        assert!(state.pins.lists().snapshots.is_empty());
        put(&mut state, 1..2, 1);
        assert_eq!(held(&state.pins), 0);
        assert_eq!((frames.next(), frames.bytes_left()), (None, 0));
        assert!(piece.starts_with(b"[{"));
    }
}
