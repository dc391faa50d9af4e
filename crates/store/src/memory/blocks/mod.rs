//! Blocks of records in id order.

mod row;

use std::{ops::Range, sync::Arc};

use crate::{
    digest::Summary,
    memory::{
        blocks::row::Row,
        pins::{Pinned, Pins},
    },
};

/// The largest number of blocks in a group. It is small in tests, so that they have many groups.
/// A change of a group that lists hold copies its row.
const GROUP_MAX: usize = if cfg!(test) { 4 } else { 128 };

/// A run of records in id order, never without one.
pub(crate) trait Block {
    /// How many records it has.
    fn len(&self) -> usize;

    /// The id of the record in this slot.
    fn id(&self, slot: usize) -> u64;

    /// The slot of the record with this id, or else the slot that it would have.
    fn slot(&self, id: u64) -> Result<usize, usize>;

    /// Bytes of memory.
    fn bytes(&self) -> usize;
}

/// Blocks in id order, in groups: a list that goes on for long shares them, and a write
/// then copies one group and the row of groups, not what is known of every block. Sums over
/// many records are made of the sums of groups and blocks.
#[derive(Debug)]
pub(crate) struct Blocks<B> {
    groups: Row<Group<B>>,
}

type Group<B> = Pinned<Row<Pinned<B>>>;

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    group: usize,
    block: usize,
}

/// Where a record is: its block, and its slot in that block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub at: At,
    pub slot: usize,
}

impl<B> Clone for Blocks<B> {
    fn clone(&self) -> Self {
        let groups = self.groups.clone();
        Self { groups }
    }
}

impl<B> Default for Blocks<B> {
    fn default() -> Self {
        let groups = Row::default();
        Self { groups }
    }
}

