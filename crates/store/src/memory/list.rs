//! Lists: which records, in which order, and their JSON piece by piece.

use std::{mem, sync::Arc};

use bytes::Bytes;
use common::Model;

use crate::{
    digest::{Digest, Summary},
    memory::{
        pages::Pages,
        pins::Lease,
        rows::Rows,
        snapshot::{Ids, Snapshot},
        state::State,
    },
    query::{Filter, Query},
};

/// Bytes of a piece that is put together from single records. A record of more is a piece of its
/// own.
const FRAME_BYTES: usize = 32 * 1024;

/// Records that are looked up before the first of them is copied.
const AHEAD: usize = 32;

/// A list of records as it was at one instant.
#[derive(Debug)]
pub struct List {
    /// How many records match, whatever `limit` and `after` say.
    pub total: usize,
    /// Digest of the list's contents.
    pub digest: Digest,
    /// The last id of this page; `None` when nothing matches after it.
    pub next_after: Option<u64>,
    /// The list's JSON.
    pub frames: Frames,
}

/// A list's JSON, a compact array, in pieces that share the collection's memory
/// or hold at most twice 32 KiB.
///
/// The list stays as it was when it began. Of all lists that go on behind their first piece,
/// the oldest ends with an error when they hold too much that the collection does not have
/// any more.
#[derive(Debug)]
pub struct Frames {
    held: Held,
    pieces: Pieces,
}

/// What a list is made from.
#[derive(Debug)]
enum Held {
    /// It has not begun, which most lists do and end at once.
    Snapshot(Snapshot),
    /// There is more to come behind the first piece.
    Lease(Lease),
    /// It is over.
    Nothing,
}

/// A list was cut off: its client read too slowly for what was written meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list was cut off, since too much was written while it was read; read it again")]
pub struct CutOff;

/// What is still to be made of a list.
#[derive(Debug)]
struct Pieces {
    rows: Rows,
    stage: Stage,
    bytes_left: usize,
}

/// What of a list has gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nothing,
    /// The last piece ended with a record.
    Record,
    /// The last piece ended with what stands before a record.
    Comma,
    Everything,
}

impl<M: Model> State<M> {
    pub(crate) fn list(&self, query: &Query) -> List {
        let (ids, all) = self.matching(&query.filters);
        let pages = Arc::clone(&self.pages);
        let snapshot = Snapshot { pages, ids };
        let (rows, more) = Rows::new(&snapshot, query);
        let mut summary = all;
        let mut last_id = None;
        if rows.left() < all.count {
            summary = Summary::default();
            let mut rows = rows.clone();
            while let Some(place) = rows.next(&snapshot) {
                summary.add(Summary::of(self.pages.record(place)));
                last_id = Some(self.pages.id(place));
            }
        }
        List {
            total: all.count,
            digest: summary.digest,
            next_after: last_id.filter(|_| more),
            frames: Frames {
                held: Held::Snapshot(snapshot),
                pieces: Pieces {
                    rows,
                    stage: Stage::Nothing,
                    bytes_left: summary.array_bytes(),
                },
            },
        }
    }

    /// The ids of the records that pass the filters.
    fn matching(&self, filters: &[Filter]) -> (Ids, Summary) {
        let Some((first, others)) = filters.split_first() else {
            return (Ids::All, self.summary);
        };
        let Some(posting) = self.posting(first.index, &first.key) else {
            return (Ids::Own(Vec::new()), Summary::default());
        };
        if others.is_empty() {
            return (Ids::Shared(Arc::clone(&posting.ids)), posting.summary);
        }
        let mut ids = posting.ids.to_vec();
        for filter in others {
            let other = self.posting(filter.index, &filter.key);
            ids.retain(|id| other.is_some_and(|other| other.ids.binary_search(id).is_ok()));
        }
        let mut summary = Summary::default();
        for place in ids.iter().filter_map(|id| self.pages.find(*id)) {
            summary.add(Summary::of(self.pages.record(place)));
        }
        (Ids::Own(ids), summary)
    }
}

impl Frames {
    /// Bytes of the pieces that are still to come.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.pieces.bytes_left
    }
}

impl Pieces {
    /// The next piece, and whether there is none behind it.
    fn next(&mut self, snapshot: &Snapshot) -> (Bytes, bool) {
        let shared = self.whole_page(&snapshot.pages);
        let shared = shared.or_else(|| self.long_record(snapshot));
        let piece = shared.unwrap_or_else(|| self.joined(snapshot));
        self.bytes_left -= piece.len();
        (piece, self.stage == Stage::Everything)
    }

