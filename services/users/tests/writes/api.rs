//! Statuses and headers of writes.

use serde_json::json;
use testkit::Request;

use crate::{TOKEN, authorized, create, problem, user, writable, write};

#[test]
fn a_record_is_created_replaced_patched_and_deleted() {
    let task = writable().start();
    let created = create(&task, "finn");
    assert_eq!(
        (created.status, created.header("location")),
        (201, "/api/users/1")
    );
    let record = created.json();
    assert_eq!(record["createdAt"], record["updatedAt"]);
    let read = task.get("/api/users/1");
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.json(), record);

    let replaced = task.ask(&write(
        "PUT",
        "/api/users/1",
        &json!({"username": "jake", "name": "J", "bio": "b"}),
    ));
    assert_eq!(replaced.status, 200);
    assert_eq!(replaced.json()["createdAt"], record["createdAt"]);
    assert_ne!(replaced.header("etag"), created.header("etag"));

    let patched = task.ask(&write("PATCH", "/api/users/1", &json!({"bio": "c"})));
    assert_eq!(
        (patched.status, patched.json()["bio"].as_str()),
        (200, Some("c"))
    );
    assert_eq!(patched.json()["username"], "jake");
    let merge_patch =
        authorized("PATCH", "/api/users/1").body("application/merge-patch+json", "{}");
    assert_eq!(task.ask(&merge_patch).json(), patched.json());
    // A client may send back unchanged what it read.
    assert_eq!(
        task.ask(&write("PUT", "/api/users/1", &patched.json()))
            .json(),
        patched.json()
    );

    let deleted = task.ask(&authorized("DELETE", "/api/users/1"));
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    for gone in [
        Request::get("/api/users/1"),
        authorized("DELETE", "/api/users/1"),
        write("PATCH", "/api/users/1", &json!({})),
        write("PUT", "/api/users/1", &user("x")),
    ] {
        assert_eq!(problem(&task.ask(&gone)).0, "not-found");
    }
    assert_eq!(create(&task, "finn").header("location"), "/api/users/2");
}

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
