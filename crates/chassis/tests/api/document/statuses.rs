//! Every status of every operation on the collection. These tests meet each status that the
//! document lists; `every_answer` checks that no answer has another.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use common::{Model, Post, Thread, User};
use http_body::Frame;
use serde_json::{Value, json};
use testkit::issuer;

use crate::fixture::{Api, TOKEN, Writes, all_in, user_key};

/// A body that never comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Pending
    }
}

/// Asks one service, and keeps the methods, paths and statuses that it met.
struct Asking<'a> {
    api: &'a Api,
    met: RefCell<BTreeSet<(String, String, u16)>>,
}

impl Asking<'_> {
    /// Sends a request with the token to the collection's path and this suffix. A body is JSON.
    fn ask(&self, method: &str, suffix: &str, headers: &[(&str, &str)], body: Body, status: u16) {
        let token = format!("Bearer {TOKEN}");
        let mut all = vec![("authorization", token.as_str())];
        let typed = headers.iter().any(|(name, _)| *name == "content-type");
        if !typed {
            all.push(("content-type", "application/json"));
        }
        all.extend(headers);
        let target = format!("{}{suffix}", self.api.collection());
        self.keep(method, suffix, status, &target, &all, body);
    }

    fn keep(
        &self,
        method: &str,
        suffix: &str,
        status: u16,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) {
        let response = self.api.send(method, target, headers, body);
        let of = format!("{method} {target} {headers:?}");
        assert_eq!(response.status.as_u16(), status, "{of}");
        let record = suffix.starts_with('/');
        let path = format!(
            "{}{}",
            self.api.collection(),
            ["", "/{id}"][usize::from(record)]
        );
        self.met
            .borrow_mut()
            .insert((method.to_lowercase(), path, status));
    }

    fn anonymous(&self, method: &str, suffix: &str) {
        let target = format!("{}{suffix}", self.api.collection());
        self.keep(method, suffix, 401, &target, &[], Body::empty());
    }
}

/// A record for this method to write, and one whose unique member is taken.
fn bodies(api: &Api, method: &str) -> (Value, Option<Value>) {
    match api.name {
        "users" => (
            json!({"username": method.to_lowercase(), "name": "N", "bio": ""}),
            Some(json!({"username": "user-2", "name": "N", "bio": ""})),
        ),
        "threads" => (json!({"title": "T", "createdBy": 1}), None),
        _ => (json!({"thread": 1, "text": "T", "user": 1}), None),
    }
}

fn ask_for_reads(asking: &Asking) {
    let none = Body::empty;
    asking.ask("GET", "", &[], none(), 200);
    asking.ask("GET", "", &[("if-none-match", "*")], none(), 304);
    asking.ask("GET", "?limit=0", &[], none(), 400);
    asking.ask("GET", "/2", &[], none(), 200);
    asking.ask("GET", "/2", &[("if-none-match", "*")], none(), 304);
    asking.ask("GET", "/x", &[], none(), 400);
    asking.ask("GET", "/7", &[], none(), 404);
}

fn ask_for_bodies(asking: &Asking, method: &str, suffix: &str, done: u16) {
    let (record, taken) = bodies(asking.api, method);
    let ask = |headers: &[(&str, &str)], body: Body, status| {
        asking.ask(method, suffix, headers, body, status);
    };
    ask(&[], record.to_string().into(), done);
    ask(&[], "{".into(), 400);
    asking.anonymous(method, suffix);
    ask(&[], Body::new(Never), 408);
    if let Some(taken) = taken {
        ask(&[], taken.to_string().into(), 409);
    }
    ask(&[], vec![b' '; 65 * 1024].into(), 413);
    ask(&[("content-length", "65537")], Body::empty(), 413);
    ask(&[("content-type", "text/plain")], Body::empty(), 415);
    ask(&[("content-encoding", "gzip")], Body::empty(), 415);
    ask(&[], "[]".into(), 422);
    ask(&[], json!({"other": 1}).to_string().into(), 422);
}

fn ask_for_writes(asking: &Asking) {
    ask_for_bodies(asking, "POST", "", 201);
    for method in ["PUT", "PATCH"] {
        ask_for_bodies(asking, method, "/1", 200);
        let record = bodies(asking.api, method).0.to_string();
        for (suffix, headers, status) in [
            ("/x", &[][..], 400),
            ("/7", &[], 404),
            ("/1", &[("if-match", "\"x\"")], 412),
            ("/1", &[("if-none-match", "*")], 412),
        ] {
            asking.ask(method, suffix, headers, record.clone().into(), status);
        }
    }
    let none = Body::empty;
    asking.anonymous("DELETE", "/3");
    asking.ask("DELETE", "/x", &[], none(), 400);
    asking.ask("DELETE", "/7", &[], none(), 404);
    asking.ask("DELETE", "/3", &[("if-match", "\"x\"")], none(), 412);
    asking.ask("DELETE", "/3", &[], none(), 204);
}

