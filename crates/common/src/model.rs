//! What the store and the services need to know of a class of object.

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Id;

/// A class of object: one collection, one service.
pub trait Model: DeserializeOwned + ToSchema + Send + Sync + Sized + 'static {
    /// Key of the collection in `db.json`, last segment of its route, name of its service.
    const COLLECTION: &'static str;

    /// One of the collection, for messages and documentation: `user`.
    const SINGULAR: &'static str;

    /// Members a client writes, in the order in which records hold them. All are required.
    const MEMBERS: &'static [&'static str];

    /// Members that lists can be filtered by.
    const INDEXES: &'static [Index<Self>];

    /// The record's id; `None` only where a file may leave the numbering to the server.
    fn id(&self) -> Option<Id<Self>>;

    /// Checks one member that a client wrote.
    ///
    /// # Errors
    /// What was expected. `None` for a member that is not among [`Model::MEMBERS`].
    fn check(member: &str, value: &Value) -> Option<Result<(), String>>;

    /// A record as a client would send it, for the API's documentation.
    fn example() -> Value;
}

/// A member that lists can be filtered by.
pub struct Index<M> {
    /// The member's name, which is the query parameter's too.
    pub member: &'static str,
    /// What the member holds.
    pub kind: IndexKind<M>,
}

/// What an indexed member holds, and how to read it.
pub enum IndexKind<M> {
    /// The id of a record, mostly another service's.
    Id(fn(&M) -> u64),
    /// A text that no two records share.
    Unique(fn(&M) -> &str),
}

/// An indexed member's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A record's id.
    Id(u64),
    /// A text.
    Text(Box<str>),
}

impl<M> Index<M> {
    /// This index's key of a record.
    pub fn key(&self, record: &M) -> Key {
        match self.kind {
            IndexKind::Id(read) => Key::Id(read(record)),
            IndexKind::Unique(read) => Key::Text(read(record).into()),
        }
    }

    /// The key that a client wrote into a query; `None` when it cannot be one.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Key> {
        match self.kind {
            IndexKind::Id(_) => text.parse::<Id<M>>().ok().map(|id| Key::Id(id.get())),
            IndexKind::Unique(_) => Some(Key::Text(text.into())),
        }
    }

    /// Whether no two records may have the same key.
    #[must_use]
    pub fn unique(&self) -> bool {
        matches!(self.kind, IndexKind::Unique(_))
    }
}

/// Whether `value` is a `T`; otherwise what was expected.
pub(crate) fn check<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    read::<T>(value).map(drop)
}

/// `value` as a `T`; otherwise what was expected.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}
