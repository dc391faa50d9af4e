//! The operations of a collection, for the API's document.

use common::{Model, Problem};
use serde_json::{Map, Value, json};

use super::{
    ListOf,
    parameters::{if_match, if_none_match, list_parameters},
    reference,
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

/// `GET` of a list.
pub(super) fn list<M: Model>(of: ListOf) -> Value {
    let (one, many) = (M::SINGULAR, M::COLLECTION);
    let (summary, id, problems) = match of {
        ListOf::All => (
            format!("List all {many}"),
            operation_id(&["list", many]),
            &[Problem::InvalidParameter][..],
        ),
        ListOf::With(member) => (
            format!("List the {many} with this {member}"),
            operation_id(&["list", many, "by", member]),
            &[Problem::InvalidId, Problem::InvalidParameter][..],
        ),
    };
    let mut list = response(&format!("The {many}."), &["ETag", "Link", "X-Total-Count"]);
    let array = json!({"type": "array", "items": reference("schemas", one)});
    list["content"] = json!({"application/json": {"schema": array}});
    let mut responses = responses_of(problems, None);
    responses["200"] = list;
    responses["304"] = reference("responses", "list-not-modified");
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
    let mut responses = responses_of(&[Problem::InvalidId, Problem::NotFound], None);
    responses["200"] = record::<M>(&format!("The {one}."), &["ETag"]);
    responses["304"] = reference("responses", "record-not-modified");
    json!({
        "summary": format!("Get one {one}"),
        "description": "With its entity tag, which changes when it does.",
        "operationId": operation_id(&["get", one]),
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
        &[Problem::Conflict],
        security::problems(writers),
    ]
    .concat();
    let mut responses = responses_of(&problems, Some(&body::POST));
    responses["201"] = record::<M>(&format!("The new {one}."), &["ETag", "Location"]);
    json!({
        "summary": format!("Create a {one}"),
        "description": "The server gives it its id and its times.",
        "operationId": operation_id(&["create", one]),
        "tags": [M::COLLECTION],
        "security": security::requirements(writers),
        "requestBody": request_body::<M>(&body::POST, "to-create"),
        "responses": responses
    })
}

/// `PUT`.
pub(super) fn replace<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let mut replace = edit::<M>(writers, &body::PUT, "to-write");
    replace["summary"] = format!("Replace a {one}").into();
    replace["description"] = format!("There must be a {one} with this id: none is created.").into();
    replace["operationId"] = operation_id(&["replace", one]).into();
    replace
}

/// `PATCH`.
pub(super) fn patch<M: Model>(writers: Writers) -> Value {
    let one = M::SINGULAR;
    let mut patch = edit::<M>(writers, &body::PATCH, "to-patch");
    patch["summary"] = format!("Change members of a {one}").into();
    patch["description"] =
        "A merge patch (RFC 7396): members that it does not name stay as they are.".into();
    patch["operationId"] = operation_id(&["patch", one]).into();
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
    let mut responses = responses_of(&problems, None);
    responses["204"] = response("It is deleted.", &[]);
    json!({
        "summary": format!("Delete a {one}"),
        "description": "Its id is never given again.",
        "operationId": operation_id(&["delete", one]),
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
    let mut responses = responses_of(&problems, Some(accepts));
    responses["200"] = record::<M>(&format!("The {} as it is now.", M::SINGULAR), &["ETag"]);
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
    let schema = reference("schemas", M::SINGULAR);
    response["content"] = json!({"application/json": {"schema": schema}});
    response
}

fn request_body<M: Model>(accepts: &Accepts, schema: &str) -> Value {
    let schema = reference("schemas", &format!("{}-{schema}", M::SINGULAR));
    let body = json!({"schema": schema, "example": M::example()});
    let names = accepts.media_types.iter();
    let content: Map<_, _> = names
        .map(|name| ((*name).to_owned(), body.clone()))
        .collect();
    json!({"required": true, "content": content})
}

/// Joins words to an operation's id such as `listUsers`. Code generators make names of it.
fn operation_id(words: &[&str]) -> String {
    let (first, others) = words
        .split_first()
        .map_or(("", words), |(first, others)| (*first, others));
    let capitalised = others.iter().map(|word| {
        let (initial, rest) = word.split_at(1);
        initial.to_ascii_uppercase() + rest
    });
    std::iter::once(first.to_owned())
        .chain(capitalised)
        .collect()
}
