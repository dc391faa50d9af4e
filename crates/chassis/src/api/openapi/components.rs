//! The components of the API's document, to which its operations refer.

use std::collections::BTreeSet;

use common::Model;
use serde_json::{Map, Value, json};

use super::{names, parameters, problems, responses};
use crate::{api::schema, identity::caller::Writers};

/// All headers, with their descriptions. `COLLECTION` stands for the name of the collection.
const HEADERS: &str = include_str!("headers.json");

/// The components that the document refers to, directly or through other components.
pub(super) fn used_by<M: Model>(document: &Value, writers: Writers) -> Value {
    let mut components = all::<M>(writers);
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    find_references(document, &mut found);
    while let Some(pointer) = found.pop() {
        if let Some(component) = pointer
            .strip_prefix("#/components")
            .and_then(|path| components.pointer(path))
            .filter(|_| used.insert(pointer.clone()))
        {
            find_references(component, &mut found);
        }
    }
    let kinds = components.as_object_mut().into_iter().flatten();
    for (kind, named) in kinds {
        if let Some(named) = named.as_object_mut() {
            named.retain(|name, _| used.contains(&format!("#/components/{kind}/{name}")));
        }
    }
    components
}

fn find_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            found.extend(reference.map(str::to_owned));
            for member in members.values() {
                find_references(member, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                find_references(item, found);
            }
        }
        _ => {}
    }
}

fn all<M: Model>(writers: Writers) -> Value {
    let mut record = schema::record::<M>();
    record["examples"] = json!([example::<M>()]);
    let created = schema::new_body::<M>(writers.users);
    let mut schemas = Map::from_iter([
        (names::record::<M>(), record),
        (names::new_record::<M>(), created),
        (names::replacement::<M>(), schema::open_body::<M>(true)),
        (names::patch::<M>(), schema::open_body::<M>(false)),
        ("Sort".to_owned(), parameters::sort()),
    ]);
    schemas.append(&mut problems::schemas());
    let headers = HEADERS.replace("COLLECTION", M::COLLECTION);
    let headers: Value =
        serde_json::from_str(&headers).expect("a test reads the document, and this file with it");
    json!({
        "schemas": schemas,
        "headers": headers,
        "responses": responses::shared::<M>(),
    })
}

/// A record as the server sends it.
pub(super) fn example<M: Model>() -> Value {
    let mut record = json!({"id": 1});
    for (name, value) in M::example() {
        record[name] = value;
    }
    record["createdAt"] = "2026-03-04T09:12:33.120Z".into();
    record["updatedAt"] = "2026-03-04T09:12:33.120Z".into();
    record
}
