//! The schemas of records, for the API's document.

use common::{Model, Owner};
use serde_json::{Map, Value, json};

/// A record as the server sends it.
pub(crate) fn record<M: Model>() -> Value {
    let mut schema = serde_json::to_value(M::schema()).expect("a schema is always JSON");
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.values_mut().for_each(describe_in_place);
    }
    schema
}

/// Puts what describes a member beside its type. `utoipa` puts both under `allOf`, where the part
/// with the description claims to be an object.
fn describe_in_place(member: &mut Value) {
    if let Some([schema, described]) = member["allOf"].as_array().map(Vec::as_slice) {
        let mut schema = schema.clone();
        for name in ["description", "readOnly"] {
            if let Some(value) = described.get(name) {
                schema[name] = value.clone();
            }
        }
        *member = schema;
    }
}

/// The members that clients write.
fn body<M: Model>(required: bool) -> Value {
    let record = record::<M>();
    let names: Vec<_> = M::MEMBERS.iter().map(|member| member.name).collect();
    let member = |name: &&str| ((*name).to_owned(), record["properties"][name].clone());
    let properties: Map<_, _> = names.iter().map(member).collect();
    let mut schema = json!({
        "type": "object", "properties": properties
    });
    if required {
        schema["required"] = json!(names);
    }
    schema
}

/// A record as a client creates it. Where users write, they may leave out the owner.
pub(crate) fn new_body<M: Model>(by_users: bool) -> Value {
    let mut schema = body::<M>(true);
    schema["additionalProperties"] = false.into();
    if by_users {
        allow_no_owner::<M>(&mut schema);
    }
    schema
}

/// A record as a client replaces it. It may have all members of the stored record. Members that
/// the server sets must be repeated unchanged. `additionalProperties` is absent, which allows them
/// as `true` does: from `true`, generators for TypeScript make types that allow misspelt members.
pub(crate) fn open_body<M: Model>(required: bool) -> Value {
    let mut schema = body::<M>(required);
    // It stays where it is absent.
    allow_no_owner::<M>(&mut schema);
    schema["description"] =
        "Members that the stored record has may be repeated; others are refused.".into();
    schema
}

fn allow_no_owner<M: Model>(schema: &mut Value) {
    let required = schema.get_mut("required").and_then(Value::as_array_mut);
    if let (Some(required), Owner::Member(owner)) = (required, M::OWNER) {
        required.retain(|name| name != owner);
    }
}

#[cfg(test)]
mod tests {
    use common::Post;

    use super::*;

    #[test]
    fn an_owner_may_be_absent_and_a_merge_patch_requires_nothing() {
        assert_eq!(
            open_body::<Post>(true)["required"],
            json!(["thread", "text"])
        );
        assert_eq!(open_body::<Post>(false).get("required"), None);
    }
}
