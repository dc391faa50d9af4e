//! Lists: which records they hold, page by page, and what can be asked of them.

mod filters;
mod ids;
mod paging;
mod parameters;
