//! The rules for created, replaced and patched records.

use std::iter;

use common::{Member, MemberError, Model, Timestamp};
use serde_json::Value;

use crate::{
    json::Object,
    rules::{
        merge::merge_members,
        times::{self, TIMES},
    },
};

/// The largest number of levels of nesting in a record. `serde_json` reads at most 128.
pub(crate) const DEPTH_MAX: usize = 100;

/// Members that only the server sets.
pub(crate) const SET_BY_SERVER: [&str; 3] = ["id", "createdAt", "updatedAt"];

type Edited = Result<Object, Vec<MemberError>>;

/// A new record with a client's members. `now` is the current time as a record has it.
///
/// # Errors
/// Every member that is missing, unknown, invalid or set by the server.
pub(crate) fn created<M: Model>(mut members: Object, id: u64, now: &str) -> Edited {
    let mut errors = Vec::new();
    for name in members.keys() {
        if SET_BY_SERVER.contains(&&**name) {
            errors.push(MemberError::new(name, "is set by the server; leave it out"));
        } else if M::member(name).is_none() {
            errors.push(unknown::<M>(name));
        }
    }
    let none = Object::new();
    let member = |name: &str| members.remove_entry(name);
    let record = assemble::<M>(member, iter::empty(), &none, id, &mut errors);
    finish(record, errors, Some(now.into()), now.into())
}

/// The current record with its members replaced by a client's. Members that the model does
/// not know stay, unless the client names them.
///
/// # Errors
/// Every member that is missing, unknown or invalid, and every change of a member that only
/// the server sets.
pub(crate) fn replaced<M: Model>(current: &Object, members: &Object, now: Timestamp) -> Edited {
    let mut errors = Vec::new();
    for (name, value) in members {
        if SET_BY_SERVER.contains(&&**name) {
            errors.extend(check_unchanged(current, name, Some(value)).err());
        } else if M::member(name).is_none() && !current.contains_key(name) {
            errors.push(unknown::<M>(name));
        }
    }
    // All other names of the client are unknown, and refused above.
    let extras = current.iter();
    let extras = extras.map(|(name, value)| (name, members.get(name).unwrap_or(value)));
    edited::<M>(current, members, extras, errors, now)
}

/// The current record with a client's merge patch applied.
///
/// # Errors
/// As [`replaced`], and a patch that is not an object.
pub(crate) fn patched<M: Model>(current: &Object, patch: &Value, now: Timestamp) -> Edited {
    let Value::Object(patch) = patch else {
        let detail = "expected an object with the members to change";
        return Err(vec![MemberError::whole(detail)]);
    };
    let mut errors = Vec::new();
    let mut members = current.clone();
    merge_members(&mut members, patch.clone());
    for name in patch.keys() {
        if SET_BY_SERVER.contains(&&**name) {
            errors.extend(check_unchanged(current, name, members.get(name)).err());
        } else if M::member(name).is_none() && !current.contains_key(name) {
            errors.push(unknown::<M>(name));
        }
    }
    edited::<M>(current, &members, members.iter(), errors, now)
}

/// The current record with these members and extras. If nothing changes, the current record
/// with its times.
fn edited<'a, M: Model>(
    current: &'a Object,
    members: &'a Object,
    extras: impl Iterator<Item = (&'a String, &'a Value)>,
    mut errors: Vec<MemberError>,
    now: Timestamp,
) -> Edited {
    let id = current
        .get("id")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let member = |name: &str| {
        let (name, value) = members.get_key_value(name)?;
        Some((name.clone(), value.clone()))
    };
    let record = assemble::<M>(member, extras, current, id, &mut errors);
    if errors.is_empty() && same_but_for_times(&record, current) {
        return Ok(current.clone());
    }
    let updated_at = times::updated_at(current, now);
    finish(
        record,
        errors,
        current.get("createdAt").cloned(),
        updated_at,
    )
}

/// Whether the records have the same members in any order, apart from their times.
fn same_but_for_times(a: &Object, b: &Object) -> bool {
    let others = |record: &Object| {
        let times = TIMES.iter().filter(|name| record.contains_key(**name));
        record.len() - times.count()
    };
    let same =
        |(name, value): (&String, &Value)| TIMES.contains(&&**name) || b.get(name) == Some(value);
    others(a) == others(b) && a.iter().all(same)
}

/// Checks that a client leaves a member as it is that only the server sets.
///
/// # Errors
/// When the value that the client gives is not the stored one.
fn check_unchanged(current: &Object, name: &str, given: Option<&Value>) -> Result<(), MemberError> {
    let stored = current.get(name);
    if stored == given || name != "id" && times::same(stored, given) {
        return Ok(());
    }
    let outdated =
        name == "updatedAt" && given.is_some_and(|given| times::is_earlier(given, current));
    let detail = if outdated {
        "is that of an earlier version: the record was changed since it was read; read it again, or leave this member out"
    } else {
        "is set by the server; repeat it as it is, or leave it out"
    };
    Err(MemberError::new(name, detail))
}

