//! The API's document (`OpenAPI` 3.1), made from the model and the routes.

mod components;
mod names;
mod operations;
mod parameters;
mod problems;
mod responses;
mod security;
mod summary;

use std::marker::PhantomData;

use common::{Model, Problem};
use serde_json::{Map, Value, json};

pub(crate) use self::operations::ListOf;
use self::{names::reference, parameters::path_id, responses::response};
use crate::{
    api::body::{self, Accepts},
    app::Service,
    identity::caller::Writers,
};

/// The document of a service, while routes are added.
pub(crate) struct Document<M> {
    service: Service,
    writers: Writers,
    paths: Map<String, Value>,
    /// Schemas that only some services have.
    schemas: Map<String, Value>,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> Document<M> {
    pub fn new(service: Service, writers: Writers) -> Self {
        Self {
            service,
            writers,
            paths: Map::new(),
            schemas: Map::new(),
            model: PhantomData,
        }
    }

    /// Adds a list's route.
    pub fn list(&mut self, path: &str, of: ListOf) {
        let mut item = json!({"get": operations::list::<M>(of)});
        match of {
            ListOf::All if self.writers.any() => {
                item["post"] = operations::create::<M>(self.writers);
                self.add(path, item, Some(&body::POST));
            }
            ListOf::All => self.add(path, item, None),
            ListOf::With(member) => {
                let description = format!("A {}'s {member}.", M::SINGULAR);
                let id = path_id(&format!("{member}Id"), &description);
                item["parameters"] = json!([id]);
                self.add(path, item, None);
            }
        }
    }

    /// Adds the route of a summary by any one of these members.
    pub fn summary(&mut self, path: &str, members: &[&'static str]) {
        let item = json!({"get": summary::operation::<M>(members)});
        let schema = summary::schema::<M>(members);
        let before = self.schemas.insert(names::summary::<M>(), schema);
        assert!(before.is_none(), "a service has one summary");
        self.add(path, item, None);
    }

    /// Adds the route of one record.
    pub fn record(&mut self, path: &str) {
        let id = path_id("id", &format!("The {}'s id.", M::SINGULAR));
        let mut item = json!({"parameters": [id], "get": operations::get::<M>()});
        if self.writers.any() {
            item["put"] = operations::replace::<M>(self.writers);
            item["patch"] = operations::patch::<M>(self.writers);
            item["delete"] = operations::delete::<M>(self.writers);
        }
        self.add(path, item, self.writers.any().then_some(&body::PATCH));
    }

    /// Adds a path. `x-other-methods` says how it answers methods that are no operation.
    fn add(&mut self, path: &str, mut item: Value, body: Option<&Accepts>) {
        let accepts = body.map(|body| names::header(body.header.as_str()));
        let names: Vec<_> = std::iter::once("Allow").chain(accepts.as_deref()).collect();
        item["x-other-methods"] = json!({
            "OPTIONS": {"204": response("The methods of this path.", &names)},
            "others": {"405": reference("responses", &names::response(Problem::MethodNotAllowed))},
        });
        self.paths.insert(path.to_owned(), item);
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Service {
            name,
            version,
            about,
        } = self.service;
        let mut document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": format!("forum: {name}"),
                "version": version,
                "summary": about,
                "description": include_str!("openapi/description.md"),
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
            },
            "servers": [{"url": "/", "description": "Where this document came from."}],
            "tags": [{"name": name, "description": about}],
            // Operations need no token unless they say so.
            "security": [],
            "paths": self.paths,
            "x-other-paths": {"404": reference("responses", &names::response(Problem::NotFound))}
        });
        document["components"] = components::used_by::<M>(&document, self.writers);
        for (name, schema) in &self.schemas {
            document["components"]["schemas"][name] = schema.clone();
        }
        let schemes = security::schemes(self.writers);
        if self.writers.any() {
            document["components"]["securitySchemes"] = schemes;
        }
        serde_json::to_vec(&document).expect("a document of texts and numbers is always JSON")
    }
}
