//! Who writes which record of a collection whose records have an owner. The services of such
//! collections are tested alike.

use serde_json::{Value, json};

use crate::{
    Binary, Request, Response, Task,
    issuer::{SigningKey, claims, moderator},
};

const SERVICE_KEY: &str = "a-token-for-the-tests-of-owners";

/// A collection whose records have an owner.
#[derive(Debug, Clone)]
pub struct Owned {
    /// The service's binary.
    pub binary: &'static str,
    /// The collection's name.
    pub collection: &'static str,
    /// The member that names the owner.
    pub owner: &'static str,
    /// The other members of a record, as a client writes them.
    pub members: Value,
    /// A change of such a record that does not name the owner.
    pub change: Value,
}

impl Owned {
    /// Checks that users create, change and delete what they own, and that moderators and the
    /// service do that with everything.
    ///
    /// # Panics
    /// When an answer is another.
    pub fn each_caller_writes_what_they_may(&self) {
        for (token, expected) in tokens().iter().zip([
            [201, 200, 200, 403, 403, 404, 204, 403],
            [201, 200, 200, 200, 200, 404, 204, 204],
            [201, 200, 200, 200, 200, 404, 204, 204],
        ]) {
            let task = self.start();
            let (new, whole, part) = (self.body(Some(json!(3))), self.body(None), &self.change);
            let met = [
                ("POST", "", &new),
                ("PUT", "/1", &whole),
                ("PATCH", "/1", part),
                ("PUT", "/2", &whole),
                ("PATCH", "/2", part),
                ("PATCH", "/9", part),
                ("DELETE", "/1", part),
                ("DELETE", "/2", part),
            ]
            .map(|(method, path, body)| self.write(&task, token, method, path, body).status);
            assert_eq!(met, expected);
        }
    }

    /// Checks that who creates a record without naming its owner is the owner.
    ///
    /// # Panics
    /// When an answer is another.
    pub fn an_owner_who_is_not_named_is_who_creates(&self) {
        let task = self.start();
        let [user, moderator, service] = tokens();
        let create = |token: &str, owner| self.own(&task, token, "POST", "", owner);
        assert_eq!(create(&user, None), (201, json!(3)));
        assert_eq!(create(&user, Some(json!(3))), (201, json!(3)));
        assert_eq!(create(&user, Some(json!(4))).0, 403);
        assert_eq!(create(&user, Some(json!(null))).0, 403);
        assert_eq!(create(&moderator, None), (201, json!(5)));
        assert_eq!(create(&moderator, Some(json!(4))), (201, json!(4)));
        assert_eq!(create(&service, Some(json!(4))), (201, json!(4)));
        // The service is no user.
        assert_eq!(create(&service, None).0, 422);
    }

    /// Checks that an owner stays where none is named, and that users do not change it.
    ///
    /// # Panics
    /// When an answer is another.
    pub fn an_owner_stays_and_only_moderators_and_the_service_change_it(&self) {
        let [user, moderator, service] = tokens();
        for (token, allowed) in [(user, false), (moderator, true), (service, true)] {
            for method in ["PUT", "PATCH"] {
                let task = self.start();
                let edit = |owner| self.own(&task, &token, method, "/1", owner);
                assert_eq!(edit(None), (200, json!(3)));
                assert_eq!(edit(Some(json!(3))), (200, json!(3)));
                if allowed {
                    assert_eq!(edit(Some(json!(null))).0, 422);
                    assert_eq!(edit(Some(json!(4))), (200, json!(4)));
                } else {
                    assert_eq!(edit(Some(json!(null))).0, 403);
                    assert_eq!(edit(Some(json!(4))).0, 403);
                    let stored = task.get(&format!("/api/{}/1", self.collection)).json();
                    assert_eq!(stored[self.owner], 3);
                }
            }
        }
    }

    /// Starts the service. Record 1 is user 3's, and record 2 is user 4's.
    fn start(&self) -> Task {
        let records = [(1, 3), (2, 4)].map(|(id, owner)| {
            let mut record = self.body(Some(json!(owner)));
            record["id"] = id.into();
            record
        });
        let binary = Binary::new(self.binary).env("WRITE_TOKEN", SERVICE_KEY);
        let binary = binary.db(json!({self.collection: records}).to_string());
        binary.users(&[&SigningKey::p256("k", 0)]).start()
    }

    /// A record as a client writes it, with this owner if any.
    fn body(&self, owner: Option<Value>) -> Value {
        let mut body = self.members.clone();
        if let Some(owner) = owner {
            body[self.owner] = owner;
        }
        body
    }

    /// Writes a record with this owner, if any: the status, and the owner in the answer.
    fn own(
        &self,
        task: &Task,
        token: &str,
        method: &str,
        path: &str,
        owner: Option<Value>,
    ) -> (u16, Value) {
        let response = self.write(task, token, method, path, &self.body(owner));
        (response.status, response.json()[self.owner].clone())
    }

    fn write(&self, task: &Task, token: &str, method: &str, path: &str, body: &Value) -> Response {
        let target = format!("/api/{}{path}", self.collection);
        let request = Request::new(method, &target);
        let request = request.header("Authorization", format!("Bearer {token}"));
        task.ask(&request.body("application/json", body.to_string()))
    }
}

/// The tokens of user 3, of moderator 5 and of the service.
fn tokens() -> [String; 3] {
    let key = SigningKey::p256("k", 0);
    let service = SERVICE_KEY.to_owned();
    [key.token(&claims(3)), key.token(&moderator(5)), service]
}
