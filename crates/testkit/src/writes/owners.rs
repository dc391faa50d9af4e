//! Who writes which record of a collection whose records have an owner.
//! [`owner_suite!`](crate::owner_suite) makes the tests.

use serde_json::{Value, json};

use crate::{
    Task,
    issuer::{SigningKey, claims, moderator},
    writes::{Caller, Collection, MODERATOR, USER, Writer},
};

/// Another user, who owns the record with id 2.
const OTHER: u64 = 4;

/// Users create, change and delete what they own, and moderators and the service do that with
/// everything.
///
/// # Panics
/// When an answer is another.
pub fn each_caller_writes_what_they_may(collection: Collection) {
    for (caller, expected) in [
        (Caller::User, [201, 200, 200, 403, 403, 404, 204, 403]),
        (Caller::Moderator, [201, 200, 200, 200, 200, 404, 204, 204]),
        (Caller::Service, [201, 200, 200, 200, 200, 404, 204, 204]),
    ] {
        let owned = Owned::new(collection, caller);
        let (new, whole) = (owned.body(Some(json!(USER))), owned.body(None));
        let part = owned.writer.change("part");
        let met = [
            ("POST", "", &new),
            ("PUT", "/1", &whole),
            ("PATCH", "/1", &part),
            ("PUT", "/2", &whole),
            ("PATCH", "/2", &part),
            ("PATCH", "/9", &part),
            ("DELETE", "/1", &part),
            ("DELETE", "/2", &part),
        ]
        .map(|(method, path, body)| owned.write(method, path, body).0);
        assert_eq!(met, expected, "{caller:?}");
    }
}

/// Who creates a record without naming its owner is the owner.
///
/// # Panics
/// When an answer is another.
pub fn an_owner_who_is_not_named_is_who_creates(collection: Collection) {
    let [user, moderator, service] = [Caller::User, Caller::Moderator, Caller::Service]
        .map(|caller| Owned::new(collection, caller));
    assert_eq!(user.own("POST", "", None), (201, json!(USER)));
    assert_eq!(user.own("POST", "", Some(json!(USER))), (201, json!(USER)));
    assert_eq!(user.own("POST", "", Some(json!(OTHER))).0, 403);
    assert_eq!(user.own("POST", "", Some(json!(null))).0, 403);
    assert_eq!(moderator.own("POST", "", None), (201, json!(MODERATOR)));
    for all in [&moderator, &service] {
        assert_eq!(all.own("POST", "", Some(json!(OTHER))), (201, json!(OTHER)));
    }
    // The service is no user.
    assert_eq!(service.own("POST", "", None).0, 422);
}

/// An owner stays where none is named, and users do not change it.
///
/// # Panics
/// When an answer is another.
pub fn an_owner_stays_and_only_moderators_and_the_service_change_it(collection: Collection) {
    for caller in [Caller::User, Caller::Moderator, Caller::Service] {
        for method in ["PUT", "PATCH"] {
            let owned = Owned::new(collection, caller);
            let edit = |owner| owned.own(method, "/1", owner);
            assert_eq!(edit(None), (200, json!(USER)));
            assert_eq!(edit(Some(json!(USER))), (200, json!(USER)));
            if caller == Caller::User {
                assert_eq!(edit(Some(json!(null))).0, 403);
                assert_eq!(edit(Some(json!(OTHER))).0, 403);
                let stored = owned.task.get(&owned.writer.path(1)).json();
                assert_eq!(stored[owned.owner], USER);
            } else {
                assert_eq!(edit(Some(json!(null))).0, 422);
                assert_eq!(edit(Some(json!(OTHER))), (200, json!(OTHER)));
            }
        }
    }
}

