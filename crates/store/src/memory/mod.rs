//! The collection in memory: pages of encoded JSON, indexes over them, and lists.

pub(crate) mod blocks;
pub(crate) mod image;
pub(crate) mod index;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod page;
pub(crate) mod pages;
pub(crate) mod pins;
pub(crate) mod remembered;
pub(crate) mod rows;
pub(crate) mod selection;
pub(crate) mod snapshot;
pub(crate) mod state;
