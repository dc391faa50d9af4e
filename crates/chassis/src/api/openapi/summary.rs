//! A summary, for the API's document.

use common::{Model, Problem};
use serde_json::{Map, Value, json};

use super::{
    names::{self, reference},
    parameters::{id_schema, ids, if_none_match},
    responses::{response, responses_of},
};
use crate::api::read::summary::Names;

/// `GET` of a summary by any one of these members.
pub(super) fn operation<M: Model>(members: &[&str]) -> Value {
    let (many, one) = (M::COLLECTION, M::SINGULAR);
    let each = |member: &&str| ids(member, &format!("The {member}s, each answered once."));
    let parameters = members.iter().map(each).chain([if_none_match("304")]);
    let mut rows = response("A summary of each, in the order of the request.", &["ETag"]);
    rows["content"] = json!({"application/json": {
        "schema": {"type": "array", "items": reference("schemas", &names::summary::<M>())},
        "example": example::<M>(members)
    }});
    let unchanged = reference("responses", "RecordNotModified");
    let problems = [Problem::InvalidParameter];
    let responses = responses_of::<M>([("200", rows), ("304", unchanged)], &problems, None);
    json!({
        "summary": format!("Count {many} by {}", members.join(" or ")),
        "description": format!("With the last {one} of each. Takes exactly one of the parameters {}.", members.join(", ")),
        "operationId": names::operation(&["summarize", many]),
        "tags": [many],
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses
    })
}

/// The schema of a row.
pub(super) fn schema<M: Model>(members: &[&str]) -> Value {
    let (many, one, names) = (M::COLLECTION, M::SINGULAR, Names::of::<M>());
    let mut properties = Map::new();
    let mut add = |name: &str, mut schema: Value, description: String| {
        schema["description"] = description.into();
        properties.insert(name.to_owned(), schema);
    };
    for member in members {
        let description = format!("The {member}, where the request asks for {member}s.");
        add(member, id_schema(), description);
    }
    let count = json!({"type": "integer", "format": "int64", "minimum": 0});
    add(names.count, count, format!("How many {many} it has."));
    let description = format!("The highest id of these {many}; absent where there are none.");
    add(&names.last, id_schema(), description);
    let time = json!({"type": "string", "format": "date-time"});
    let description = format!(
        "The `createdAt` of that {one}; absent where there are no {many}, and where it has none."
    );
    add(&names.last_at, time, description);
    json!({"type": "object", "required": [names.count], "properties": properties})
}

fn example<M: Model>(members: &[&str]) -> Value {
    let names = Names::of::<M>();
    let (some, none) = (4, 40);
    members.first().map_or(json!([]), |member| {
        json!([
            {
                *member: some, names.count: 6, names.last: 31,
                names.last_at: "2026-03-04T09:12:33.120Z"
            },
            {*member: none, names.count: 0}
        ])
    })
}
