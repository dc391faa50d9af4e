//! The schemas of problems, for the API's document: one for each type, with the members that
//! such a problem has. So a client that has compared the type knows the other members.

use common::{Id, Model, Problem};
use serde_json::{Map, Value, json};

use super::names::{self, reference};
use crate::problem::status;

/// The schemas of all problems.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas: Map<_, _> = Problem::ALL
        .map(|problem| (names::problem(problem), schema(problem)))
        .into_iter()
        .collect();
    schemas.insert("MemberError".to_owned(), member_error());
    schemas
}

/// The content of a response with any of these problems.
pub(super) fn content<M: Model>(problems: &[Problem]) -> Value {
    let refer = |problem: &Problem| reference("schemas", &names::problem(*problem));
    let content = if let [only] = problems {
        json!({"schema": refer(only), "example": example::<M>(*only)})
    } else {
        let schemas: Value = problems.iter().map(refer).collect();
        let named = |problem: &Problem| {
            let example = json!({"value": example::<M>(*problem)});
            (names::response(*problem), example)
        };
        let examples: Map<_, _> = problems.iter().map(named).collect();
        json!({"schema": {"oneOf": schemas}, "examples": examples})
    };
    json!({"application/problem+json": content})
}

fn schema(problem: Problem) -> Value {
    let mut schema = json!({
        "description": format!("{} (RFC 9457).", problem.title()),
        "type": "object",
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": {"type": "string", "const": problem.urn()},
            "title": {"type": "string"},
            "status": {"type": "integer", "const": status(problem).as_u16()},
            "detail": {"type": "string", "description": "What went wrong with this request."},
            "requestId": {"type": "string", "description": "The request's id in the log."}
        }
    });
    if problem == Problem::InvalidRecord {
        schema["required"] = json!(["type", "title", "status", "detail", "requestId", "errors"]);
        schema["properties"]["errors"] = json!({
            "type": "array", "items": reference("schemas", "MemberError"),
            "description": "Everything that is wrong with the body."
        });
    }
    schema
}

fn member_error() -> Value {
    json!({
        "description": "What is wrong with one member of a body.",
        "type": "object",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {
                "type": "string",
                "description": "A JSON Pointer (RFC 6901) to the member; empty for the whole body."
            },
            "detail": {"type": "string", "description": "What was expected."}
        }
    })
}

fn example<M: Model>(problem: Problem) -> Value {
    let mut example = json!({
        "type": problem.urn(),
        "title": problem.title(),
        "status": status(problem).as_u16(),
        "detail": detail::<M>(problem),
        "requestId": "9e4a0a2b317b77bec5c8c92072c63df1"
    });
    if problem == Problem::InvalidRecord {
        let member = M::MEMBERS.first().map_or("", |member| member.name);
        example["errors"] = json!([{"pointer": format!("/{member}"), "detail": "is required"}]);
    }
    example
}

/// What went wrong, in the words of the service.
fn detail<M: Model>(problem: Problem) -> String {
    let (one, many) = (M::SINGULAR, M::COLLECTION);
    let fixed = match problem {
        Problem::MalformedJson => "line 1, column 9: expected `:`",
        Problem::InvalidId => "an id is an integer from 1 to 9007199254740991",
        Problem::InvalidParameter => "query parameter limit: expected an integer from 1 to 1000",
        Problem::Unauthorized => "writing needs the header Authorization: Bearer <token>",
        Problem::Forbidden => {
            "the token lacks the scope that writing needs; WWW-Authenticate names it"
        }
        Problem::NotFound => return format!("{one} 7 does not exist"),
        Problem::MethodNotAllowed => "this route takes GET, HEAD, OPTIONS",
        Problem::Timeout => "the body did not arrive within 20 s",
        Problem::Conflict => {
            let unique = M::indexes().find(|(_, index)| index.unique());
            return unique.map_or_else(
                || {
                    let last = Id::<M>::MAX;
                    format!("all ids up to {last} have been given; there can be no more {many}")
                },
                |(member, _)| format!("{one} 3 has this {member} already"),
            );
        }
        Problem::PreconditionFailed => {
            return format!("{one} 7 is not as If-Match or If-None-Match says; read it again");
        }
        Problem::TooLarge => "expected a body of at most 65536 bytes",
        Problem::UnsupportedMediaType => "expected the header Content-Type: application/json",
        Problem::InvalidRecord => "see errors for what was expected",
        Problem::IdempotencyKeyReused => {
            return format!(
                "this Idempotency-Key came with another body, and made {one} 7; send another body \
                 with another key"
            );
        }
        Problem::TooManyRequests => "this user has written as often as a user may within a minute",
        Problem::Internal => "the server failed at this; its log knows more",
        Problem::CollectionFull => {
            return format!(
                "the {many} have no room for more within 67108864 bytes; what does not make them \
                 larger is still written"
            );
        }
        Problem::Unavailable => "the collection is being loaded",
    };
    fixed.to_owned()
}
