//! The API's document (`OpenAPI` 3.1), made from the model and the routes.

use std::marker::PhantomData;

use common::{IndexKind, Model, Problem};
use serde_json::{Map, Value, json};

use crate::{app::Service, problem::status, query::LIMIT_MAX};

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
    paths: Map<String, Value>,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> Document<M> {
    pub fn new(service: Service) -> Self {
        Self {
            service,
            paths: Map::new(),
            model: PhantomData,
        }
    }

    /// Adds a list's route.
    pub fn list(&mut self, path: &str, of: ListOf) {
        let (one, many) = (M::SINGULAR, M::COLLECTION);
        let mut parameters = list_parameters::<M>();
        let (summary, id) = match of {
            ListOf::All => (format!("List all {many}"), format!("list{many}")),
            ListOf::With(member) => {
                let id = format!("{member}Id");
                parameters.push(path_id(&id, &format!("A {one}'s {member}.")));
                (
                    format!("List the {many} with this {member}"),
                    format!("list{many}By{member}"),
                )
            }
        };
        let list = json!({
            "description": format!("The {many}, in id order."),
            "headers": {
                "ETag": {"$ref": "#/components/headers/ETag"},
                "Link": {"$ref": "#/components/headers/Link"},
                "X-Total-Count": {"$ref": "#/components/headers/X-Total-Count"}
            },
            "content": {"application/json": {"schema": {"type": "array", "items": record_ref::<M>()}}}
        });
        let problems = match of {
            ListOf::All => vec![Problem::InvalidParameter],
            ListOf::With(_) => vec![Problem::InvalidParameter, Problem::InvalidId],
        };
        self.paths.insert(
            path.to_owned(),
            json!({
                "get": read(&summary, &id, &parameters, &list, &problems)
            }),
        );
    }

    /// Adds the route of one record.
    pub fn record(&mut self, path: &str) {
        let one = M::SINGULAR;
        let record = json!({
            "description": format!("The {one}."),
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
            "content": {"application/json": {"schema": record_ref::<M>()}}
        });
        let problems = [Problem::InvalidId, Problem::NotFound];
        let get = read(
            &format!("Get one {one}"),
            &format!("get{one}"),
            &[if_none_match()],
            &record,
            &problems,
        );
        self.paths.insert(
            path.to_owned(),
            json!({
                "parameters": [path_id("id", &format!("The {one}'s id."))],
                "get": get
            }),
        );
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Service {
            name,
            version,
            about,
        } = self.service;
        let tag = json!({"name": name, "description": about});
        let mut record = schema::<M>();
        record["examples"] = json!([example::<M>()]);
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": format!("forum: {name}"),
                "version": version,
                "summary": about,
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
            },
            "tags": [tag],
            "paths": self.paths,
            "components": {
                "schemas": {M::SINGULAR: record, "problem": problem_schema()},
                "headers": headers(),
                "responses": responses(),
            }
        });
        serde_json::to_vec(&document).expect("a document of texts and numbers is always JSON")
    }
}

fn schema<M: Model>() -> Value {
    serde_json::to_value(M::schema()).expect("a schema is always JSON")
}

fn record_ref<M: Model>() -> Value {
    json!({"$ref": format!("#/components/schemas/{}", M::SINGULAR)})
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
    let mut responses = json!({"200": ok, "304": {"$ref": "#/components/responses/not-modified"}});
    for problem in problems
        .iter()
        .chain(&[Problem::Unavailable, Problem::Internal])
    {
        let code = status(*problem);
        responses[code.as_str()] =
            json!({"$ref": format!("#/components/responses/{}", code.as_str())});
    }
    json!({"summary": summary, "operationId": id, "parameters": parameters, "responses": responses})
}

fn path_id(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": id_schema()})
}

fn id_schema() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 1, "maximum": common::Id::<()>::MAX})
}

fn if_none_match() -> Value {
    json!({
        "name": "If-None-Match", "in": "header",
        "description": "Entity tags that the client has: 304 when one of them still holds.",
        "schema": {"type": "string"}
    })
}

fn list_parameters<M: Model>() -> Vec<Value> {
    let mut parameters = vec![
        json!({
            "name": "limit", "in": "query", "description": "How many records at most.",
            "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}
        }),
        json!({
            "name": "after", "in": "query",
            "description": "Only records that come after this id in the direction of the sort.",
            "schema": id_schema()
        }),
        json!({
            "name": "sort", "in": "query", "description": "`-id` for the newest first.",
            "schema": {"type": "string", "enum": ["id", "-id"], "default": "id"}
        }),
        if_none_match(),
    ];
    for index in M::INDEXES {
        let schema = match index.kind {
            IndexKind::Id(_) => id_schema(),
            IndexKind::Unique(_) => json!({"type": "string"}),
        };
        parameters.push(json!({
            "name": index.member, "in": "query", "schema": schema,
            "description": format!("Only records with this {}.", index.member)
        }));
    }
    parameters
}

fn headers() -> Value {
    json!({
        "ETag": {"description": "Digest of the contents, a strong entity tag.", "schema": {"type": "string"}},
        "Link": {"description": "The next page (`rel=\"next\"`), while there is one.", "schema": {"type": "string"}},
        "X-Total-Count": {
            "description": "How many records match, whatever `limit` says.",
            "required": true, "schema": {"type": "integer", "minimum": 0}
        }
    })
}

fn problem_schema() -> Value {
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

/// One response a status: every problem that it stands for, in its description.
fn responses() -> Value {
    let mut responses = json!({"not-modified": {
        "description": "The client has these contents already.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}
    }});
    for problem in Problem::ALL {
        let code = status(problem);
        let described = match responses[code.as_str()]["description"].as_str() {
            Some(others) => format!("{others}; {}", problem.title()),
            None => problem.title().to_owned(),
        };
        let schema = json!({"$ref": "#/components/schemas/problem"});
        responses[code.as_str()] = json!({
            "description": described,
            "content": {"application/problem+json": {"schema": schema}}
        });
    }
    responses
}
