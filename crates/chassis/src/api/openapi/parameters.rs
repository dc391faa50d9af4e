//! The parameters of requests, for the API's document.

use common::{Index, Model};
use serde_json::{Value, json};

use super::names::reference;
use crate::api::{
    query::{LIMIT_MAX, ids::IDS_MAX},
    write::idempotency_key::KEY_CHARS_MAX,
};

pub(super) fn path_id(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": id_schema()})
}

pub(super) fn id_schema() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": common::Id::<()>::MAX})
}

/// `answer` is the answer when one of the tags is the record's.
pub(super) fn if_none_match(answer: &str) -> Value {
    json!({
        "name": "If-None-Match", "in": "header",
        "description": format!("Entity tags, or `*` for any: {answer} when one of them is what there is now."),
        "schema": {"type": "string"}
    })
}

pub(super) fn if_match() -> Value {
    json!({
        "name": "If-Match", "in": "header",
        "description": "Entity tags of the record that the client has read, or `*` for any: 412 when none of them is what there is now.",
        "schema": {"type": "string"}
    })
}

/// The orders of a list. The names are for the languages in which `-id` is none.
pub(super) fn sort() -> Value {
    json!({
        "type": "string", "enum": ["id", "-id"], "default": "id",
        "x-enum-varnames": ["OldestFirst", "NewestFirst"]
    })
}

/// A parameter with several ids.
pub(super) fn ids(name: &str, description: &str) -> Value {
    let description = format!(
        "{description} With commas between them, by repeating the parameter, or both: at most \
         {IDS_MAX}, repeated ones counted each time."
    );
    json!({
        "name": name, "in": "query", "description": description,
        // Many generators send arrays as repeated parameters whatever is said here.
        "style": "form", "explode": false,
        "schema": {"type": "array", "items": id_schema(), "minItems": 1, "maxItems": IDS_MAX}
    })
}

/// A bare key, or a quoted one (RFC 9651, section 3.3.3).
const KEY_PATTERN: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// The longest key that is quoted, with a backslash before each character.
const QUOTED_KEY_CHARS_MAX: usize = 2 * KEY_CHARS_MAX + 2;

pub(super) fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "A text of the client's own for this request, visible ASCII characters, such as a UUID, bare or in double quotes. If it is sent again with the same body within 24 hours, by the same caller, no second record is made: the answer has the one that there is.",
        "schema": {"type": "string", "minLength": 1, "maxLength": QUOTED_KEY_CHARS_MAX, "pattern": KEY_PATTERN},
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324"
    })
}

pub(super) fn list_parameters<M: Model>() -> Vec<Value> {
    let mut parameters = vec![
        ids(
            "id",
            "Only records with these ids. One that does not exist is left out.",
        ),
        json!({
            "name": "limit", "in": "query", "description": "How many records at most.",
            "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}
        }),
        json!({
            "name": "after", "in": "query",
            "description": "Only records that come after this id in the direction of the sort; 0 comes before all ids.",
            "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": common::Id::<()>::MAX}
        }),
        json!({
            "name": "sort", "in": "query", "description": "`-id` for the newest first.",
            "schema": reference("schemas", "Sort")
        }),
        if_none_match("304"),
    ];
    for (member, index) in M::indexes() {
        let schema = match index {
            Index::Id(_) => id_schema(),
            Index::Unique(_) => json!({"type": "string"}),
        };
        parameters.push(json!({
            "name": member, "in": "query", "schema": schema,
            "description": format!("Only records with this {member}.")
        }));
    }
    parameters
}
