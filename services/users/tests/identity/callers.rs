//! What each caller may do.

use serde_json::json;
use testkit::{Request, Task};

use crate::{SERVICE_KEY, claims, edit, key, moderator, problem, request, service, token_of};

/// All writes, in an order in which each finds what it needs: the answers to this caller.
fn write_everything(task: &Task, token: Option<&str>) -> Vec<u16> {
    let name = token.map_or(0, |token| token.bytes().map(u64::from).sum());
    let new = json!({"username": format!("new-{name}"), "name": "N", "bio": ""});
    let whole = json!({"username": "finn", "name": "F", "bio": ""});
    let write = |method: &str, target: &str, body: &serde_json::Value| {
        let request = request(method, target, token);
        task.ask(&request.body("application/json", body.to_string()))
            .status
    };
    vec![
        write("POST", "/api/users", &new),
        write("PUT", "/api/users/3", &whole),
        write("PATCH", "/api/users/3", &json!({"bio": "b"})),
        write("PATCH", "/api/users/4", &json!({"bio": "b"})),
        write("PATCH", "/api/users/99", &json!({"bio": "b"})),
        task.ask(&request("DELETE", "/api/users/3", token)).status,
        task.ask(&request("DELETE", "/api/users/4", token)).status,
    ]
}

#[test]
fn every_caller_writes_what_they_may() {
    let moderator = key().token(&moderator(4));
    let user = token_of(3);
    for (caller, token, expected) in [
        ("nobody", None, [401, 401, 401, 401, 401, 401, 401]),
        (
            "a bad token",
            Some("x.y.z"),
            [401, 401, 401, 401, 401, 401, 401],
        ),
        ("user 3", Some(&*user), [403, 200, 200, 403, 404, 403, 403]),
        (
            "moderator 4",
            Some(&*moderator),
            [201, 200, 200, 200, 404, 204, 204],
        ),
        (
            "the service",
            Some(SERVICE_KEY),
            [201, 200, 200, 200, 404, 204, 204],
        ),
    ] {
        let task = service().start();
        assert_eq!(write_everything(&task, token), expected, "{caller}");
    }
}

#[test]
fn what_exists_is_decided_first_then_who_may_then_the_condition_then_the_words() {
    let task = service().start();
    let ask = |user: u64, if_match: &str, body: &str| {
        let request = request("PATCH", &format!("/api/users/{user}"), Some(&token_of(3)));
        let request = request
            .header("If-Match", if_match)
            .body("application/json", body);
        problem(&task.ask(&request)).0
    };
    let bad = r#"{"name":""}"#;
    assert_eq!(ask(99, "\"x\"", bad), "not-found");
    assert_eq!(ask(4, "\"x\"", bad), "forbidden");
    assert_eq!(ask(3, "\"x\"", bad), "precondition-failed");
    assert_eq!(ask(3, "*", bad), "invalid-record");
    // Only a missing scope comes with a challenge.
    assert_eq!(
        problem(&edit(&task, 4, &token_of(3))),
        ("forbidden".to_owned(), None)
    );
}

#[test]
fn credentials_are_told_apart() {
    let task = service().start();
    let none = "Bearer realm=\"forum\"";
    let wrong = "Bearer realm=\"forum\", error=\"invalid_token\"";
    let good = token_of(3);
    let mut expired = claims(3);
    expired["exp"] = 1.into();
    let expired = key().token(&expired);
    let long = "x".repeat(9000);
    let bearer = |token: &str| format!("Bearer {token}");
    for (lines, challenge) in [
        (vec![], none),
        (vec!["Basic YTpi".to_owned()], none),
        (vec!["garbage".to_owned()], none),
        // As long as the right scheme, with a good token.
        (vec![format!("Digest {good}")], none),
        (vec![bearer("garbage")], wrong),
        (vec![bearer("")], wrong),
        (vec![bearer(&expired)], wrong),
        (vec![bearer(&long)], wrong),
        (vec![bearer(&format!("{good}x"))], wrong),
        (vec![bearer(&good), bearer(&good)], wrong),
    ] {
        // The body never comes: it is not waited for.
        let mut request = Request::new("PATCH", "/api/users/3")
            .header("Content-Type", "application/json")
            .header("Content-Length", "1000");
        for line in &lines {
            request = request.header("Authorization", line.clone());
        }
        let refused = task.ask(&request);
        let expected = ("unauthorized".to_owned(), Some(challenge.to_owned()));
        assert_eq!(problem(&refused), expected, "{lines:?}");
        let mut read = Request::get("/api/users/3");
        for line in lines {
            read = read.header("Authorization", line);
        }
        assert_eq!(task.ask(&read).status, 200, "a read looks at no token");
    }
    for scheme in ["bearer", "BEARER", "BeArEr "] {
        let request = Request::new("PATCH", "/api/users/3")
            .header("authorization", format!("{scheme} {good}"))
            .body("application/json", "{}");
        assert_eq!(task.ask(&request).status, 200, "{scheme}");
    }
}

#[test]
fn the_scope_that_writing_needs_is_asked_of_moderators_too() {
    let task = service().env("WRITE_SCOPE", "forum:write").start();
    let challenge = "Bearer realm=\"forum\", error=\"insufficient_scope\", scope=\"forum:write\"";
    for claims in [claims(3), moderator(4)] {
        let refused = edit(&task, 3, &key().token(&claims));
        let expected = ("forbidden".to_owned(), Some(challenge.to_owned()));
        assert_eq!(problem(&refused), expected);
        let mut allowed = claims;
        let scopes = allowed["scope"].as_str().unwrap_or_default();
        allowed["scope"] = format!("{scopes} forum:write").into();
        assert_eq!(edit(&task, 3, &key().token(&allowed)).status, 200);
    }
    assert_eq!(edit(&task, 3, SERVICE_KEY).status, 200);
    let task = service().env("MODERATOR_SCOPE", "admin").start();
    let mut admin = claims(4);
    assert_eq!(edit(&task, 3, &key().token(&moderator(4))).status, 403);
    admin["scp"] = json!(["admin"]);
    assert_eq!(edit(&task, 3, &key().token(&admin)).status, 200);
}