    /// A whole page, if that is what comes next.
    fn whole_page(&mut self, pages: &Pages) -> Option<Bytes> {
        let page = self.rows.whole_page(pages)?;
        if self.stage == Stage::Record {
            self.stage = Stage::Comma;
            return Some(Bytes::from_static(b","));
        }
        self.rows.skip_page(pages);
        // The brackets around the page are the list's only at its two ends.
        let from = usize::from(self.stage != Stage::Nothing);
        let to = page.len() - usize::from(self.rows.left() > 0);
        self.stage = if self.rows.left() > 0 {
            Stage::Record
        } else {
            Stage::Everything
        };
        Some(page.slice(from..to))
    }

    /// A long record, if that is what comes next.
    fn long_record(&mut self, snapshot: &Snapshot) -> Option<Bytes> {
        if self.stage != Stage::Comma {
            return None;
        }
        let pages = &snapshot.pages;
        let place = *self.rows.places(snapshot, 1).first()?;
        if pages.record(place).len() < FRAME_BYTES {
            return None;
        }
        self.rows.skip(pages);
        self.stage = Stage::Record;
        Some(pages.share(place))
    }

    /// Single records, put together.
    fn joined(&mut self, snapshot: &Snapshot) -> Bytes {
        let pages = &*snapshot.pages;
        let mut piece = Vec::with_capacity(self.bytes_left.min(FRAME_BYTES + FRAME_BYTES / 8));
        match self.stage {
            Stage::Nothing => piece.push(b'['),
            Stage::Record if self.rows.left() > 0 => piece.push(b','),
            Stage::Record | Stage::Comma | Stage::Everything => {}
        }
        while self.rows.left() > 0 {
            // The records of one user lie far apart: looked up one after the other before the
            // first is copied, the processor fetches several at a time.
            let places = self.rows.places(snapshot, AHEAD);
            let records: Vec<_> = places.iter().map(|at| pages.record(*at)).collect();
            for record in records {
                if record.len() >= FRAME_BYTES {
                    // Shared, it comes next.
                    self.stage = Stage::Comma;
                    return piece.into();
                }
                piece.extend_from_slice(record);
                self.rows.skip(pages);
                self.stage = Stage::Record;
                if self.rows.left() > 0 {
                    if piece.len() >= FRAME_BYTES || self.rows.whole_page(pages).is_some() {
                        return piece.into();
                    }
                    piece.push(b',');
                }
            }
        }
        piece.push(b']');
        self.stage = Stage::Everything;
        piece.into()
    }
}

