//! Checks that an answer is as the API's document says. All answers in these tests are checked.

use axum::http::HeaderName;
use serde_json::{Map, Value};

use crate::fixture::Response;

/// Headers of the message itself, which the document does not list.
const OF_THE_MESSAGE: [&str; 3] = ["connection", "content-length", "content-type"];

/// Headers of answers that the document does not describe, such as those of health checks.
const ELSEWHERE: [&str; 4] = [
    "allow",
    "cache-control",
    "x-content-type-options",
    "x-request-id",
];

/// Panics when the document does not list the answer, a header or the problem, and
/// when the answer lacks a header that the document promises.
pub fn check(document: &Value, method: &str, target: &str, response: &Response) {
    let request = format!("{method} {target}: {}", response.status);
    let headers = response.headers.keys().map(HeaderName::as_str);
    let mut sent = headers.filter(|name| !OF_THE_MESSAGE.contains(name));
    let Some(responses) = responses(document, method, target, response) else {
        if let Some(name) = sent.find(|name| !ELSEWHERE.contains(name)) {
            panic!("{request}: {name} is sent where there is no document");
        }
        return;
    };
    let listed = &responses[response.status.as_str()];
    assert!(listed.is_object(), "{request} is not in the document");
    let listed = resolve(document, listed);
    let headers: Map<_, _> = object(&listed["headers"])
        .map(|(name, header)| (name.to_lowercase(), resolve(document, header).clone()))
        .collect();
    for name in sent {
        assert!(
            headers.contains_key(name),
            "{request}: {name} is not listed"
        );
    }
    for (name, header) in &headers {
        match response.headers.get(name) {
            Some(value) => check_value(&request, name, value.to_str().unwrap(), header),
            None => assert_ne!(header["required"], true, "{request}: no {name}"),
        }
    }
    check_content(document, &request, listed, response);
}

fn check_value(request: &str, name: &str, value: &str, header: &Value) {
    let schema = &header["schema"];
    if schema["type"] == "integer" {
        assert!(value.parse::<u64>().is_ok(), "{request}: {name}: {value}");
    }
    if let Some(values) = schema["enum"].as_array() {
        let listed = values.iter().any(|listed| listed == value);
        assert!(listed, "{request}: {name}: {value}");
    }
}

fn check_content(document: &Value, request: &str, listed: &Value, response: &Response) {
    let Some(media_type) = response.headers.get("content-type") else {
        assert!(response.body.is_empty(), "{request}");
        return;
    };
    let content = &listed["content"][media_type.to_str().unwrap()];
    assert!(
        content.is_object(),
        "{request}: {media_type:?} is not listed"
    );
    if media_type == "application/problem+json" && !response.body.is_empty() {
        check_problem(document, request, &content["schema"], &response.json());
    }
}

/// Checks a problem against the schema of its type.
fn check_problem(document: &Value, request: &str, listed: &Value, problem: &Value) {
    let any_of = listed["oneOf"].as_array().map(Vec::as_slice);
    let mut schemas = any_of
        .unwrap_or(std::slice::from_ref(listed))
        .iter()
        .map(|schema| resolve(document, schema));
    let schema = schemas
        .find(|schema| schema["properties"]["type"]["const"] == problem["type"])
        .unwrap_or_else(|| panic!("{request}: {problem} is not among {listed}"));
    assert_eq!(
        problem["status"], schema["properties"]["status"]["const"],
        "{request}"
    );
    for (name, _) in object(problem) {
        let member = &schema["properties"][name];
        assert!(member.is_object(), "{request}: {name} is not listed");
    }
    for name in schema["required"].as_array().unwrap() {
        let member = &problem[name.as_str().unwrap()];
        assert!(!member.is_null(), "{request}: no {name}");
    }
}

/// What the document lists for the target and the method, by status. `None` if it does not
/// describe the target.
fn responses<'a>(
    document: &'a Value,
    method: &str,
    target: &str,
    response: &Response,
) -> Option<&'a Value> {
    let path = target.split('?').next().unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    let items = object(&document["paths"]).filter(|(template, _)| matches(template, path));
    // `/api/posts/summary` is no `/api/posts/{id}`.
    let item = items.min_by_key(|(template, _)| template.matches('{').count());
    match item {
        Some(_) if path.ends_with("/openapi.json") => None,
        Some((_, item)) => {
            let operation = match method {
                "GET" | "HEAD" => &item["get"],
                "POST" | "PUT" | "PATCH" | "DELETE" => &item[method.to_lowercase()],
                _ => &Value::Null,
            };
            Some(match (method, operation) {
                ("OPTIONS", _) => &item["x-other-methods"]["OPTIONS"],
                (_, Value::Null) => &item["x-other-methods"]["others"],
                _ => &operation["responses"],
            })
        }
        None if response.status == 404 => Some(&document["x-other-paths"]),
        None => None,
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(expected, given)| {
            expected == given || expected.starts_with('{') && !given.is_empty()
        })
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap(),
        None => value,
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
