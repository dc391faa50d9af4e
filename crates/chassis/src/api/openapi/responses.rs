//! The responses of the API's document, with their headers.

use common::Problem;
use serde_json::{Map, Value, json};

use super::reference;
use crate::{api::body::Accepts, problem::status};

/// Headers of every response.
const ALWAYS: [&str; 3] = ["Cache-Control", "X-Content-Type-Options", "X-Request-Id"];

/// Problems that any request can meet.
const AT_ANY_TIME: [Problem; 2] = [Problem::Internal, Problem::Unavailable];

/// A response with these headers and those that all responses have.
pub(super) fn response(description: &str, headers: &[&str]) -> Value {
    let names = headers.iter().chain(&ALWAYS);
    let headers: Map<_, _> = names
        .map(|name| ((*name).to_owned(), reference("headers", name)))
        .collect();
    json!({"description": description, "headers": headers})
}

/// The responses for these problems and for those that any request can meet, by status.
pub(super) fn responses_of(problems: &[Problem], accepts: Option<&Accepts>) -> Value {
    let mut responses = Map::new();
    let all = || problems.iter().chain(&AT_ANY_TIME).copied();
    for problem in all() {
        let code = status(problem);
        let same: Vec<_> = all().filter(|other| status(*other) == code).collect();
        let response = match (accepts, &*same) {
            (Some(accepts), [Problem::UnsupportedMediaType]) => {
                let mut response = of_problems(&same);
                let name = canonical(accepts.header.as_str());
                response["headers"][&name] = reference("headers", &name);
                response
            }
            (_, [only]) => reference("responses", kind(*only)),
            _ => of_problems(&same),
        };
        responses.insert(code.as_str().to_owned(), response);
    }
    responses.into()
}

/// Responses that several operations share.
pub(super) fn shared() -> Value {
    let unchanged = "The client has these contents already.";
    let mut responses = json!({
        "record-not-modified": response(unchanged, &["ETag"]),
        "list-not-modified": response(unchanged, &["ETag", "Link", "X-Total-Count"]),
    });
    for problem in Problem::ALL {
        responses[kind(problem)] = of_problems(&[problem]);
    }
    responses
}

/// The response for all problems with one status.
fn of_problems(problems: &[Problem]) -> Value {
    let titles: Vec<_> = problems.iter().map(|problem| problem.title()).collect();
    let types: Vec<_> = problems.iter().map(|problem| problem.urn()).collect();
    let headers: Vec<_> = problems
        .iter()
        .filter_map(|problem| header(*problem))
        .collect();
    let mut response = response(&titles.join("; "), &headers);
    let schema = json!({"allOf": [
        reference("schemas", "problem"),
        {"type": "object", "properties": {"type": {"enum": types}}}
    ]});
    response["content"] = json!({"application/problem+json": {"schema": schema}});
    if problems.contains(&Problem::Forbidden) {
        response["headers"]["WWW-Authenticate"] = json!({
            "description": "`error=\"insufficient_scope\"` and the scope, where the token lacks it (RFC 6750).",
            "schema": {"type": "string"}
        });
    }
    response
}

/// The header that is sent with a problem.
fn header(problem: Problem) -> Option<&'static str> {
    match problem {
        Problem::Unauthorized => Some("WWW-Authenticate"),
        Problem::MethodNotAllowed => Some("Allow"),
        Problem::UnsupportedMediaType => Some("Accept-Encoding"),
        Problem::TooManyRequests | Problem::Unavailable => Some("Retry-After"),
        _ => None,
    }
}

/// The last part of a problem's type.
fn kind(problem: Problem) -> &'static str {
    problem.urn().rsplit(':').next().unwrap_or_default()
}

/// A header's name as documents write it: `accept-post` as `Accept-Post`.
pub(super) fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (initial, rest) = word.split_at(1);
        initial.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}
