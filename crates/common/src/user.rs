//! Users.

use crate::{Id, Text, Username, declare::model};

/// The id of a [`User`].
pub type UserId = Id<User>;

model! {
    /// Someone who writes in the forum.
    User in "users", one "user" {
        /// Given by the server.
        id: UserId, owner;
        /// Unique: 1 to 32 characters of a-z, 0-9, _ and -.
        username: Username, example "lantern", unique;
        /// Shown beside what the user writes: 1 to 100 characters, one of them visible:
        /// neither white space nor of Unicode's general category C.
        name: Text<1, 100>, example "Lantern";
        /// What the user says of themselves: up to 1,000 characters.
        bio: Text<0, 1000>, example "Reads manuals by torchlight.";
    }
}
