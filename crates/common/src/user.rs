//! Users.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{Id, Index, IndexKind, Model, Text, Timestamp, Username, model::check};

/// The id of a [`User`].
pub type UserId = Id<User>;

/// Someone who writes in the forum.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Given by the server.
    #[schema(inline)]
    pub id: UserId,
    /// Unique: 1 to 32 characters of a-z, 0-9, _ and -.
    #[schema(inline)]
    pub username: Username,
    /// Shown beside what the user writes: 1 to 100 characters, one of them visible:
    /// neither white space nor of Unicode's general category C.
    #[schema(inline)]
    pub name: Text<1, 100>,
    /// What the user says of themselves: up to 1,000 characters.
    #[schema(inline)]
    pub bio: Text<0, 1000>,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub created_at: Option<Timestamp>,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub updated_at: Option<Timestamp>,
}

impl Model for User {
    const COLLECTION: &'static str = "users";
    const SINGULAR: &'static str = "user";
    const MEMBERS: &'static [&'static str] = &["username", "name", "bio"];
    const INDEXES: &'static [Index<Self>] = &[Index {
        member: "username",
        kind: IndexKind::Unique(|user| &user.username),
    }];

    fn id(&self) -> Option<UserId> {
        Some(self.id)
    }

    fn check(member: &str, value: &Value) -> Option<Result<(), String>> {
        match member {
            "username" => Some(check::<Username>(value)),
            "name" => Some(Text::<1, 100>::check_visible(value)),
            "bio" => Some(check::<Text<0, 1000>>(value)),
            _ => None,
        }
    }

    fn example() -> Value {
        json!({"username": "lantern", "name": "Lantern", "bio": "Reads manuals by torchlight."})
    }
}
