//! Threads.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{Id, Index, IndexKind, Model, Text, Timestamp, UserId};

/// The id of a [`Thread`].
pub type ThreadId = Id<Thread>;

/// A conversation: its title and who began it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// Given by the server.
    #[schema(inline)]
    pub id: ThreadId,
    /// 1 to 200 characters, one of them visible: neither white space nor of
    /// Unicode's general category C.
    #[schema(inline)]
    pub title: Text<1, 200>,
    /// The id of the user who began it; stored, not checked.
    #[schema(inline)]
    pub created_by: UserId,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub created_at: Option<Timestamp>,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub updated_at: Option<Timestamp>,
}

impl Model for Thread {
    const COLLECTION: &'static str = "threads";
    const SINGULAR: &'static str = "thread";
    const MEMBERS: &'static [&'static str] = &["title", "createdBy"];
    const INDEXES: &'static [Index<Self>] = &[Index {
        member: "createdBy",
        kind: IndexKind::Id(|thread| thread.created_by.get()),
    }];

    fn id(&self) -> Option<ThreadId> {
        Some(self.id)
    }

    fn check(member: &str, value: &Value) -> Option<Result<(), String>> {
        match member {
            "title" => Some(Text::<1, 200>::check_visible(value)),
            "createdBy" => Some(UserId::check(value)),
            _ => None,
        }
    }

    fn example() -> Value {
        json!({"title": "Which night train has the best breakfast?", "createdBy": 3})
    }
}
