//! Posts.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{Id, Index, IndexKind, Model, Text, ThreadId, Timestamp, UserId};

/// The id of a [`Post`].
pub type PostId = Id<Post>;

/// What one user wrote in one thread.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Post {
    /// Given by the server, also to the posts of a file that have none.
    #[schema(inline, required, nullable = false)]
    pub id: Option<PostId>,
    /// The id of the thread it belongs to; stored, not checked.
    #[schema(inline)]
    pub thread: ThreadId,
    /// 1 to 10,000 characters, one of them visible: neither white space nor of
    /// Unicode's general category C.
    #[schema(inline)]
    pub text: Text<1, 10000>,
    /// The id of the user who wrote it; stored, not checked.
    #[schema(inline)]
    pub user: UserId,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub created_at: Option<Timestamp>,
    /// Set by the server; absent on records older than the member.
    #[schema(inline, nullable = false)]
    pub updated_at: Option<Timestamp>,
}

impl Model for Post {
    const COLLECTION: &'static str = "posts";
    const SINGULAR: &'static str = "post";
    const MEMBERS: &'static [&'static str] = &["thread", "text", "user"];
    const INDEXES: &'static [Index<Self>] = &[
        Index {
            member: "thread",
            kind: IndexKind::Id(|post| post.thread.get()),
        },
        Index {
            member: "user",
            kind: IndexKind::Id(|post| post.user.get()),
        },
    ];

    fn id(&self) -> Option<PostId> {
        self.id
    }

    fn check(member: &str, value: &Value) -> Option<Result<(), String>> {
        match member {
            "thread" => Some(ThreadId::check(value)),
            "text" => Some(Text::<1, 10000>::check_visible(value)),
            "user" => Some(UserId::check(value)),
            _ => None,
        }
    }

    fn example() -> Value {
        json!({"thread": 4, "text": "The one that stops at the lake at six.", "user": 3})
    }
}
