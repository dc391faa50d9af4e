//! What the store and the services need to know of a class of object.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Id;

/// A class of object: one collection, one service. Declared by `model!`.
pub trait Model: DeserializeOwned + ToSchema + Send + Sync + Sized + 'static {
    /// Key of the collection in `db.json`, last segment of its route, name of its service.
    const COLLECTION: &'static str;

    /// One of the collection, for messages and documentation: `user`.
    const SINGULAR: &'static str;

    /// Members a client writes, in the order in which records hold them. All are required.
    const MEMBERS: &'static [Member<Self>];

    /// Whose a record is.
    const OWNER: Owner = Owner::Nobody;

    /// The record's id; `None` only where a file may leave the numbering to the server.
    fn id(&self) -> Option<Id<Self>>;

    /// The member of this name, if clients write one.
    #[must_use]
    fn member(name: &str) -> Option<&'static Member<Self>> {
        Self::MEMBERS.iter().find(|member| member.name == name)
    }

    /// The names of the members that lists can be filtered by, and how. An index's number is its
    /// place here.
    #[must_use]
    fn indexes() -> impl Iterator<Item = (&'static str, &'static Index<Self>)> {
        let members = Self::MEMBERS.iter();
        members.filter_map(|member| Some((member.name, member.index.as_ref()?)))
    }

    /// The number of the index over the member of this name, and the index.
    #[must_use]
    fn index(name: &str) -> Option<(usize, &'static Index<Self>)> {
        let mut indexes = Self::indexes().enumerate();
        indexes.find_map(|(number, (member, index))| (member == name).then_some((number, index)))
    }

    /// The keys that no other record may have: the number of their index, their member and the key.
    fn unique_keys(&self) -> impl Iterator<Item = (usize, &'static str, Key)> {
        let indexes = Self::indexes().enumerate();
        let unique = indexes.filter(|(_, (_, index))| index.unique());
        unique.map(|(number, (member, index))| (number, member, index.key(self)))
    }

    /// A record as a client would send it, for the API's documentation.
    #[must_use]
    fn example() -> Map<String, Value> {
        let members = Self::MEMBERS.iter();
        members
            .map(|member| (member.name.to_owned(), (member.example)()))
            .collect()
    }
}

/// A member that clients write.
pub struct Member<M: 'static> {
    /// Its name in JSON.
    pub name: &'static str,
    /// Checks a value that a client wrote: what was expected instead.
    pub check: fn(&Value) -> Result<(), String>,
    /// How lists are filtered by it, if they are. It is also the query parameter's name.
    pub index: Option<Index<M>>,
    /// A value for the API's documentation.
    pub example: fn() -> Value,
}

/// Whose the records of a model are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// No user's.
    Nobody,
    /// Each record is a user, and that user's.
    Itself,
    /// The user's whose id the member of this name holds.
    Member(&'static str),
}

impl Owner {
    /// The owner that `model!` found marked.
    pub(crate) const fn marked(marks: &[Option<Self>]) -> Self {
        let mut owner = Self::Nobody;
        let mut at = 0;
        while at < marks.len() {
            if let Some(marked) = marks[at] {
                assert!(matches!(owner, Self::Nobody), "a record has one owner");
                owner = marked;
            }
            at += 1;
        }
        owner
    }
}

/// What an indexed member holds, and how to read it.
pub enum Index<M> {
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
        match self {
            Self::Id(read) => Key::Id(read(record)),
            Self::Unique(read) => Key::Text(read(record).into()),
        }
    }

    /// The key that a client wrote into a query; `None` when it cannot be one.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Key> {
        match self {
            Self::Id(_) => text.parse::<Id<M>>().ok().map(|id| Key::Id(id.get())),
            Self::Unique(_) => Some(Key::Text(text.into())),
        }
    }

    /// Whether no two records may have the same key.
    #[must_use]
    pub fn unique(&self) -> bool {
        matches!(self, Self::Unique(_))
    }
}
