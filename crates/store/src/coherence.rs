//! Whether the parts of a model agree with each other.
//!
//! The store writes by the model's list of members and its checks, and reads by
//! its `Deserialize`. Where they disagree, it could write what no start reads.

use common::{Key, MemberError, Model, Timestamp};
use serde_json::{Map, Value};

use crate::{
    edit::{self, SERVERS},
    error::OpenError,
    record,
};

/// Whether what the model writes is what it reads, by its example.
///
/// # Errors
/// The first member of which that is not so.
pub(crate) fn check<M: Model>() -> Result<(), OpenError> {
    disagreement::<M>().map_or(Ok(()), |detail| {
        Err(OpenError::Model {
            collection: M::COLLECTION,
            detail,
        })
    })
}

fn disagreement<M: Model>() -> Option<String> {
    for (at, name) in M::MEMBERS.iter().enumerate() {
        if SERVERS.contains(name) {
            return Some(format!("clients write {name}, which the server sets"));
        }
        if M::MEMBERS[..at].contains(name) {
            return Some(format!("clients write {name} twice"));
        }
    }
    let Value::Object(example) = M::example() else {
        return Some("its example is no object".to_owned());
    };
    let record = match edit::created::<M>(&example, 1, Timestamp::now()) {
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
    for name in M::MEMBERS {
        if M::check(name, &record[*name]).is_none() {
            return Some(format!("nothing checks {name}"));
        }
        let mut without = record.clone();
        without.shift_remove(*name);
        if read::<M>(&without).is_ok() {
            return Some(format!("clients must write {name}, which it does not read"));
        }
    }
    for index in M::INDEXES {
        let key = match record.get(index.member) {
            Some(Value::String(text)) => Some(Key::Text(text.as_str().into())),
            Some(value) => value.as_u64().map(Key::Id),
            None => None,
        };
        let name = index.member;
        if !M::MEMBERS.contains(&name) {
            return Some(format!(
                "an index is named {name}, which clients do not write"
            ));
        }
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
    use common::{Id, Index, IndexKind, Post, Thread, User};
    use serde::Deserialize;
    use serde_json::json;
    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{ObjectBuilder, RefOr, Schema},
    };

    use super::*;
    use crate::{
        batch::{Batch, Operation},
        error::WriteError,
        simulated::Simulated,
        state::State,
        writer::Writer,
    };

    /// A model of which one part may be at odds with the others.
    #[derive(Deserialize)]
    struct Note<const FAULT: usize> {
        id: Id<Self>,
        text: String,
        author: u64,
    }

    const NONE: usize = 0;
    const NOT_WRITTEN: usize = 1;
    const NOT_READ: usize = 2;
    const UNCHECKED: usize = 3;
    const WRITTEN_TWICE: usize = 4;
    const OF_THE_SERVER: usize = 5;
    const INDEX_OF_NOTHING: usize = 6;
    const INDEX_OF_ANOTHER: usize = 7;
    const BAD_EXAMPLE: usize = 8;

    impl<const FAULT: usize> PartialSchema for Note<FAULT> {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new().into()
        }
    }

    impl<const FAULT: usize> ToSchema for Note<FAULT> {}

    impl<const FAULT: usize> Model for Note<FAULT> {
        const COLLECTION: &'static str = "notes";
        const SINGULAR: &'static str = "note";
        const MEMBERS: &'static [&'static str] = match FAULT {
            NOT_WRITTEN => &["text"],
            NOT_READ => &["text", "author", "title"],
            WRITTEN_TWICE => &["text", "author", "text"],
            OF_THE_SERVER => &["text", "author", "updatedAt"],
            _ => &["text", "author"],
        };
        const INDEXES: &'static [Index<Self>] = &[Index {
            member: match FAULT {
                INDEX_OF_NOTHING => "writer",
                INDEX_OF_ANOTHER => "text",
                _ => "author",
            },
            kind: IndexKind::Id(|note| note.author),
        }];

        fn id(&self) -> Option<Id<Self>> {
            let _ = &self.text;
            Some(self.id)
        }

        fn check(member: &str, value: &Value) -> Option<Result<(), String>> {
            match (member, value) {
                ("author", Value::String(_)) => Some(Err("expected a number".to_owned())),
                ("author", _) if FAULT == UNCHECKED => None,
                _ => Some(Ok(())),
            }
        }

        fn example() -> Value {
            match FAULT {
                NOT_WRITTEN => json!({"text": "t"}),
                NOT_READ => json!({"text": "t", "author": 3, "title": "T"}),
                BAD_EXAMPLE => json!({"text": "t", "author": "me"}),
                _ => json!({"text": "t", "author": 3}),
            }
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
            (said::<Note<UNCHECKED>>(), "nothing checks author"),
            (said::<Note<WRITTEN_TWICE>>(), "clients write text twice"),
            (
                said::<Note<OF_THE_SERVER>>(),
                "clients write updatedAt, which the server sets",
            ),
            (
                said::<Note<INDEX_OF_NOTHING>>(),
                "an index is named writer, which clients do not write",
            ),
            (
                said::<Note<INDEX_OF_ANOTHER>>(),
                "the index named text reads something else",
            ),
            (
                said::<Note<BAD_EXAMPLE>>(),
                "in its example, author expected a number",
            ),
        ] {
            let model = "the model of notes disagrees with itself: ";
            assert!(said.starts_with(&format!("{model}{expected}")), "{said}");
        }
    }

    #[test]
    fn no_start_serves_such_a_model() {
        let disk = Simulated::new(0);
        let path = std::path::Path::new("/data/db.json");
        let opened = Writer::<Note<NOT_WRITTEN>>::open(std::sync::Arc::new(disk), path, None);
        assert!(matches!(opened.err(), Some(OpenError::Model { .. })));
    }

    /// What the start keeps from happening would cost one write alone.
    #[test]
    fn what_no_start_would_read_is_one_refused_write() {
        let state = State::<Note<NOT_WRITTEN>>::new();
        let mut batch = Batch::new(&state, Timestamp::now());
        let create = Operation::Create(serde_json::from_value(json!({"text": "t"})).unwrap());
        let refused = batch.decide(create).map(|written| written.id);
        let Err(WriteError::Unreadable(why)) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("missing field `author`"), "{why}");
        let (changes, journalled) = batch.into_changes();
        assert!(changes.is_empty() && journalled.is_empty());
    }
}
