//! Threads.

use crate::{Id, Text, UserId, declare::model};

/// The id of a [`Thread`].
pub type ThreadId = Id<Thread>;

model! {
    /// A conversation: its title and who began it.
    Thread in "threads", one "thread" {
        /// Given by the server.
        id: ThreadId;
        /// 1 to 200 characters, one of them visible: neither white space nor of
        /// Unicode's general category C.
        title: Text<1, 200>, example "Which night train has the best breakfast?";
        /// The id of the user who began it; stored, not checked.
        created_by as "createdBy": UserId, example 3, index, owner;
    }
}