/// A record of the id, the model's members in its order, and the other members of `extras`.
/// `member` yields the member with a name. A value that the current record has too is not checked: it may be older than its rule.
fn assemble<'a, M: Model>(
    mut member: impl FnMut(&str) -> Option<(String, Value)>,
    extras: impl Iterator<Item = (&'a String, &'a Value)>,
    current: &Object,
    id: u64,
    errors: &mut Vec<MemberError>,
) -> Object {
    let mut record = Object::with_capacity(M::MEMBERS.len() + SET_BY_SERVER.len());
    record.insert("id".to_owned(), id.into());
    for Member { name, check, .. } in M::MEMBERS {
        match member(name) {
            None => errors.push(MemberError::new(name, "is required")),
            Some((key, value)) => {
                if current.get(*name) != Some(&value)
                    && let Err(expected) = check(&value)
                {
                    errors.push(MemberError::new(name, expected));
                }
                record.insert(key, value);
            }
        }
    }
    let own = |name: &str| SET_BY_SERVER.contains(&name) || M::member(name).is_some();
    let extras = extras.filter(|(name, _)| !own(name));
    record.extend(extras.map(|(name, value)| (name.clone(), value.clone())));
    record
}

fn finish(
    mut record: Object,
    mut errors: Vec<MemberError>,
    created_at: Option<Value>,
    updated_at: Value,
) -> Edited {
    let too_deep = record
        .iter()
        .filter(|(_, value)| nesting(value) >= DEPTH_MAX);
    errors.extend(too_deep.map(|(name, _)| {
        let detail = format!("expected at most {} levels of nesting", DEPTH_MAX - 1);
        MemberError::new(name, detail)
    }));
    if !errors.is_empty() {
        return Err(errors);
    }
    record.extend(created_at.map(|created_at| ("createdAt".to_owned(), created_at)));
    record.insert("updatedAt".to_owned(), updated_at);
    Ok(record)
}

/// How many levels of objects and arrays a value has.
fn nesting(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(nesting).max(),
        Value::Object(members) => members.values().map(nesting).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}

fn unknown<M: Model>(name: &str) -> MemberError {
    let members: Vec<_> = M::MEMBERS.iter().map(|member| member.name).collect();
    let members = members.join(", ");
    let detail = format!("is no member of a {}; it has {members}", M::SINGULAR);
    MemberError::new(name, detail)
}

#[cfg(test)]
mod tests {
    use common::User;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    fn finn() -> Object {
        object(json!({
            "id": 7, "username": "finn", "name": "Finn", "bio": "", "createdAt": "2026-03-04T09:12:33.120Z",
            "badge": {"level": 1, "colour": "green"}
        }))
    }

    fn pointers(edited: Edited) -> Vec<String> {
        edited
            .unwrap_err()
            .into_iter()
            .map(|error| error.pointer)
            .collect()
    }

