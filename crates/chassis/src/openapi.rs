//! The API's document (`OpenAPI` 3.1), made from the model and the routes.

mod parameters;
mod responses;

use std::marker::PhantomData;

use common::{Model, Problem};
use serde_json::{Map, Value, json};

use self::{
    parameters::{if_match, if_none_match, list_parameters, path_id},
    responses::{BODY_PROBLEMS, headers, problem_schema, responses, responses_of},
};
use crate::{app::Service, schema};

/// Which records a list holds.
#[derive(Clone, Copy)]
pub(crate) enum ListOf {
    All,
    /// Those whose member of this name is the id in the path.
    With(&'static str),
}

/// The document of a service, in the making.
pub(crate) struct Document<M> {
    service: Service,
    writable: bool,
    paths: Map<String, Value>,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> Document<M> {
    pub fn new(service: Service, writable: bool) -> Self {
        Self {
            service,
            writable,
            paths: Map::new(),
            model: PhantomData,
        }
    }

    /// Adds a list's route.
    pub fn list(&mut self, path: &str, of: ListOf) {
        let (one, many) = (M::SINGULAR, M::COLLECTION);
        let mut parameters = list_parameters::<M>();
        let (summary, id) = match of {
            ListOf::All => (format!("List all {many}"), operation_id(&["list", many])),
            ListOf::With(member) => {
                let id = format!("{member}Id");
                parameters.push(path_id(&id, &format!("A {one}'s {member}.")));
                (
                    format!("List the {many} with this {member}"),
                    operation_id(&["list", many, "by", member]),
                )
            }
        };
        let list = json!({
            "description": format!("The {many}, in id order."),
            "headers": references("headers", &["ETag", "Link", "X-Total-Count"]),
            "content": json_content(&json!({"type": "array", "items": reference("schemas", one)}))
        });
        let invalid = [Problem::InvalidParameter];
        let get = read(&summary, &id, &parameters, &list, &invalid);
        let mut item = json!({"get": get});
        if self.writable && matches!(of, ListOf::All) {
            item["post"] = create::<M>();
        }
        self.paths.insert(path.to_owned(), item);
    }

    /// Adds the route of one record.
    pub fn record(&mut self, path: &str) {
        let one = M::SINGULAR;
        let record = record_content::<M>(&format!("The {one}."));
        let problems = [Problem::InvalidId, Problem::NotFound];
        let id = path_id("id", &format!("The {one}'s id."));
        let summary = format!("Get one {one}");
        let get = read(
            &summary,
            &operation_id(&["get", one]),
            &[if_none_match()],
            &record,
            &problems,
        );
        let mut item = json!({"parameters": [id], "get": get});
        if self.writable {
            let edit = |verb: &str, summary: String, media_types: &[&str], required| {
                let body = body(one, media_types, required, &M::example());
                let mut edit = json!({
                    "summary": summary,
                    "operationId": operation_id(&[verb, one]),
                    "security": [{"token": []}],
                    "parameters": [if_match()],
                    "requestBody": body,
                    "responses": responses_of(&[
                        BODY_PROBLEMS, &[Problem::NotFound, Problem::PreconditionFailed]
                    ].concat())
                });
                edit["responses"]["200"] = record.clone();
                edit
            };
            let json = ["application/json"];
            let merge_patch = ["application/merge-patch+json", "application/json"];
            item["put"] = edit("replace", format!("Replace a {one}"), &json, true);
            item["patch"] = edit(
                "patch",
                format!("Change members of a {one} (RFC 7396)"),
                &merge_patch,
                false,
            );
            item["delete"] = json!({
                "summary": format!("Delete a {one}"),
                "operationId": operation_id(&["delete", one]),
                "security": [{"token": []}],
                "parameters": [if_match()],
                "responses": responses_of(&[
                    Problem::InvalidId, Problem::Unauthorized, Problem::NotFound,
                    Problem::PreconditionFailed,
                ])
            });
            item["delete"]["responses"]["204"] = json!({"description": "It is deleted."});
        }
        self.paths.insert(path.to_owned(), item);
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Service {
            name,
            version,
            about,
        } = self.service;
        let mut record = schema::record::<M>();
        record["examples"] = json!([example::<M>()]);
        let mut components = json!({
            "schemas": {M::SINGULAR: record, "problem": problem_schema()},
            "headers": headers(),
            "responses": responses(),
        });
        if self.writable {
            let schemas = &mut components["schemas"];
            schemas[format!("{}-to-create", M::SINGULAR)] = schema::body::<M>(true);
            schemas[format!("{}-to-write", M::SINGULAR)] = schema::open_body::<M>(true);
            schemas[format!("{}-to-patch", M::SINGULAR)] = schema::open_body::<M>(false);
            components["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
        }
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": format!("forum: {name}"),
                "version": version,
                "summary": about,
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
            },
            "paths": self.paths,
            "components": components
        });
        serde_json::to_vec(&document).expect("a document of texts and numbers is always JSON")
    }
}

fn create<M: Model>() -> Value {
    let one = M::SINGULAR;
    let mut created = record_content::<M>(&format!("The new {one}."));
    created["headers"]["Location"] = reference("headers", "Location");
    let mut responses = responses_of(BODY_PROBLEMS);
    responses["201"] = created;
    json!({
        "summary": format!("Create a {one}"),
        "operationId": operation_id(&["create", one]),
        "security": [{"token": []}],
        "requestBody": {
            "required": true,
            "content": {"application/json": {
                "schema": reference("schemas", &format!("{one}-to-create")), "example": M::example()
            }}
        },
        "responses": responses
    })
}

fn body(one: &str, media_types: &[&str], whole: bool, example: &Value) -> Value {
    let name = if whole { "to-write" } else { "to-patch" };
    let media_type = json!({
        "schema": reference("schemas", &format!("{one}-{name}")), "example": example
    });
    let content = media_types
        .iter()
        .map(|name| ((*name).to_owned(), media_type.clone()));
    json!({"required": true, "content": content.collect::<Map<_, _>>()})
}

/// The words as one, `listUsers`, which is what code generators make names of.
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

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn references(kind: &str, names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), reference(kind, name)))
        .collect()
}

fn json_content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn record_content<M: Model>(description: &str) -> Value {
    json!({
        "description": description,
        "headers": references("headers", &["ETag"]),
        "content": json_content(&reference("schemas", M::SINGULAR))
    })
}

/// A record as the server sends it.
fn example<M: Model>() -> Value {
    let mut record = json!({"id": 1});
    let members = M::example().as_object().cloned().unwrap_or_default();
    for (name, value) in members {
        record[name] = value;
    }
    record["createdAt"] = "2026-03-04T09:12:33.120Z".into();
    record["updatedAt"] = "2026-03-04T09:12:33.120Z".into();
    record
}

fn read(summary: &str, id: &str, parameters: &[Value], ok: &Value, problems: &[Problem]) -> Value {
    let mut responses = responses_of(problems);
    responses["200"] = ok.clone();
    responses["304"] = reference("responses", "not-modified");
    json!({"summary": summary, "operationId": id, "parameters": parameters, "responses": responses})
}
