//! Who writes, for the API's document.

use common::Problem;
use serde_json::{Map, Value, json};

use crate::identity::caller::Writers;

/// The security schemes of these writers.
pub(super) fn schemes(writers: Writers) -> Value {
    let mut schemes = Map::new();
    if writers.service {
        let description = "The service's key, which writes everything.";
        let scheme = json!({"type": "http", "scheme": "bearer", "description": description});
        schemes.insert("serviceKey".to_owned(), scheme);
    }
    if writers.users {
        let scheme = json!({
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token (RFC 9068) of a user, who writes what they own, or of a moderator, who writes everything."
        });
        schemes.insert("userToken".to_owned(), scheme);
    }
    schemes.into()
}

/// What an operation that writes asks for: any one of the schemes.
pub(super) fn requirements(writers: Writers) -> Value {
    let schemes = schemes(writers);
    let names = schemes.as_object().into_iter().flat_map(Map::keys);
    names.map(|name| json!({ name: [] })).collect()
}

/// The problems that a write can meet because of who asks for it.
pub(super) fn problems(writers: Writers) -> &'static [Problem] {
    if writers.users {
        &[
            Problem::Unauthorized,
            Problem::Forbidden,
            Problem::TooManyRequests,
        ]
    } else {
        &[Problem::Unauthorized]
    }
}