impl<B: Block> Blocks<B> {
    /// Bytes of this value without the groups themselves.
    pub fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    /// All blocks in id order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pinned<B>>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    fn group(&self, at: At) -> &Row<Pinned<B>> {
        &self.groups[at.group]
    }

    pub fn block(&self, at: At) -> &Arc<Pinned<B>> {
        &self.group(at)[at.block]
    }

    pub fn summary(&self, at: At) -> Summary {
        self.group(at).summary(at.block)
    }

    pub fn first_block(&self) -> Option<At> {
        (self.groups.len() > 0).then_some(At { group: 0, block: 0 })
    }

    pub fn last_block(&self) -> Option<At> {
        let group = self.groups.len().checked_sub(1)?;
        let block = self.groups[group].len() - 1;
        Some(At { group, block })
    }

    pub fn next_block(&self, at: At) -> Option<At> {
        let At { group, block } = at;
        if block + 1 < self.groups[group].len() {
            let block = block + 1;
            return Some(At { group, block });
        }
        let group = group + 1;
        (group < self.groups.len()).then_some(At { group, block: 0 })
    }

    pub fn previous_block(&self, at: At) -> Option<At> {
        let At { group, block } = at;
        if let Some(block) = block.checked_sub(1) {
            return Some(At { group, block });
        }
        let group = group.checked_sub(1)?;
        let block = self.groups[group].len() - 1;
        Some(At { group, block })
    }

    /// The first id of the next block.
    pub fn end(&self, at: At) -> Option<u64> {
        let At { group, block } = self.next_block(at)?;
        Some(self.groups[group].first_id(block))
    }

    /// The ids that this block holds, or would hold.
    pub fn span(&self, at: At) -> Range<u64> {
        let first = self.groups[at.group].first_id(at.block);
        first..self.end(at).unwrap_or(u64::MAX)
    }

    /// The block that holds `id`, or would hold it: the last one that begins at or before it.
    pub fn home(&self, id: u64) -> Option<At> {
        let group = self.groups.home(id)?;
        let block = self.groups[group].home(id)?;
        Some(At { group, block })
    }

    pub fn find(&self, id: u64) -> Option<Place> {
        let at = self.home(id)?;
        let slot = self.block(at).slot(id).ok()?;
        Some(Place { at, slot })
    }

    /// The block that holds `id`, or would hold it. Does not read the block.
    pub fn around(&self, id: u64) -> Option<&B> {
        let group = &self.groups[self.groups.home(id)?];
        Some(&group[group.home(id)?])
    }

    /// As [`Self::find`]: the block itself, and the record's slot.
    pub fn get(&self, id: u64) -> Option<(&B, usize)> {
        let block = self.around(id)?;
        Some((block, block.slot(id).ok()?))
    }

    pub fn id(&self, place: Place) -> u64 {
        self.block(place.at).id(place.slot)
    }

    pub fn first(&self) -> Option<Place> {
        self.first_block().map(|at| Place { at, slot: 0 })
    }

    pub fn last(&self) -> Option<Place> {
        self.last_block().map(|at| self.last_of(at))
    }

    fn last_of(&self, at: At) -> Place {
        let slot = self.block(at).len() - 1;
        Place { at, slot }
    }

    /// The first record whose id is above `id`.
    pub fn after(&self, id: u64) -> Option<Place> {
        let Some(at) = self.home(id) else {
            return self.first();
        };
        let slot = self.block(at).slot(id);
        self.place(at, slot.map_or_else(|slot| slot, |slot| slot + 1))
    }

    /// The last record whose id is below `id`.
    pub fn before(&self, id: u64) -> Option<Place> {
        let at = self.home(id.checked_sub(1)?)?;
        let slot = self.block(at).slot(id);
        let slot = slot.unwrap_or_else(|slot| slot).checked_sub(1)?;
        Some(Place { at, slot })
    }

    /// The place after `place`.
    pub fn next(&self, place: Place) -> Option<Place> {
        self.place(place.at, place.slot + 1)
    }

    /// The place before `place`.
    pub fn previous(&self, place: Place) -> Option<Place> {
        let Place { at, slot } = place;
        if let Some(slot) = slot.checked_sub(1) {
            return Some(Place { at, slot });
        }
        self.previous_block(at).map(|at| self.last_of(at))
    }

    /// The place that comes after this one in a list.
    pub fn behind(&self, place: Place, descending: bool) -> Option<Place> {
        if descending {
            self.previous(place)
        } else {
            self.next(place)
        }
    }

    /// This place; the first of the next block if it is past the end of its own.
    fn place(&self, at: At, slot: usize) -> Option<Place> {
        if slot < self.block(at).len() {
            return Some(Place { at, slot });
        }
        self.next_block(at).map(|at| Place { at, slot: 0 })
    }

    /// How many records stand before this one.
    fn rank(&self, place: Place) -> usize {
        let Place { at, slot } = place;
        let before = self.group(at).sum(0..at.block).count;
        self.groups.sum(0..at.group).count + before + slot
    }

    /// How many records come from this one on, and the last of them.
    pub fn rest(&self, from: Place, descending: bool) -> Option<(usize, Place)> {
        let (first, last) = (self.first()?, self.last()?);
        Some(if descending {
            (self.rank(from) + 1, first)
        } else {
            (self.rank(last) + 1 - self.rank(from), last)
        })
    }

    /// How many records come from this one on, counted up to `most`, which is not 0, and the
    /// last of those counted.
    pub fn reach(&self, from: Place, descending: bool, most: usize) -> (usize, Place) {
        let Place { mut at, slot } = from;
        let before_first = if descending {
            self.block(at).len() - 1 - slot
        } else {
            slot
        };
        // As if those before the first one in its block were counted too.
        let (most, mut count) = (most + before_first, 0);
        loop {
            let len = self.block(at).len();
            let wanted = len.min(most - count);
            count += wanted;
            let beside = if descending {
                self.previous_block(at)
            } else {
                self.next_block(at)
            };
            match beside {
                Some(beside) if count < most => at = beside,
                _ => {
                    let slot = if descending { len - wanted } else { wanted - 1 };
                    return (count - before_first, Place { at, slot });
                }
            }
        }
    }

    /// What the records from `first` to `last` sum up to. Asks `one` for at most half of the
    /// records of a block, and of two blocks.
    pub fn sum(&self, first: Place, last: Place, one: impl Fn(&B, usize) -> Summary) -> Summary {
        let (a, b) = (first.at, last.at);
        if a == b {
            return self.part(a, first.slot..last.slot + 1, one);
        }
        let mut sum = self.part(a, first.slot..self.block(a).len(), &one);
        sum.add(self.part(b, 0..last.slot + 1, &one));
        if a.group == b.group {
            sum.add(self.group(a).sum(a.block + 1..b.block));
        } else {
            let group = self.group(a);
            sum.add(group.sum(a.block + 1..group.len()));
            sum.add(self.groups.sum(a.group + 1..b.group));
            sum.add(self.group(b).sum(0..b.block));
        }
        sum
    }

    /// What the records in these slots of a block sum up to.
    fn part(&self, at: At, slots: Range<usize>, one: impl Fn(&B, usize) -> Summary) -> Summary {
        let block = self.block(at);
        if slots.len() <= block.len() / 2 {
            return slots.map(|slot| one(block, slot)).sum();
        }
        let others = (0..slots.start).chain(slots.end..block.len());
        let mut sum = self.summary(at);
        sum.remove(others.map(|slot| one(block, slot)).sum());
        sum
    }

    /// Appends blocks whose ids are above all others.
    pub fn push(&mut self, blocks: Vec<(Summary, B)>, pins: &Arc<Pins>) {
        let group = self.groups.len().saturating_sub(1);
        let end = self.groups.get(group).map_or(0, |group| group.len());
        self.splice(group, end..end, blocks, pins);
    }

    /// Puts others in the place of a block.
    pub fn replace(&mut self, at: At, others: Vec<(Summary, B)>, pins: &Arc<Pins>) {
        self.splice(at.group, at.block..at.block + 1, others, pins);
    }

    /// Changes a block, which keeps a record, and what its records sum up to.
    pub fn change(&mut self, at: At, pins: &Arc<Pins>, change: impl FnOnce(&mut B, &mut Summary))
    where
        B: Clone,
    {
        let (group, group_sum, group_first) = self.groups.get_mut(at.group);
        let group = pins.make_mut(group, Row::bytes);
        let (block, sum, first) = group.get_mut(at.block);
        group_sum.remove(*sum);
        let block = pins.make_mut(block, B::bytes);
        change(block, sum);
        group_sum.add(*sum);
        *first = block.id(0);
        *group_first = group.first_id(0);
    }

    /// Puts others in the place of these blocks of a group, which may be one behind the last.
    fn splice(
        &mut self,
        at: usize,
        blocks: Range<usize>,
        others: Vec<(Summary, B)>,
        pins: &Arc<Pins>,
    ) {
        if at == self.groups.len() {
            let group = Arc::new(Pinned::from(Row::default()));
            self.groups
                .replace(at..at, vec![(0, Summary::default(), group)]);
        }
        let is_last = at + 1 == self.groups.len();
        let (group, sum, first) = self.groups.get_mut(at);
        let group = pins.make_mut(group, Row::bytes);
        let at_end = is_last && blocks.end == group.len();
        for replaced in group.range(blocks.clone()) {
            pins.replaced(replaced, B::bytes);
        }
        sum.remove(group.sum(blocks.clone()));
        sum.add(others.iter().map(|(sum, _)| *sum).sum());
        let others = others.into_iter();
        let others = others.map(|(sum, block)| (block.id(0), sum, Arc::new(Pinned::from(block))));
        group.replace(blocks, others.collect());
        if group.len() == 0 {
            self.groups.replace(at..at + 1, Vec::new());
            return;
        }
        *first = group.first_id(0);
        if group.len() > GROUP_MAX {
            // Most blocks are appended: then the groups before the last one are full.
            let cut = if at_end { GROUP_MAX } else { group.len() / 2 };
            let upper = group.split_off(cut);
            let upper_sum = upper.sum(0..upper.len());
            sum.remove(upper_sum);
            let upper = (upper.first_id(0), upper_sum, Arc::new(Pinned::from(upper)));
            self.groups.replace(at + 1..at + 1, vec![upper]);
        }
    }
}
