//! Who may write which record: plain functions of who writes, the record and the members.

use common::{Id, Model, Owner};
use serde_json::Value;

use crate::{
    author::{Author, NotAllowed},
    json::Object,
};

/// Whether this author may create a record of these members.
pub(crate) fn may_create<M: Model>(author: Author, members: &Object) -> Result<(), NotAllowed> {
    match (author, M::OWNER) {
        (Author::Service | Author::Moderator(_), _) => Ok(()),
        (Author::User(_), Owner::Nobody | Owner::Itself) => Err(NotAllowed::Create),
        (Author::User(user), Owner::Member(member)) => names_only(members, member, user),
    }
}

/// Whether this author may replace or patch the record. `members` are those that the client
/// sent.
pub(crate) fn may_edit<M: Model>(
    author: Author,
    record: &Object,
    members: Option<&Object>,
) -> Result<(), NotAllowed> {
    let Author::User(user) = author else {
        return Ok(());
    };
    if owner_of::<M>(record) != Some(user) {
        return Err(NotAllowed::NotOwner);
    }
    match (M::OWNER, members) {
        (Owner::Member(member), Some(members)) => names_only(members, member, user),
        _ => Ok(()),
    }
}

/// Whether this author may delete the record.
pub(crate) fn may_delete<M: Model>(author: Author, record: &Object) -> Result<(), NotAllowed> {
    may_edit::<M>(author, record, None)?;
    match (author, M::OWNER) {
        (Author::User(_), Owner::Itself) => Err(NotAllowed::Delete),
        _ => Ok(()),
    }
}

/// Sets the owner of a new record, the user who creates it, where the client names none.
pub(crate) fn set_owner<M: Model>(author: Author, members: &mut Object) {
    if let (Author::User(user) | Author::Moderator(user), Owner::Member(member)) =
        (author, M::OWNER)
        && !members.contains_key(member)
    {
        members.insert(member.to_owned(), user.into());
    }
}

/// Keeps the owner of a record that is replaced where the client names none.
pub(crate) fn keep_owner<M: Model>(record: &Object, members: &mut Object) {
    if let Owner::Member(member) = M::OWNER
        && let Some(owner) = record.get(member)
        && !members.contains_key(member)
    {
        members.insert(member.to_owned(), owner.clone());
    }
}

/// Refuses members that name another owner than this user.
fn names_only(members: &Object, member: &'static str, user: u64) -> Result<(), NotAllowed> {
    match members.get(member) {
        Some(named) if named.as_u64() != Some(user) => Err(NotAllowed::OtherOwner { member, user }),
        _ => Ok(()),
    }
}

fn owner_of<M: Model>(record: &Object) -> Option<u64> {
    let name = match M::OWNER {
        Owner::Nobody => return None,
        Owner::Itself => "id",
        Owner::Member(name) => name,
    };
    let owner = record.get(name).and_then(Value::as_u64)?;
    Id::<()>::new(owner).ok().map(Id::get)
}

#[cfg(test)]
mod tests {
    use common::{Post, Thread, User};
    use serde_json::json;

    use super::*;

    const ME: Author = Author::User(3);
    /// Those who may write everything.
    const OTHERS: [Author; 2] = [Author::Service, Author::Moderator(3)];

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_user_creates_what_they_own_and_no_users() {
        for (members, expected) in [
            (json!({"title": "T"}), Ok(())),
            (json!({"title": "T", "createdBy": 3}), Ok(())),
            (json!({"createdBy": 4}), Err("createdBy")),
            (json!({"createdBy": "3"}), Err("createdBy")),
            (json!({"createdBy": null}), Err("createdBy")),
        ] {
            let members = object(members);
            let expected = expected.map_err(|member| NotAllowed::OtherOwner { member, user: 3 });
            assert_eq!(may_create::<Thread>(ME, &members), expected, "{members:?}");
            for author in OTHERS {
                assert_eq!(may_create::<Thread>(author, &members), Ok(()));
                assert_eq!(may_create::<User>(author, &members), Ok(()));
            }
            assert_eq!(may_create::<User>(ME, &members), Err(NotAllowed::Create));
        }
    }

    #[test]
    fn a_user_edits_what_they_own_and_gives_it_to_nobody() {
        let members = |value| Some(object(value));
        let other = NotAllowed::OtherOwner {
            member: "user",
            user: 3,
        };
        for (owner, members, expected) in [
            (3, members(json!({"text": "T"})), Ok(())),
            (3, members(json!({"user": 3})), Ok(())),
            (3, members(json!({"user": 4})), Err(other)),
            (3, members(json!({"user": null})), Err(other)),
            (3, None, Ok(())),
            (4, members(json!({"text": "T"})), Err(NotAllowed::NotOwner)),
            (4, members(json!({"user": 3})), Err(NotAllowed::NotOwner)),
            (4, None, Err(NotAllowed::NotOwner)),
        ] {
            let post = object(json!({"id": 9, "thread": 3, "text": "t", "user": owner}));
            assert_eq!(may_edit::<Post>(ME, &post, members.as_ref()), expected);
            let deleted = if owner == 3 {
                Ok(())
            } else {
                Err(NotAllowed::NotOwner)
            };
            assert_eq!(may_delete::<Post>(ME, &post), deleted);
            for author in OTHERS {
                assert_eq!(may_edit::<Post>(author, &post, members.as_ref()), Ok(()));
                assert_eq!(may_delete::<Post>(author, &post), Ok(()));
            }
        }
    }

    #[test]
    fn a_user_edits_their_own_record_and_deletes_none() {
        for (id, edits, deletes) in [
            (3, Ok(()), Err(NotAllowed::Delete)),
            (4, Err(NotAllowed::NotOwner), Err(NotAllowed::NotOwner)),
        ] {
            let user = object(json!({"id": id, "username": "finn"}));
            assert_eq!(
                may_edit::<User>(ME, &user, Some(&object(json!({"id": 3})))),
                edits
            );
            assert_eq!(may_delete::<User>(ME, &user), deletes);
        }
    }

    #[test]
    fn an_owner_who_is_not_named_is_the_author_or_stays() {
        let named = json!({"title": "T", "createdBy": 5});
        for (author, members, owner) in [
            (ME, json!({"title": "T"}), json!(3)),
            (Author::Moderator(4), json!({"title": "T"}), json!(4)),
            (Author::Moderator(4), named.clone(), json!(5)),
            (Author::Service, named.clone(), json!(5)),
            (Author::Service, json!({"title": "T"}), json!(null)),
        ] {
            let mut members = object(members);
            set_owner::<Thread>(author, &mut members);
            let found = members.get("createdBy").unwrap_or(&Value::Null);
            assert_eq!(*found, owner, "{author:?}");
        }
        let mut user = object(json!({"username": "finn"}));
        set_owner::<User>(ME, &mut user);
        assert_eq!(user.len(), 1);
        for (members, owner) in [(json!({"title": "U"}), 5), (json!({"createdBy": 6}), 6)] {
            let mut members = object(members);
            keep_owner::<Thread>(&object(named.clone()), &mut members);
            assert_eq!(members["createdBy"], owner);
        }
    }
}