    #[test]
    fn a_new_record_has_its_members_in_order_and_times() {
        let now = Timestamp::now();
        let members = object(json!({"bio": "b", "name": "Finn", "username": "finn"}));
        let record = created::<User>(members, 9, &now.to_string()).unwrap();
        let names: Vec<_> = record.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["id", "username", "name", "bio", "createdAt", "updatedAt"]
        );
        assert_eq!(record["createdAt"], now.to_string());
    }

    #[test]
    fn every_fault_of_a_new_record_is_named() {
        let members =
            object(json!({"id": 1, "username": "F", "name": 7, "x/y": 1, "updatedAt": null}));
        let errors = pointers(created::<User>(members, 9, &Timestamp::now().to_string()));
        assert_eq!(
            errors,
            ["/id", "/x~1y", "/updatedAt", "/username", "/name", "/bio"]
        );
    }

    #[test]
    fn a_replaced_record_keeps_what_only_the_file_knows() {
        let now = Timestamp::now();
        let members = object(json!({"username": "finn", "name": "F", "bio": "", "id": 7}));
        let record = replaced::<User>(&finn(), &members, now).unwrap();
        assert_eq!(record["badge"]["level"], 1);
        assert_eq!(record["createdAt"], "2026-03-04T09:12:33.120Z");
        assert_eq!(record["updatedAt"], now.to_string());
        let mut named = members.clone();
        named.insert("badge".into(), json!("none"));
        assert_eq!(
            replaced::<User>(&finn(), &named, now).unwrap()["badge"],
            "none"
        );
    }

    #[test]
    fn what_only_the_server_sets_cannot_be_changed() {
        let now = Timestamp::now();
        for (name, value) in [
            ("id", json!(8)),
            ("createdAt", json!(null)),
            ("updatedAt", json!("x")),
        ] {
            let mut members = finn();
            members.insert(name.into(), value.clone());
            assert_eq!(
                pointers(replaced::<User>(&finn(), &members, now)),
                [format!("/{name}")]
            );
            if name != "updatedAt" {
                let patch = json!({name: value});
                assert_eq!(
                    pointers(patched::<User>(&finn(), &patch, now)),
                    [format!("/{name}")]
                );
            }
        }
    }

    #[test]
    fn times_may_be_repeated_in_any_spelling_and_stay_as_they_are() {
        let now = Timestamp::now();
        let mut finn = finn();
        finn.insert("updatedAt".into(), "2026-03-04T10:00:00.360Z".into());
        let again = json!({
            "createdAt": "2026-03-04T10:12:33.12+01:00", "updatedAt": "2026-03-04T10:00:00.360000+00:00"
        });
        assert_eq!(patched::<User>(&finn, &again, now).unwrap(), finn);
        let mut members = object(json!({"username": "finn", "name": "F", "bio": ""}));
        members.extend(object(again));
        let record = replaced::<User>(&finn, &members, now).unwrap();
        assert_eq!(record["createdAt"], finn["createdAt"]);
        assert_eq!(record["updatedAt"], now.to_string());
    }

    #[test]
    fn a_time_of_an_earlier_version_says_that_the_record_was_changed() {
        let now = Timestamp::now();
        let mut finn = finn();
        finn.insert("updatedAt".into(), "2026-03-04T10:00:00.360Z".into());
        for (name, time, changed) in [
            ("updatedAt", "2026-03-04T10:00:00.359Z", true),
            ("updatedAt", "2026-03-04T10:00:00.361Z", false),
            ("createdAt", "2026-03-04T09:12:33.119Z", false),
        ] {
            let patch = json!({name: time});
            let members = object(json!({"username": "finn", "name": "F", "bio": "", name: time}));
            for edited in [
                patched::<User>(&finn, &patch, now),
                replaced::<User>(&finn, &members, now),
            ] {
                let errors = edited.unwrap_err();
                assert_eq!(errors[0].pointer, format!("/{name}"));
                let says = errors[0].detail.contains("was changed since it was read");
                assert_eq!(says, changed, "{time}: {}", errors[0].detail);
            }
        }
    }

    #[test]
    fn a_patch_merges() {
        let now = Timestamp::now();
        let patch = |patch: Value| patched::<User>(&finn(), &patch, now);
        assert_eq!(patch(json!({"name": "F"})).unwrap()["name"], "F");
        assert_eq!(
            patch(json!({"badge": {"level": 2}})).unwrap()["badge"],
            json!({"colour": "green", "level": 2})
        );
        assert!(!patch(json!({"badge": null})).unwrap().contains_key("badge"));
        assert_eq!(pointers(patch(json!({"name": null}))), ["/name"]);
        assert_eq!(pointers(patch(json!({"colour": null}))), ["/colour"]);
        assert_eq!(pointers(patch(json!([]))), [""]);
    }

    /// Moving the remaining members once for each removed member would take minutes.
    #[test]
    fn a_patch_of_a_record_with_many_members_costs_what_they_are_long() {
        let many = |value: Value| -> Object {
            let names = (0..300_000).map(|name| (name.to_string(), value.clone()));
            names.collect()
        };
        let mut current = finn();
        current.extend(many(json!(1)));
        let patch = Value::Object(many(json!(null)));
        let left = patched::<User>(&current, &patch, Timestamp::now()).unwrap();
        assert_eq!(left.len(), finn().len() + 1, "updatedAt is new");
    }

    #[test]
    fn a_record_does_not_become_deeper_than_what_is_read_back() {
        let nested = |levels| (1..levels).fold(json!([]), |inner, _| json!([inner]));
        let patch =
            |levels| patched::<User>(&finn(), &json!({"badge": nested(levels)}), Timestamp::now());
        assert!(patch(DEPTH_MAX - 1).is_ok());
        assert_eq!(pointers(patch(DEPTH_MAX)), ["/badge"]);
    }

    #[test]
    fn an_edit_that_changes_nothing_leaves_the_record_as_it_is() {
        let now = Timestamp::now();
        assert_eq!(patched::<User>(&finn(), &json!({}), now).unwrap(), finn());
        assert_eq!(
            patched::<User>(&finn(), &json!({"id": 7, "name": "Finn"}), now).unwrap(),
            finn()
        );
        assert_eq!(replaced::<User>(&finn(), &finn(), now).unwrap(), finn());
    }
}
