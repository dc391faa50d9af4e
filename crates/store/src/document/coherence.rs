//! Checks that the parts of a model agree with each other.
//!
//! The store writes by the model's list of members and their checks, and reads by its
//! `Deserialize`. If they disagreed, it could write a record that no start can read.

use common::{Key, MemberError, Model, Owner, Timestamp};
use serde_json::{Map, Value};

use crate::{
    document::record,
    error::OpenError,
    rules::edit::{self, SET_BY_SERVER},
};

/// Checks with the model's example that the model reads what it writes.
///
/// # Errors
/// The first member for which this is not so.
pub(crate) fn check<M: Model>() -> Result<(), OpenError> {
    disagreement::<M>().map_or(Ok(()), |detail| {
        Err(OpenError::Model {
            collection: M::COLLECTION,
            detail,
        })
    })
}

fn disagreement<M: Model>() -> Option<String> {
    let names: Vec<_> = M::MEMBERS.iter().map(|member| member.name).collect();
    for (at, name) in names.iter().enumerate() {
        if SET_BY_SERVER.contains(name) {
            return Some(format!("clients write {name}, which the server sets"));
        }
        if names[..at].contains(name) {
            return Some(format!("clients write {name} twice"));
        }
    }
    let record = match edit::created::<M>(M::example(), 1, &Timestamp::now().to_string()) {
        Ok(record) => record,
        Err(errors) => return errors.first().map(of_example),
    };
    let model = match read::<M>(&record) {
        Ok(model) => model,
        Err(fault) => return Some(format!("what its example makes is not read: {fault}")),
    };
    if model.id().map(common::Id::get) != Some(1) {
        return Some("it does not read id".to_owned());
    }
    if let Owner::Member(name) = M::OWNER
        && record.get(name).and_then(Value::as_u64).is_none()
    {
        return Some(format!("its owner, {name}, is no id"));
    }
    for name in names {
        let mut without = record.clone();
        without.shift_remove(name);
        if read::<M>(&without).is_ok() {
            return Some(format!("clients must write {name}, which it does not read"));
        }
    }
    for (name, index) in M::indexes() {
        let key = match record.get(name) {
            Some(Value::String(text)) => Some(Key::Text(text.as_str().into())),
            Some(value) => value.as_u64().map(Key::Id),
            None => None,
        };
        if key != Some(index.key(&model)) {
            return Some(format!("the index named {name} reads something else"));
        }
    }
    None
}

fn read<M: Model>(record: &Map<String, Value>) -> Result<M, String> {
    let text = serde_json::to_string(record).map_err(|error| error.to_string())?;
    record::read::<M>(&text, &mut Vec::new()).map_err(|fault| fault.of_record::<M>(&text))
}

fn of_example(error: &MemberError) -> String {
    let member = error.pointer.trim_start_matches('/');
    format!("in its example, {member} {}", error.detail)
}

