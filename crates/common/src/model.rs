//! The trait of models, their members and indexes.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Id;

/// A class of object: one collection, one service. Declared by `model!`.
pub trait Model: DeserializeOwned + ToSchema + Send + Sync + Sized + 'static {
    /// The name of the collection. It is also its key in `db.json`, the last segment of its
    /// route, and the name of its service.
    const COLLECTION: &'static str;

    /// The name of one record, such as `user`, for messages and documentation.
    const SINGULAR: &'static str;

    /// The members that clients write, in the order in which records have them. All are
    /// required.
    const MEMBERS: &'static [Member<Self>];

    /// Who owns the records.
    const OWNER: Owner = Owner::Nobody;

    /// The record's id. It can be `None` only in a model whose records may have no ids in a
    /// file: the server then numbers them.
    fn id(&self) -> Option<Id<Self>>;

    /// The member with this name; `None` if clients write no such member.
    #[must_use]
    fn member(name: &str) -> Option<&'static Member<Self>> {
        Self::MEMBERS.iter().find(|member| member.name == name)
    }

    /// The members that lists can be filtered by: their names and indexes. The number of an
    /// index is its position in this iterator.
    #[must_use]
    fn indexes() -> impl Iterator<Item = (&'static str, &'static Index<Self>)> {
        let members = Self::MEMBERS.iter();
        members.filter_map(|member| Some((member.name, member.index.as_ref()?)))
    }

    /// The index of the member with this name, and its number.
    #[must_use]
    fn index(name: &str) -> Option<(usize, &'static Index<Self>)> {
        let mut indexes = Self::indexes().enumerate();
        indexes.find_map(|(number, (member, index))| (member == name).then_some((number, index)))
    }

    /// The keys of this record that no other record may have: the number of each index, its
    /// member and the key.
    fn unique_keys(&self) -> impl Iterator<Item = (usize, &'static str, Key)> {
        let indexes = Self::indexes().enumerate();
        let unique = indexes.filter(|(_, (_, index))| index.unique());
        unique.map(|(number, (member, index))| (number, member, index.key(self)))
    }

    /// An example of a record as a client sends it, for the API's documentation.
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
    /// The name in JSON.
    pub name: &'static str,
    /// Checks a value that a client wrote. The error says what was expected.
    pub check: fn(&Value) -> Result<(), String>,
    /// The index over the member; `None` if lists cannot be filtered by it. The query
    /// parameter of the filter has the member's name.
    pub index: Option<Index<M>>,
    /// A value for the API's documentation.
    pub example: fn() -> Value,
}

/// Who owns the records of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// No user owns them.
    Nobody,
    /// Each record is a user and owns itself.
    Itself,
    /// The member with this name holds the id of the user who owns the record.
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

/// An index over a member: the type of its keys, and how to read a record's key.
pub enum Index<M> {
    /// The id of a record, usually one of another service.
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

    /// Reads a key from a query parameter; `None` when the text is not a key.
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
