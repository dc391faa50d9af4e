//! Posts.

use crate::{Id, Text, ThreadId, UserId, declare::model};

/// The id of a [`Post`].
pub type PostId = Id<Post>;

model! {
    /// What one user wrote in one thread.
    Post in "posts", one "post" {
        /// Given by the server, also to the posts of a file that have none.
        id: Option<PostId>;
        /// The id of the thread it belongs to; stored, not checked.
        thread: ThreadId, example 4, index;
        /// 1 to 10,000 characters, one of them visible: neither white space nor of
        /// Unicode's general category C.
        text: Text<1, 10000>, example "The one that stops at the lake at six.";
        /// The id of the user who wrote it; stored, not checked.
        user: UserId, example 3, index, owner;
    }
}
