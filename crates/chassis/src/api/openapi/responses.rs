//! The responses of the API's document, with their headers.

use std::collections::BTreeMap;

use common::{Model, Problem};
use serde_json::{Map, Value, json};

use super::{
    names::{self, reference},
    problems,
};
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

/// The responses of an operation by status: these, and those for these problems and for those that
/// any request can meet.
pub(super) fn responses_of<M: Model>(
    successes: impl IntoIterator<Item = (&'static str, Value)>,
    problems: &[Problem],
    accepts: Option<&Accepts>,
) -> Value {
    let successes = successes.into_iter();
    let mut responses: BTreeMap<_, _> = successes
        .map(|(code, response)| (code.to_owned(), response))
        .collect();
    let all = || problems.iter().chain(&AT_ANY_TIME).copied();
    for problem in all() {
        let code = status(problem);
        let same: Vec<_> = all().filter(|other| status(*other) == code).collect();
        let response = match (accepts, &*same) {
            (Some(accepts), [Problem::UnsupportedMediaType]) => {
                let mut response = of_problems::<M>(&same);
                let name = names::header(accepts.header.as_str());
                response["headers"][&name] = reference("headers", &name);
                response
            }
            (_, [only]) => reference("responses", &names::response(*only)),
            _ => of_problems::<M>(&same),
        };
        responses.insert(code.as_str().to_owned(), response);
    }
    Map::from_iter(responses).into()
}

/// Responses that several operations share.
pub(super) fn shared<M: Model>() -> Value {
    let unchanged = "The client has these contents already.";
    let mut responses = json!({
        "RecordNotModified": response(unchanged, &["ETag"]),
        "ListNotModified": response(unchanged, &["ETag", "Link", "X-Total-Count"]),
    });
    for problem in Problem::ALL {
        responses[names::response(problem)] = of_problems::<M>(&[problem]);
    }
    responses
}

/// The response for all problems with one status.
fn of_problems<M: Model>(problems: &[Problem]) -> Value {
    let titles: Vec<_> = problems.iter().map(|problem| problem.title()).collect();
    let headers: Vec<_> = problems
        .iter()
        .filter_map(|problem| header(*problem))
        .collect();
    let mut response = response(&titles.join("; "), &headers);
    response["content"] = problems::content::<M>(problems);
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
