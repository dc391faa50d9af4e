//! Requests that meet every answer.

use testkit::{Request, issuer::claims};

use crate::{SERVICE_KEY, key};

/// Requests, with the statuses of their answers in this order.
pub fn all() -> Vec<(u16, Request)> {
    let service = |method, target| {
        Request::new(method, target).header("Authorization", format!("Bearer {SERVICE_KEY}"))
    };
    let user = |target| {
        let token = key().token(&claims(3));
        let request = Request::new("PATCH", target);
        let request = request.header("Authorization", format!("Bearer {token}"));
        request.body("application/json", r#"{"bio": "b"}"#)
    };
    let json = |request: Request, body: &str| request.body("application/json", body);
    let new = r#"{"username": "new", "name": "N", "bio": ""}"#;
    vec![
        (200, Request::get("/")),
        (200, Request::get("/api")),
        (200, Request::get("/api/users")),
        (200, Request::get("/api/users/")),
        (200, Request::get("/api/users?limit=1")),
        (200, Request::get("/api/users/openapi.json")),
        (200, Request::get("/api/users/3")),
        (200, Request::new("HEAD", "/api/users/3")),
        (
            304,
            Request::get("/api/users/3").header("If-None-Match", "*"),
        ),
        (304, Request::get("/api/users").header("If-None-Match", "*")),
        (204, Request::new("OPTIONS", "/api/users")),
        (400, Request::get("/api/users/x")),
        (404, Request::get("/api/users/9")),
        (404, Request::get("/nothing/here")),
        (404, Request::new("OPTIONS", "/nothing/here")),
        (405, Request::new("PUT", "/api/users")),
        (405, Request::new("BREW", "/api/users")),
        (401, json(Request::new("POST", "/api/users"), new)),
        (403, user("/api/users/4")),
        (429, user("/api/users/3")),
        (400, json(service("POST", "/api/users"), "{")),
        (
            409,
            json(
                service("POST", "/api/users"),
                r#"{"username": "finn", "name": "N", "bio": ""}"#,
            ),
        ),
        (
            412,
            json(service("PATCH", "/api/users/3"), "{}").header("If-Match", "\"x\""),
        ),
        (
            413,
            json(service("POST", "/api/users"), &"x".repeat(70 * 1024)),
        ),
        (415, service("POST", "/api/users").body("text/plain", new)),
        (422, json(service("POST", "/api/users"), "{}")),
    ]
}

/// Requests that change the collection.
pub fn writes() -> Vec<(u16, Request)> {
    let service = |method, target| {
        let request = Request::new(method, target);
        request.header("Authorization", format!("Bearer {SERVICE_KEY}"))
    };
    let body = r#"{"username": "new", "name": "N", "bio": ""}"#;
    vec![
        (
            201,
            service("POST", "/api/users").body("application/json", body),
        ),
        (
            200,
            service("PUT", "/api/users/5").body("application/json", body),
        ),
        (
            200,
            service("PATCH", "/api/users/5").body("application/json", r#"{"bio": "b"}"#),
        ),
        (204, service("DELETE", "/api/users/5")),
    ]
}