/// Writes of a user without the scope, and of one who writes too often.
fn ask_as_users(asking: &Asking) {
    let key = user_key();
    let without = format!("Bearer {}", key.token(&issuer::claims(3)));
    let mut claims = issuer::claims(4);
    claims["scope"] = "forum:write".into();
    let with = format!("Bearer {}", key.token(&claims));
    let send = |method: &str, suffix: &str, token: &str, status: u16| {
        let target = format!("{}{suffix}", asking.api.collection());
        let headers = [("authorization", token)];
        asking.keep(method, suffix, status, &target, &headers, Body::empty());
    };
    send("POST", "", &with, 415);
    for (method, suffix) in [
        ("POST", ""),
        ("PUT", "/1"),
        ("PATCH", "/1"),
        ("DELETE", "/1"),
    ] {
        send(method, suffix, &without, 403);
        send(method, suffix, &with, 429);
    }
}

/// Writes that would make a full collection larger.
fn ask_while_full(name: &str, met: &mut BTreeSet<(String, String, u16)>) {
    let api = all_in(Writes::Full)
        .into_iter()
        .find(|api| api.name == name);
    let api = api.unwrap();
    let asking = Asking {
        api: &api,
        met: RefCell::default(),
    };
    let text = "x".repeat(2000);
    let larger = match name {
        "users" => json!({"username": "larger", "name": "N", "bio": &text[..1000]}),
        "threads" => json!({"title": &text[..200], "createdBy": 1}),
        _ => json!({"thread": 1, "text": text, "user": 1}),
    };
    for (method, suffix) in [("POST", ""), ("PUT", "/1"), ("PATCH", "/1")] {
        asking.ask(method, suffix, &[], larger.to_string().into(), 507);
    }
    asking.ask("DELETE", "/3", &[], Body::empty(), 204);
    met.append(&mut asking.met.borrow_mut());
}

fn ask_while_starting<M: Model>(met: &mut BTreeSet<(String, String, u16)>, writes: Writes) {
    let (api, _app) = Api::starting_in::<M>(writes, &[], &[], |routes| routes);
    let asking = Asking {
        api: &api,
        met: RefCell::default(),
    };
    let asked = [
        ("GET", ""),
        ("GET", "/1"),
        ("POST", ""),
        ("PUT", "/1"),
        ("PATCH", "/1"),
        ("DELETE", "/1"),
    ];
    for (method, suffix) in asked {
        if writes != Writes::Refused || method == "GET" {
            asking.ask(method, suffix, &[], Body::empty(), 503);
        }
    }
    met.append(&mut asking.met.borrow_mut());
}

#[test]
fn every_status_that_the_document_lists_is_met() {
    for writes in [Writes::Refused, Writes::Taken, Writes::ByUsers] {
        for api in all_in(writes) {
            let asking = Asking {
                api: &api,
                met: RefCell::default(),
            };
            ask_for_reads(&asking);
            if writes != Writes::Refused {
                ask_for_writes(&asking);
            }
            if writes == Writes::ByUsers {
                ask_as_users(&asking);
            }
            let mut met = asking.met.take();
            if writes != Writes::Refused {
                ask_while_full(api.name, &mut met);
            }
            match api.name {
                "users" => ask_while_starting::<User>(&mut met, writes),
                "threads" => ask_while_starting::<Thread>(&mut met, writes),
                _ => ask_while_starting::<Post>(&mut met, writes),
            }
            let of_the_collection = [api.collection(), format!("{}/{{id}}", api.collection())];
            let mut listed = BTreeSet::new();
            for path in of_the_collection {
                for (method, operation) in api.document()["paths"][&path].as_object().unwrap() {
                    for (status, _) in operation["responses"].as_object().into_iter().flatten() {
                        listed.insert((method.clone(), path.clone(), status.parse().unwrap()));
                    }
                }
            }
            // A test cannot provoke a fault, or use up all ids.
            listed.retain(|of| of.2 != 500 && (of.2 != 409 || api.name == "users"));
            assert_eq!(met, listed, "{}", api.name);
        }
    }
}
