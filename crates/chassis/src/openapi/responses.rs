//! The responses and their headers, for the API's document.

use common::Problem;
use serde_json::{Value, json};

use super::reference;
use crate::problem::status;

/// What can be wrong with a request that has a body.
pub(super) const BODY_PROBLEMS: &[Problem] = &[
    Problem::MalformedJson,
    Problem::Unauthorized,
    Problem::Timeout,
    Problem::Conflict,
    Problem::TooLarge,
    Problem::UnsupportedMediaType,
    Problem::InvalidRecord,
];

/// The answers that these problems are, and those that can always be.
pub(super) fn responses_of(problems: &[Problem]) -> Value {
    let always = [Problem::Internal, Problem::Unavailable];
    let codes = problems
        .iter()
        .chain(&always)
        .map(|problem| status(*problem));
    codes
        .map(|code| {
            (
                code.as_str().to_owned(),
                reference("responses", code.as_str()),
            )
        })
        .collect()
}

pub(super) fn headers() -> Value {
    json!({
        "ETag": {"description": "Digest of the contents, a strong entity tag.", "schema": {"type": "string"}},
        "Location": {"description": "Where the record is.", "required": true, "schema": {"type": "string"}},
        "Link": {"description": "The next page (`rel=\"next\"`), while there is one.", "schema": {"type": "string"}},
        "X-Total-Count": {
            "description": "How many records match, whatever `limit` says.",
            "required": true, "schema": {"type": "integer", "minimum": 0}
        }
    })
}

pub(super) fn problem_schema() -> Value {
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
pub(super) fn responses() -> Value {
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
