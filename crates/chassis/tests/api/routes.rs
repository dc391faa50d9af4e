//! Which paths and methods there are.

use crate::fixture::{Writes, all, all_in};

#[test]
fn every_route_answers_get_with_its_media_type() {
    for api in all() {
        for (path, media_type) in api.paths() {
            let response = api.get(&path);
            assert_eq!(response.status, 200, "{path}");
            assert_eq!(response.header("content-type"), media_type, "{path}");
            assert!(!response.body.is_empty(), "{path}");
        }
    }
}

#[test]
fn the_root_and_the_api_say_that_they_are_there() {
    for api in all() {
        assert_eq!(api.get("/").body, "Ready to receive requests");
        for path in ["/api", "/api/"] {
            assert_eq!(api.get(path).body, "API ready to receive requests");
        }
    }
}

#[test]
fn head_equals_get_without_the_body() {
    for api in all() {
        for (path, _) in api.paths() {
            if path == "/metrics" {
                // The metrics count the requests in between.
                continue;
            }
            let (get, head) = (api.get(&path), api.ask("HEAD", &path, &[]));
            assert_eq!(head.status, get.status, "{path}");
            assert!(head.body.is_empty(), "{path}");
            for (name, value) in &get.headers {
                if name != "x-request-id" {
                    assert_eq!(head.headers.get(name), Some(value), "{path}");
                }
            }
        }
    }
}

#[test]
fn options_lists_the_methods() {
    for api in all() {
        for (path, _) in api.paths() {
            let response = api.ask("OPTIONS", &path, &[]);
            assert_eq!(response.status, 204, "{path}");
            assert_eq!(response.header("allow"), "GET, HEAD, OPTIONS", "{path}");
            assert!(response.body.is_empty(), "{path}");
        }
    }
}

#[test]
fn options_names_the_bodies_that_are_read() {
    for api in all_in(Writes::Taken) {
        let collection = api.ask("OPTIONS", &api.collection(), &[]);
        assert_eq!(collection.header("allow"), "GET, HEAD, POST, OPTIONS");
        assert_eq!(collection.header("accept-post"), "application/json");
        assert_eq!(collection.headers.get("accept-patch"), None);
        let record = api.ask("OPTIONS", &format!("{}/1", api.collection()), &[]);
        let methods = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
        assert_eq!(record.header("allow"), methods);
        let patches = "application/merge-patch+json, application/json";
        assert_eq!(record.header("accept-patch"), patches);
        assert_eq!(record.headers.get("accept-post"), None);
    }
    for api in all() {
        for (path, _) in api.paths() {
            let headers = api.ask("OPTIONS", &path, &[]).headers;
            assert!(!headers.contains_key("accept-post"), "{path}");
            assert!(!headers.contains_key("accept-patch"), "{path}");
        }
    }
}

#[test]
fn other_methods_are_not_allowed() {
    for api in all() {
        for (path, _) in api.paths() {
            for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW", "get"] {
                let response = api.ask(method, &path, &[]);
                assert_eq!(response.status, 405, "{method} {path}");
                assert_eq!(response.problem(), "method-not-allowed", "{method} {path}");
                assert_eq!(
                    response.header("allow"),
                    "GET, HEAD, OPTIONS",
                    "{method} {path}"
                );
            }
        }
    }
}

#[test]
fn one_trailing_slash_is_tolerated() {
    for api in all() {
        for (path, _) in api.paths() {
            if path == "/" {
                continue;
            }
            let (bare, query) = path.split_at(path.find('?').unwrap_or(path.len()));
            for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
                let plain = api.ask(method, &path, &[]);
                let slash = api.ask(method, &format!("{bare}/{query}"), &[]);
                assert_eq!(slash.status, plain.status, "{method} {path}");
                assert_eq!(
                    slash.headers.get("etag"),
                    plain.headers.get("etag"),
                    "{path}"
                );
            }
            for method in ["GET", "OPTIONS", "DELETE"] {
                let two = api.ask(method, &format!("{bare}//{query}"), &[]);
                assert_eq!(two.status, 404, "{method} {path}");
            }
        }
    }
}

#[test]
fn other_paths_are_not_found_whatever_the_method() {
    for api in all() {
        let collection = api.collection();
        let upper = collection.to_uppercase();
        let paths = [
            format!("/{collection}"),
            "//".into(),
            "/api//".into(),
            format!("/api/{}", &upper[5..]),
            upper.clone(),
            format!("/API/{}", api.name),
            collection.replace("/api/", "/api//"),
            collection.replace("/api/", "/api/%2F"),
            format!("{collection}x"),
            format!("{collection}/1/2"),
            format!("{collection}/1/openapi.json"),
            format!("{collection}/../{}", api.name),
            collection.replace("/api", ""),
            "/api/other".into(),
            "/health".into(),
            "/health/dead".into(),
            "/favicon.ico".into(),
        ];
        for path in paths {
            for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
                let response = api.ask(method, &path, &[]);
                assert_eq!(response.status, 404, "{method} {path}");
                assert_eq!(response.problem(), "not-found", "{method} {path}");
                let allow = response.headers.get("allow");
                assert_eq!(allow, None, "{method} {path}");
            }
        }
    }
}

#[test]
fn only_posts_are_listed_by_thread_and_by_user() {
    for api in all() {
        for name in ["in-thread", "by-user"] {
            let response = api.get(&format!("{}/{name}/1", api.collection()));
            let expected = if api.name == "posts" { 200 } else { 404 };
            assert_eq!(response.status, expected, "{} {name}", api.name);
        }
    }
}
