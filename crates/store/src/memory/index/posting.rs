//! The records with one key.

use std::sync::Arc;

use crate::{
    digest::Summary,
    memory::{
        blocks::{Block, Blocks},
        pages::Pages,
        pins::{Pinned, Pins},
    },
};

/// Ids of a block at most; few in tests, so that they have many blocks.
const BLOCK_MAX: usize = if cfg!(test) { 8 } else { 128 };

/// Blocks of ids in ascending order.
pub(crate) type IdBlocks = Blocks<Vec<u64>>;

/// The records with one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posting {
    ids: PostingIds,
    pub summary: Summary,
}

/// Ids in ascending order.
#[derive(Debug, Clone)]
enum PostingIds {
    /// Those of most keys. A list copies them.
    Few(Vec<u64>),
    /// Shared with lists: a write copies what lists hold of it, and not all.
    Many(Arc<Pinned<IdBlocks>>),
}

impl Default for PostingIds {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Block for Vec<u64> {
    fn len(&self) -> usize {
        self[..].len()
    }

    fn id(&self, slot: usize) -> u64 {
        self[slot]
    }

    fn slot(&self, id: u64) -> Result<usize, usize> {
        self.binary_search(&id)
    }

    fn bytes(&self) -> usize {
        size_of_val(&self[..])
    }
}

impl Posting {
    /// The ids in blocks, unless there are few.
    pub fn blocks(&self) -> Option<&Arc<Pinned<IdBlocks>>> {
        match &self.ids {
            PostingIds::Few(_) => None,
            PostingIds::Many(blocks) => Some(blocks),
        }
    }

    /// The ids in ascending order, in memory of their own.
    pub fn into_ids(self) -> Vec<u64> {
        match self.ids {
            PostingIds::Few(ids) => ids,
            PostingIds::Many(_) => self.ids().collect(),
        }
    }

    /// The ids in ascending order.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        let (few, many) = match &self.ids {
            PostingIds::Few(ids) => (&ids[..], None),
            PostingIds::Many(blocks) => (&[][..], Some(blocks)),
        };
        let many = many.into_iter().flat_map(|blocks| blocks.iter());
        let many = many.flat_map(|block| block.iter());
        few.iter().chain(many).copied()
    }

    /// The lowest id.
    pub fn first_id(&self) -> Option<u64> {
        self.ids().next()
    }

    /// The highest id.
    pub fn last_id(&self) -> Option<u64> {
        match &self.ids {
            PostingIds::Few(ids) => ids.last().copied(),
            PostingIds::Many(blocks) => blocks.last().map(|place| blocks.id(place)),
        }
    }

    /// The ids around this one: all that are there between the first and the last of them.
    fn around(&self, id: u64) -> &[u64] {
        match &self.ids {
            PostingIds::Few(ids) => ids,
            PostingIds::Many(blocks) => blocks.around(id).map_or(&[], |ids| ids),
        }
    }

    /// Looks up ids.
    pub fn cursor(&self) -> Cursor<'_> {
        let (posting, ahead) = (self, &[][..]);
        Cursor { posting, ahead }
    }

    pub fn insert(&mut self, id: u64, summary: Summary, pages: &Pages) {
        let pins = pages.pins();
        let before = self.summary;
        self.summary.add(summary);
        match &mut self.ids {
            PostingIds::Few(ids) if ids.len() < BLOCK_MAX => insert(ids, id),
            PostingIds::Few(ids) => {
                let mut blocks = IdBlocks::default();
                blocks.push(vec![(before, std::mem::take(ids))], pins);
                insert_into(&mut blocks, id, summary, pages);
                self.ids = PostingIds::Many(Arc::new(blocks.into()));
            }
            PostingIds::Many(blocks) => {
                let blocks = pins.make_mut(blocks, Blocks::bytes);
                insert_into(blocks, id, summary, pages);
            }
        }
    }

    /// Removes an id which is there.
    pub fn remove(&mut self, id: u64, summary: Summary, pins: &Arc<Pins>) {
        self.summary.remove(summary);
        match &mut self.ids {
            PostingIds::Few(ids) => {
                if let Ok(at) = ids.binary_search(&id) {
                    ids.remove(at);
                }
            }
            PostingIds::Many(blocks) => {
                let Some(place) = blocks.find(id) else {
                    return;
                };
                let blocks = pins.make_mut(blocks, Blocks::bytes);
                if blocks.block(place.at).len() == 1 {
                    blocks.replace(place.at, Vec::new(), pins);
                    return;
                }
                blocks.change(place.at, pins, |ids, of_block| {
                    ids.remove(place.slot);
                    of_block.remove(summary);
                });
            }
        }
    }

    /// Updates the summaries after a record was replaced and kept its key.
    pub fn update(&mut self, id: u64, before: Summary, after: Summary, pins: &Arc<Pins>) {
        self.summary.remove(before);
        self.summary.add(after);
        if let PostingIds::Many(blocks) = &mut self.ids
            && let Some(at) = blocks.home(id)
        {
            let blocks = pins.make_mut(blocks, Blocks::bytes);
            blocks.change(at, pins, |_, of_block| {
                of_block.remove(before);
                of_block.add(after);
            });
        }
    }

    /// Frees the memory that growing left unused.
    pub fn shrink(&mut self) {
        if let PostingIds::Few(ids) = &mut self.ids {
            ids.shrink_to_fit();
        }
    }
}

fn insert(ids: &mut Vec<u64>, id: u64) {
    // PostingIds mostly come in ascending order.
    match ids.last() {
        Some(last) if *last >= id => {
            let at = ids.partition_point(|other| *other < id);
            ids.insert(at, id);
        }
        _ => ids.push(id),
    }
}

fn insert_into(blocks: &mut IdBlocks, id: u64, summary: Summary, pages: &Pages) {
    let pins = pages.pins();
    let Some(at) = blocks.home(id).or_else(|| blocks.first_block()) else {
        return blocks.push(vec![(summary, vec![id])], pins);
    };
    let block = blocks.block(at);
    if block.len() < BLOCK_MAX {
        return blocks.change(at, pins, |ids, of_block| {
            insert(ids, id);
            of_block.add(summary);
        });
    }
    if blocks.last_block() == Some(at) && block.last() < Some(&id) {
        return blocks.push(vec![(summary, vec![id])], pins);
    }
    let mut lower = block.to_vec();
    insert(&mut lower, id);
    let upper = lower.split_off(BLOCK_MAX / 2);
    let of_upper = upper.iter().map(|id| pages.summary_of(*id)).sum();
    let mut of_lower = blocks.summary(at);
    of_lower.add(summary);
    of_lower.remove(of_upper);
    blocks.replace(at, vec![(of_lower, lower), (of_upper, upper)], pins);
}

/// Looks up ascending ids in a posting.
pub(crate) struct Cursor<'a> {
    posting: &'a Posting,
    /// Ids from the last one that was looked up on, up to the end of its block.
    ahead: &'a [u64],
}

impl Cursor<'_> {
    /// Whether the posting has this id. It is not below the last one asked for.
    pub fn has(&mut self, id: u64) -> bool {
        if self.ahead.last() < Some(&id) {
            self.ahead = self.posting.around(id);
        }
        // Where both have many ids the next one is mostly near.
        let mut near = 1;
        while near < self.ahead.len() && self.ahead[near] < id {
            near *= 2;
        }
        let near = &self.ahead[..self.ahead.len().min(near + 1)];
        let below = near.partition_point(|other| *other < id);
        self.ahead = &self.ahead[below..];
        self.ahead.first() == Some(&id)
    }
}
