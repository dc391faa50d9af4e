//! The components of the API's document, to which its operations refer.

use std::collections::BTreeSet;

use common::{Model, Problem};
use serde_json::{Value, json};

use super::responses;
use crate::{api::schema, identity::caller::Writers};

/// All headers, with their descriptions.
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
    let one = M::SINGULAR;
    let mut record = schema::record::<M>();
    record["examples"] = json!([example::<M>()]);
    let headers: Value =
        serde_json::from_str(HEADERS).expect("a test reads the document, and this file with it");
    json!({
        "schemas": {
            one: record,
            "problem": problem(),
            format!("{one}-to-create"): schema::new_body::<M>(writers.users),
            format!("{one}-to-write"): schema::open_body::<M>(true),
            format!("{one}-to-patch"): schema::open_body::<M>(false),
        },
        "headers": headers,
        "responses": responses::shared(),
    })
}

/// A record as the server sends it.
fn example<M: Model>() -> Value {
    let mut record = json!({"id": 1});
    for (name, value) in M::example() {
        record[name] = value;
    }
    record["createdAt"] = "2026-03-04T09:12:33.120Z".into();
    record["updatedAt"] = "2026-03-04T09:12:33.120Z".into();
    record
}

fn problem() -> Value {
    let types: Vec<_> = Problem::ALL.iter().map(|problem| problem.urn()).collect();
    json!({
        "description": "What went wrong (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": {"type": "string", "enum": types},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "requestId": {"type": "string", "description": "The request's id in the log."},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": {"type": "string", "description": "A JSON Pointer into the body."},
                        "detail": {"type": "string"}
                    }
                }
            }
        }
    })
}
