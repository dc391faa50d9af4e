//! Statuses and headers of writes.

use serde_json::json;
use testkit::{
    Request,
    writes::{Caller, Writer},
};

use crate::{TOKEN, authorized, create, problem, user, users, writable, write};

#[test]
fn only_the_token_writes() {
    let task = writable().start();
    let body = user("finn").to_string();
    for authorization in [
        None,
        Some("Bearer wrong"),
        Some("Bearer"),
        Some("Basic czNjcmV0"),
        Some("Bearer s3cret-01234567890"),
    ] {
        let mut request = Request::new("POST", "/api/users").body("application/json", body.clone());
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let refused = task.ask(&request);
        assert_eq!(problem(&refused).0, "unauthorized", "{authorization:?}");
        assert!(refused.header("www-authenticate").starts_with("Bearer "));
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(
            problem(&task.ask(&Request::new(method, "/api/users/1"))).0,
            "unauthorized"
        );
    }
    let other_case = Request::new("POST", "/api/users")
        .header("authorization", format!("bearer {TOKEN}"))
        .body("application/json", body);
    assert_eq!(task.ask(&other_case).status, 201);
    let ended = task.stop();
    assert!(
        !ended.stdout.join("\n").contains(TOKEN),
        "a token in the log"
    );
}

#[test]
fn usernames_are_unique_at_every_moment() {
    let task = writable().start();
    assert_eq!(create(&task, "finn").status, 201);
    assert_eq!(create(&task, "jake").status, 201);
    assert_eq!(problem(&create(&task, "finn")).0, "conflict");
    let rename = |id: u64, to: &str| {
        task.ask(&write(
            "PATCH",
            &format!("/api/users/{id}"),
            &json!({"username": to}),
        ))
    };
    assert_eq!(problem(&rename(2, "finn")).0, "conflict");
    assert_eq!(rename(1, "finn").status, 200);
    assert_eq!(rename(1, "pb").status, 200);
    assert_eq!(rename(2, "finn").status, 200);
    assert_eq!(task.ask(&authorized("DELETE", "/api/users/2")).status, 204);
    assert_eq!(create(&task, "finn").header("location"), "/api/users/3");
    // A refused create used up no id, and the filter finds only stored records.
    assert_eq!(task.get("/api/users?username=finn").json()[0]["id"], 3);
    assert_eq!(task.get("/api/users?username=jake").json(), json!([]));
}

#[test]
fn no_caller_takes_the_name_of_another_user() {
    for caller in [Caller::Service, Caller::Moderator, Caller::User] {
        let writer = Writer::new(users(), caller);
        let users = [(1, "finn"), (2, "jake")].map(|(id, username)| {
            let mut user = user(username);
            user["id"] = id.into();
            user
        });
        let task = writer
            .binary()
            .db(json!({"users": users}).to_string())
            .start();
        let taken = user("jake");
        for method in ["PUT", "PATCH"] {
            let refused = task.ask(&writer.write(method, "/api/users/1", &taken));
            assert_eq!(refused.problem().0, "conflict", "{caller:?}: {method}");
            let own = task.ask(&writer.write(method, "/api/users/1", &user("finn")));
            assert_eq!(own.status, 200, "{caller:?}: {method}");
        }
        let created = writer.create(&task, &taken.to_string()).problem().0;
        let expected = if caller == Caller::User {
            "forbidden"
        } else {
            "conflict"
        };
        assert_eq!(created, expected, "{caller:?}");
    }
}

#[test]
fn methods_and_health_say_that_it_writes() {
    let task = writable().start();
    for (path, allow) in [
        ("/api/users", "GET, HEAD, POST, OPTIONS"),
        ("/api/users/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        assert_eq!(
            task.ask(&Request::new("OPTIONS", path)).header("allow"),
            allow
        );
        let refused = task.ask(&Request::new("TRACE", path));
        assert_eq!((refused.status, refused.header("allow")), (405, allow));
    }
    let health = task.get("/health/ready").json();
    assert_eq!(
        (health["mode"].as_str(), health["writes"].as_str()),
        (Some("writable"), Some("accepted"))
    );
    let document = task.get("/api/users/openapi.json").json();
    assert!(document["paths"]["/api/users"]["post"].is_object());
}