#[cfg(test)]
mod tests {
    use common::{Id, Index, Member, Post, Thread, User};
    use serde::Deserialize;
    use serde_json::json;
    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{ObjectBuilder, RefOr, Schema},
    };

    use super::*;
    use crate::{
        author::Author, batch::Batch, error::WriteError, memory::state::State, store::open_writer,
        tests::simulated::Simulated, write::Operation,
    };

    /// A model. `FAULT` says which of its parts disagrees with the others.
    #[derive(Deserialize)]
    struct Note<const FAULT: usize> {
        id: Id<Self>,
        text: String,
        author: u64,
    }

    const NONE: usize = 0;
    const NOT_WRITTEN: usize = 1;
    const NOT_READ: usize = 2;
    const WRITTEN_TWICE: usize = 3;
    const OF_THE_SERVER: usize = 4;
    const INDEX_OF_ANOTHER: usize = 5;
    const BAD_EXAMPLE: usize = 6;
    const OWNER_OF_TEXT: usize = 7;

    impl<const FAULT: usize> PartialSchema for Note<FAULT> {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new().into()
        }
    }

    impl<const FAULT: usize> ToSchema for Note<FAULT> {}

    /// A member that holds any text.
    const fn text<M>(name: &'static str) -> Member<M> {
        Member {
            name,
            check: |_| Ok(()),
            index: None,
            example: || json!("t"),
        }
    }

    impl<const FAULT: usize> Note<FAULT> {
        const AUTHOR: Member<Self> = Member {
            name: "author",
            check: |value| match value {
                Value::String(_) => Err("expected a number".to_owned()),
                _ => Ok(()),
            },
            index: Some(Index::Id(|note| note.author)),
            example: || match FAULT {
                BAD_EXAMPLE => json!("me"),
                _ => json!(3),
            },
        };
    }

    impl<const FAULT: usize> Model for Note<FAULT> {
        const COLLECTION: &'static str = "notes";
        const SINGULAR: &'static str = "note";
        const MEMBERS: &'static [Member<Self>] = match FAULT {
            NOT_WRITTEN => &[text("text")],
            NOT_READ => &[text("text"), Self::AUTHOR, text("title")],
            WRITTEN_TWICE => &[text("text"), Self::AUTHOR, text("text")],
            OF_THE_SERVER => &[text("text"), Self::AUTHOR, text("updatedAt")],
            INDEX_OF_ANOTHER => &[
                Member {
                    index: Self::AUTHOR.index,
                    ..text("text")
                },
                Self::AUTHOR,
            ],
            _ => &[text("text"), Self::AUTHOR],
        };
        const OWNER: Owner = match FAULT {
            OWNER_OF_TEXT => Owner::Member("text"),
            _ => Owner::Member("author"),
        };

        fn id(&self) -> Option<Id<Self>> {
            let _ = &self.text;
            Some(self.id)
        }
    }

    fn said<M: Model>() -> String {
        check::<M>().unwrap_err().to_string()
    }

    #[test]
    fn the_models_of_the_forum_agree_with_themselves() {
        assert!(check::<User>().is_ok() && check::<Thread>().is_ok() && check::<Post>().is_ok());
        assert!(check::<Note<NONE>>().is_ok());
    }

    #[test]
    fn a_model_that_disagrees_with_itself_is_named_with_the_member() {
        for (said, expected) in [
            (
                said::<Note<NOT_WRITTEN>>(),
                "what its example makes is not read: note 1 cannot be read: missing field `author`",
            ),
            (
                said::<Note<NOT_READ>>(),
                "clients must write title, which it does not read",
            ),
            (said::<Note<WRITTEN_TWICE>>(), "clients write text twice"),
            (
                said::<Note<OF_THE_SERVER>>(),
                "clients write updatedAt, which the server sets",
            ),
            (
                said::<Note<INDEX_OF_ANOTHER>>(),
                "the index named text reads something else",
            ),
            (
                said::<Note<BAD_EXAMPLE>>(),
                "in its example, author expected a number",
            ),
            (said::<Note<OWNER_OF_TEXT>>(), "its owner, text, is no id"),
        ] {
            let model = "the model of notes disagrees with itself: ";
            assert!(said.starts_with(&format!("{model}{expected}")), "{said}");
        }
    }

    #[test]
    fn no_start_serves_such_a_model() {
        let disk = Simulated::new(0);
        let path = std::path::Path::new("/data/db.json");
        let opened =
            open_writer::<Note<NOT_WRITTEN>>(std::sync::Arc::new(disk), path, None, u64::MAX);
        assert!(matches!(opened.err(), Some(OpenError::Model { .. })));
    }

    /// If a start did not refuse such a model, only the one write would fail.
    #[test]
    fn what_no_start_would_read_is_one_refused_write() {
        let state = State::<Note<NOT_WRITTEN>>::new();
        let mut batch = Batch::new(&state, Timestamp::now());
        let create = Operation::Create(serde_json::from_value(json!({"text": "t"})).unwrap(), None);
        let refused = batch
            .decide(Author::Service, create)
            .map(|written| written.id);
        let Err(WriteError::Unreadable(why)) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("missing field `author`"), "{why}");
        let (changes, journalled) = batch.into_changes();
        assert!(changes.is_empty() && journalled.records.is_empty());
    }
}