impl Iterator for Frames {
    type Item = Result<Bytes, CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        match mem::replace(&mut self.held, Held::Nothing) {
            Held::Snapshot(snapshot) => {
                let (piece, last) = self.pieces.next(&snapshot);
                if !last {
                    self.held = Held::Lease(Lease::new(snapshot));
                }
                Some(Ok(piece))
            }
            Held::Lease(lease) => {
                let Some(snapshot) = lease.snapshot() else {
                    return Some(Err(CutOff));
                };
                let (piece, last) = self.pieces.next(&snapshot);
                if !last {
                    self.held = Held::Lease(lease);
                }
                Some(Ok(piece))
            }
            Held::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{Key, Post};

    use super::*;
    use crate::document::text::Document;

    /// Posts 10, 20, .. of thread 1 to 3 and user 1 to 7 in turn, over several pages.
    fn posts(count: u64) -> State<Post> {
        let post = |n: u64| {
            let (id, thread, user) = (n * 10, n % 3 + 1, n % 7 + 1);
            let text = "x".repeat(usize::try_from(n % 400).unwrap() + 1);
            format!(r#"{{"id":{id},"thread":{thread},"text":"{text}","user":{user}}}"#)
        };
        let posts: Vec<_> = (1..=count).map(post).collect();
        Document::parse(format!("{{\"posts\":[{}]}}", posts.join(",")).as_bytes())
            .unwrap()
            .state
    }

    /// The ids that the list's JSON holds, checked against its length.
    fn ids(list: List) -> Vec<u64> {
        let expected = list.frames.bytes_left();
        let json: Vec<u8> = list
            .frames
            .flat_map(|piece| Vec::from(piece.unwrap()))
            .collect();
        assert_eq!(json.len(), expected);
        let records: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
        records
            .iter()
            .map(|record| record["id"].as_u64().unwrap())
            .collect()
    }

    fn filter(index: usize, id: u64) -> Filter {
        Filter {
            index,
            key: Key::Id(id),
        }
    }

    #[test]
    fn whole_lists_hold_every_record_once_in_order() {
        for count in [0, 1, 2, 50, 999] {
            let state = posts(count);
            let all: Vec<u64> = (1..=count).map(|n| n * 10).collect();
            assert_eq!(ids(state.list(&Query::default())), all);
            let newest_first = Query {
                descending: true,
                ..Query::default()
            };
            assert!(ids(state.list(&newest_first)).iter().rev().eq(&all));
        }
    }

    #[test]
    fn whole_pages_are_shared_and_not_copied() {
        let state = posts(2000);
        let pieces: Vec<_> = state
            .list(&Query::default())
            .frames
            .map(Result::unwrap)
            .collect();
        let shared = |piece: &&Bytes| {
            (0..)
                .map_while(|n| state.pages.page(n))
                .any(|page| page.text().as_ptr_range().contains(&piece.as_ptr()))
        };
        let copied = pieces.iter().filter(|piece| !shared(piece));
        assert!(
            copied.map(Bytes::len).all(|bytes| bytes == 1),
            "only commas stand apart"
        );
        assert!(pieces.len() > 10);
    }

    #[test]
    fn long_records_are_shared_wherever_they_stand() {
        let post = |n: usize| {
            let bytes = if [1, 4, 5, 9].contains(&n) {
                FRAME_BYTES
            } else {
                1
            };
            let text = "x".repeat(bytes);
            format!(
                r#"{{"id":{n},"thread":{},"text":"x","user":1,"more":"{text}"}}"#,
                n % 2 + 1
            )
        };
        let posts: Vec<_> = (1..10).map(post).collect();
        let state: State<Post> =
            Document::parse(format!("{{\"posts\":[{}]}}", posts.join(",")).as_bytes())
                .unwrap()
                .state;
        for filters in [vec![], vec![filter(0, 1)], vec![filter(1, 1)]] {
            for (descending, limit) in [(false, 9), (true, 9), (true, 1), (false, 4), (true, 6)] {
                let query = Query {
                    filters: filters.clone(),
                    descending,
                    limit: Some(limit),
                    ..Query::default()
                };
                let list = state.list(&query);
                let pieces = list.frames.map(Result::unwrap);
                let copied = pieces.filter(Bytes::is_unique);
                assert!(copied.map(|piece| piece.len()).sum::<usize>() < FRAME_BYTES);
                assert!(ids(state.list(&query)).len() <= limit);
            }
        }
    }

    #[test]
    fn paging_in_both_directions_reaches_every_record_once() {
        let state = posts(500);
        for filters in [
            vec![],
            vec![filter(0, 2)],
            vec![filter(1, 3)],
            vec![filter(0, 2), filter(1, 3)],
        ] {
            for descending in [false, true] {
                let whole = Query {
                    filters: filters.clone(),
                    descending,
                    ..Query::default()
                };
                let expected = ids(state.list(&whole));
                for limit in [1, 7, 100, 1000] {
                    let mut query = Query {
                        limit: Some(limit),
                        ..whole.clone()
                    };
                    let mut seen = Vec::new();
                    loop {
                        let list = state.list(&query);
                        assert_eq!(list.total, expected.len());
                        query.after = list.next_after;
                        let page = ids(list);
                        assert!(page.len() == limit || query.after.is_none());
                        seen.extend(page);
                        if query.after.is_none() {
                            break;
                        }
                    }
                    assert_eq!(seen, expected);
                }
            }
        }
    }

    #[test]
    fn after_need_not_be_an_id_of_the_list() {
        let state = posts(50);
        let after = |after, descending| {
            ids(state.list(&Query {
                after: Some(after),
                descending,
                ..Query::default()
            }))
        };
        assert_eq!(after(471, false), [480, 490, 500]);
        assert_eq!(after(500, false), [0; 0]);
        assert_eq!(after(u64::MAX, false), [0; 0]);
        assert_eq!(after(29, true), [20, 10]);
        assert_eq!(after(10, true), [0; 0]);
    }

    #[test]
    fn equal_contents_have_equal_digests_and_others_do_not() {
        let digest = |state: &State<Post>, query: &Query| state.list(query).digest;
        let (one, two, more) = (posts(300), posts(300), posts(301));
        for query in [
            Query::default(),
            Query {
                filters: vec![filter(0, 2)],
                ..Query::default()
            },
            Query {
                limit: Some(5),
                after: Some(1490),
                descending: true,
                ..Query::default()
            },
        ] {
            assert_eq!(digest(&one, &query), digest(&two, &query));
        }
        assert_ne!(
            digest(&one, &Query::default()),
            digest(&more, &Query::default())
        );
    }

    #[test]
    fn a_list_stays_as_it_was_when_it_began() {
        let mut state = posts(300);
        let list = state.list(&Query::default());
        let json = br#"{"id":5,"thread":1,"text":"new","user":1}"#;
        state.put(5, json, &serde_json::from_slice(json).unwrap());
        assert_eq!(ids(list).len(), 300);
        assert_eq!(ids(state.list(&Query::default())).len(), 301);
    }
}
