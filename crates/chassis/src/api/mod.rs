//! The routes of a collection, its document, and the health of the service.

pub(crate) mod body;
pub(crate) mod conditional;
pub(crate) mod endpoint;
pub(crate) mod entity_tag;
pub(crate) mod health;
pub(crate) mod list_body;
pub(crate) mod openapi;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod write;