/// A key (`Idempotency-Key`) is its caller's own, and a moderator is the same caller without that
/// role.
///
/// # Panics
/// When an answer is another.
pub fn a_key_is_its_callers_own(collection: Collection) {
    let owned = Owned::new(collection, Caller::User);
    let user = &owned.writer;
    let issuer = SigningKey::p256("k", 0);
    let of_user = |claims: &Value| Writer {
        token: issuer.token(claims),
        ..user.clone()
    };
    let (other, promoted) = (&of_user(&claims(OTHER)), &of_user(&moderator(USER)));
    let moderator = &Writer::new(collection, Caller::Moderator);
    let service = &Writer::new(collection, Caller::Service);
    let (named, unnamed) = (&owned.body(Some(json!(OTHER))), &owned.body(None));
    for (writer, body, expected) in [
        (user, unnamed, (201, Some("3"), false)),
        (other, unnamed, (201, Some("4"), false)),
        (moderator, named, (201, Some("5"), false)),
        (service, named, (201, Some("6"), false)),
        (user, unnamed, (201, Some("3"), true)),
        (promoted, unnamed, (201, Some("3"), true)),
        (other, unnamed, (201, Some("4"), true)),
        (moderator, named, (201, Some("5"), true)),
        (service, named, (201, Some("6"), true)),
        // It would be the same record, but it is another body.
        (other, named, (422, None, false)),
        (user, named, (403, None, false)),
    ] {
        let request = writer.write("POST", &writer.list(), body);
        let response = owned.task.ask(&request.header("Idempotency-Key", "k"));
        let location = response.headers.get("location");
        let location = location.and_then(|location| location.to_str().ok());
        let id = location.and_then(|location| location.rsplit('/').next());
        let replayed = response.headers.contains_key("idempotency-replayed");
        let met = (response.status, id, replayed);
        assert_eq!(met, expected, "{:?}: {body}", writer.caller);
    }
}

/// A service with a record of the user, and one of another, and who writes them.
#[derive(Debug)]
struct Owned {
    writer: Writer,
    owner: &'static str,
    task: Task,
}

impl Owned {
    fn new(collection: Collection, caller: Caller) -> Self {
        let owner = collection.owner.expect("the records have an owner");
        let writer = Writer::new(collection, caller);
        let records = [(1, USER), (2, OTHER)].map(|(id, user)| {
            let mut record = writer.record("kept");
            record["id"] = id.into();
            record[owner] = user.into();
            record
        });
        let binary = writer.binary();
        let task = binary
            .db(json!({collection.name: records}).to_string())
            .start();
        Self {
            writer,
            owner,
            task,
        }
    }

    /// A record as a client writes it, with this owner if any.
    fn body(&self, owner: Option<Value>) -> Value {
        let mut body = (self.writer.collection.members)("new");
        if let Some(owner) = owner {
            body[self.owner] = owner;
        }
        body
    }

    /// Writes a record with this owner, if any: the status, and the owner in the answer.
    fn own(&self, method: &str, path: &str, owner: Option<Value>) -> (u16, Value) {
        let (status, body) = self.write(method, path, &self.body(owner));
        (status, body[self.owner].clone())
    }

    /// The status and the body of the answer.
    fn write(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let target = format!("{}{path}", self.writer.list());
        let response = self.task.ask(&self.writer.write(method, &target, body));
        let body = if response.status == 204 {
            Value::Null
        } else {
            response.json()
        };
        (response.status, body)
    }
}

/// Makes the tests of who writes which record of a [`Collection`](crate::writes::Collection) whose
/// records have an owner. The argument is as in [`write_suite!`](crate::write_suite).
#[macro_export]
macro_rules! owner_suite {
    ($collection:path) => {
        $crate::owner_suite!(@tests $collection:
            each_caller_writes_what_they_may,
            an_owner_who_is_not_named_is_who_creates,
            an_owner_stays_and_only_moderators_and_the_service_change_it,
            a_key_is_its_callers_own,
        );
    };
    (@tests $collection:path: $($test:ident,)+) => {
        $(
            #[test]
            fn $test() {
                $crate::writes::owners::$test($collection());
            }
        )+
    };
}
