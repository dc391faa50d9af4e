//! The operations of a collection, for the API's document.

use common::{Model, Problem};
use serde_json::{Map, Value, json};

use super::{
    components,
    names::{self, reference},
    parameters::{idempotency_key, if_match, if_none_match, list_parameters},
    responses::{response, responses_of},
    security,
};
use crate::{
    api::body::{self, Accepts},
    identity::caller::Writers,
};

/// What can be wrong with a body.
const BODY_PROBLEMS: [Problem; 6] = [
    Problem::MalformedJson,
    Problem::Timeout,
    Problem::TooLarge,
    Problem::UnsupportedMediaType,
    Problem::InvalidRecord,
    Problem::CollectionFull,
];

/// Which records a list holds.
#[derive(Clone, Copy)]
pub(crate) enum ListOf {
    All,
    /// Those whose member of this name is the id in the path.
    With(&'static str),
}

/// `GET` of a list.
pub(super) fn list<M: Model>(of: ListOf) -> Value {
    let many = M::COLLECTION;
    let (summary, id, problems) = match of {
        ListOf::All => (
            format!("List all {many}"),
            names::operation(&["list", many]),
            &[Problem::InvalidParameter][..],
        ),
        ListOf::With(member) => (
            format!("List the {many} with this {member}"),
            names::operation(&["list", many, "by", member]),
            &[Problem::InvalidId, Problem::InvalidParameter][..],
        ),
    };
    let mut list = response(&format!("The {many}."), &["ETag", "Link", "X-Total-Count"]);
    let items = reference("schemas", &names::record::<M>());
    let array = json!({"type": "array", "items": items});
    let example = json!([components::example::<M>()]);
    list["content"] = json!({"application/json": {"schema": array, "example": example}});
    let unchanged = reference("responses", "ListNotModified");
    let responses = responses_of::<M>([("200", list), ("304", unchanged)], problems, None);
    json!({
        "summary": summary,
        "description": "All of them, in the order of their ids, unless the parameters say otherwise.",
        "operationId": id,
        "tags": [many],
        "parameters": list_parameters::<M>(),
        "responses": responses
    })
}

/// `GET` of a record.
pub(super) fn get<M: Model>() -> Value {
    let one = M::SINGULAR;
    let found = record::<M>(&format!("The {one}."), &["ETag"]);
    let unchanged = reference("responses", "RecordNotModified");
    let problems = [Problem::InvalidId, Problem::NotFound];
    let responses = responses_of::<M>([("200", found), ("304", unchanged)], &problems, None);
    json!({
        "summary": format!("Get one {one}"),
        "description": "With its entity tag, which changes when it does.",
        "operationId": names::operation(&["get", one]),
        "tags": [M::COLLECTION],
        "parameters": [if_none_match("304")],
        "responses": responses
    })
}

/// `POST`.
pub(super) fn create<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let problems = [
        &BODY_PROBLEMS[..],
        &[
            Problem::Conflict,
            Problem::InvalidParameter,
            Problem::IdempotencyKeyReused,
        ],
        security::problems(writers),
    ]
    .concat();
    let headers = ["ETag", "Idempotency-Replayed", "Location"];
    let created = record::<M>(&format!("The new {one}."), &headers);
    let responses = responses_of::<M>([("201", created)], &problems, Some(&body::POST));
    json!({
        "summary": format!("Create a {one}"),
        "description": "The server gives it its id and its times.",
        "operationId": names::operation(&["create", one]),
        "tags": [M::COLLECTION],
        "security": security::requirements(writers),
        "parameters": [idempotency_key()],
        "requestBody": request_body::<M>(&body::POST, &names::new_record::<M>()),
        "responses": responses
    })
}

/// `PUT`.
pub(super) fn replace<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let mut replace = edit::<M>(writers, &body::PUT, &names::replacement::<M>());
    replace["summary"] = format!("Replace a {one}").into();
    replace["description"] = format!("There must be a {one} with this id: none is created.").into();
    replace["operationId"] = names::operation(&["replace", one]).into();
    replace
}

/// `PATCH`.
pub(super) fn patch<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let mut patch = edit::<M>(writers, &body::PATCH, &names::patch::<M>());
    patch["summary"] = format!("Change members of a {one}").into();
    patch["description"] =
        "A merge patch (RFC 7396): members that it does not name stay as they are.".into();
    patch["operationId"] = names::operation(&["patch", one]).into();
    patch
}

/// `DELETE`.
pub(super) fn delete<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let mut problems = security::problems(writers).to_vec();
    problems.extend([
        Problem::InvalidId,
        Problem::NotFound,
        Problem::PreconditionFailed,
    ]);
    let deleted = response("It is deleted.", &[]);
    let responses = responses_of::<M>([("204", deleted)], &problems, None);
    json!({
        "summary": format!("Delete a {one}"),
        "description": "Its id is never given again.",
        "operationId": names::operation(&["delete", one]),
        "tags": [M::COLLECTION],
        "security": security::requirements(writers),
        "parameters": [if_match(), if_none_match("412")],
        "responses": responses
    })
}

/// What `PUT` and `PATCH` have in common.
fn edit<M: Model>(writers: Writers, accepts: &Accepts, schema: &str) -> Value {
    let mut problems = [&BODY_PROBLEMS[..], security::problems(writers)].concat();
    problems.extend([
        Problem::InvalidId,
        Problem::NotFound,
        Problem::PreconditionFailed,
    ]);
    if M::indexes().any(|(_, index)| index.unique()) {
        problems.push(Problem::Conflict);
    }
    let written = record::<M>(&format!("The {} as it is now.", M::SINGULAR), &["ETag"]);
    let responses = responses_of::<M>([("200", written)], &problems, Some(accepts));
    json!({
        "tags": [M::COLLECTION],
        "security": security::requirements(writers),
        "parameters": [if_match(), if_none_match("412")],
        "requestBody": request_body::<M>(accepts, schema),
        "responses": responses
    })
}

/// A response with a record.
fn record<M: Model>(description: &str, headers: &[&str]) -> Value {
    let mut response = response(description, headers);
    let schema = reference("schemas", &names::record::<M>());
    let example = components::example::<M>();
    response["content"] = json!({"application/json": {"schema": schema, "example": example}});
    response
}

fn request_body<M: Model>(accepts: &Accepts, schema: &str) -> Value {
    let body = json!({"schema": reference("schemas", schema), "example": M::example()});
    let names = accepts.media_types.iter();
    let content: Map<_, _> = names
        .map(|name| ((*name).to_owned(), body.clone()))
        .collect();
    json!({"required": true, "content": content})
}
