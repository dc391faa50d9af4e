//! Tags.

use crate::{Id, Text, ThreadId, declare::model};

/// The id of a [`Tag`].
pub type TagId = Id<Tag>;

model! {
    /// A label on a thread.
    Tag in "tags", one "tag" {
        /// Given by the server.
        id: TagId;
        /// Unique: 1 to 40 characters.
        label: Text<1, 40>, example "night trains", unique;
        /// The id of the thread that it is on; stored, not checked.
        thread: ThreadId, example 4, index;
    }
}
