//! The API of all three services, in process. What only a running binary
//! shows is tested in `services/`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conditional;
mod cors;
mod document;
mod fixture;
mod headers;
mod ids;
mod lists;
mod operations;
mod routes;
mod summary;
mod writes;
