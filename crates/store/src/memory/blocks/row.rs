//! A row: blocks, or groups of blocks, in id order.

use std::{
    ops::{Index, Range},
    sync::Arc,
};

use crate::digest::Summary;

/// Blocks, or groups of blocks, in id order. Their first ids and summaries are in arrays of
/// their own: a search or a sum reads only those.
#[derive(Debug)]
pub(crate) struct Row<T> {
    first_ids: Vec<u64>,
    summaries: Vec<Summary>,
    all: Vec<Arc<T>>,
}

/// An entry of a row: the first id, the summary of the records, and the block or group.
pub(crate) type Entry<T> = (u64, Summary, Arc<T>);

impl<T> Clone for Row<T> {
    fn clone(&self) -> Self {
        Self {
            first_ids: self.first_ids.clone(),
            summaries: self.summaries.clone(),
            all: self.all.clone(),
        }
    }
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Self {
            first_ids: Vec::new(),
            summaries: Vec::new(),
            all: Vec::new(),
        }
    }
}

impl<T> Index<usize> for Row<T> {
    type Output = Arc<T>;

    fn index(&self, at: usize) -> &Arc<T> {
        &self.all[at]
    }
}

impl<T> Row<T> {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn get(&self, at: usize) -> Option<&Arc<T>> {
        self.all.get(at)
    }

    pub fn range(&self, range: Range<usize>) -> &[Arc<T>] {
        &self.all[range]
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Arc<T>> {
        self.all.iter()
    }

    pub fn first_id(&self, at: usize) -> u64 {
        self.first_ids[at]
    }

    pub fn summary(&self, at: usize) -> Summary {
        self.summaries[at]
    }

    /// The sum of the summaries of these entries.
    pub fn sum(&self, range: Range<usize>) -> Summary {
        self.summaries[range].iter().copied().sum()
    }

    /// The last entry whose first id is `id` or below.
    pub fn home(&self, id: u64) -> Option<usize> {
        self.first_ids
            .partition_point(|first| *first <= id)
            .checked_sub(1)
    }

    /// Bytes of the three arrays, without the blocks or groups.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.first_ids[..])
            + size_of_val(&self.summaries[..])
            + size_of_val(&self.all[..])
    }

    /// Replaces these entries with others.
    pub fn replace(&mut self, range: Range<usize>, others: Vec<Entry<T>>) {
        let first_ids = others.iter().map(|(first_id, ..)| *first_id);
        self.first_ids.splice(range.clone(), first_ids);
        let summaries = others.iter().map(|(_, summary, _)| *summary);
        self.summaries.splice(range.clone(), summaries);
        let all = others.into_iter().map(|(.., one)| one);
        self.all.splice(range, all);
    }

    /// A block or group, its summary and its first id.
    pub fn get_mut(&mut self, at: usize) -> (&mut Arc<T>, &mut Summary, &mut u64) {
        (
            &mut self.all[at],
            &mut self.summaries[at],
            &mut self.first_ids[at],
        )
    }

    /// Keeps the entries before `at`, and returns the others.
    pub fn split_off(&mut self, at: usize) -> Self {
        Self {
            first_ids: self.first_ids.split_off(at),
            summaries: self.summaries.split_off(at),
            all: self.all.split_off(at),
        }
    }
}
