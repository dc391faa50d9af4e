//! Writes of a service, by every caller who may: the service's key, a moderator, and a user who
//! writes a record of their own. All services are tested alike. [`write_suite!`](crate::write_suite)
//! makes the tests.

pub mod bodies;
pub mod conditions;
pub mod owners;
pub mod records;

use serde_json::{Value, json};

use crate::{
    Binary, Request, Response, Task,
    issuer::{self, SigningKey},
};

const SERVICE_KEY: &str = "a-key-of-the-service-under-test";

/// The user who owns the record with id 1.
const USER: u64 = 1;

const MODERATOR: u64 = 5;

/// The times of the record with id 1.
const TIME: &str = "2026-03-04T09:12:33.360Z";

/// A collection whose writes are tested.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// The service's binary.
    pub binary: &'static str,
    /// The collection's name.
    pub name: &'static str,
    /// The member that names the owner. Without one, a record is its own owner: users neither create
    /// nor delete it.
    pub owner: Option<&'static str>,
    /// The members of a record as a client writes them, without its owner. A record with another
    /// word is another record.
    pub members: fn(word: &str) -> Value,
    /// A member that may be any visible text of up to 200 characters.
    pub text: &'static str,
    /// Members, as JSON text, of which the model refuses each.
    pub wrong: &'static str,
    /// The pointers to these members, in the order of the model.
    pub wrong_pointers: &'static [&'static str],
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The service's own key.
    Service,
    /// A moderator, who does not own the record with id 1.
    Moderator,
    /// The user who owns the record with id 1.
    User,
}

/// A caller who writes a collection.
#[derive(Debug, Clone)]
pub struct Writer {
    collection: Collection,
    caller: Caller,
    token: String,
}

impl Writer {
    /// This caller, with a good token.
    #[must_use]
    pub fn new(collection: Collection, caller: Caller) -> Self {
        let key = SigningKey::p256("k", 0);
        let token = match caller {
            Caller::Service => SERVICE_KEY.to_owned(),
            Caller::Moderator => key.token(&issuer::moderator(MODERATOR)),
            Caller::User => key.token(&issuer::claims(USER)),
        };
        Self {
            collection,
            caller,
            token,
        }
    }

    /// Whether the caller may create and delete records of this collection.
    #[must_use]
    pub fn creates_and_deletes(&self) -> bool {
        self.caller != Caller::User || self.collection.owner.is_some()
    }

    /// The methods that change a record and that the caller may use.
    fn changes(&self) -> &'static [&'static str] {
        if self.creates_and_deletes() {
            &["PUT", "PATCH", "DELETE"]
        } else {
            &["PUT", "PATCH"]
        }
    }

    /// The service, which every caller may write to. Without a `db.json` it starts empty.
    #[must_use]
    pub fn binary(&self) -> Binary {
        let binary = Binary::new(self.collection.binary).env("WRITE_TOKEN", SERVICE_KEY);
        let binary = binary.users(&[&SigningKey::p256("k", 0)]);
        // A test writes as often as it likes.
        binary.env("USER_WRITES_PER_MINUTE", "1000000")
    }

    /// The service with one record, of the word `first`. Its id is 1, and its owner is the user.
    #[must_use]
    pub fn start(&self) -> Task {
        self.start_with("")
    }

    /// The same, with more members in the record: the end of its JSON text.
    fn start_with(&self, more: &str) -> Task {
        let mut record = self.record("first");
        record["id"] = 1.into();
        record["createdAt"] = TIME.into();
        record["updatedAt"] = TIME.into();
        let record = record.to_string();
        let record = record.trim_end_matches('}');
        let db = format!("{{\"{}\":[{record}{more}}}]}}", self.collection.name);
        self.binary().db(db).start()
    }

    /// A record as a client writes it. It names the user as its owner.
    #[must_use]
    pub fn record(&self, word: &str) -> Value {
        let mut record = (self.collection.members)(word);
        if let Some(owner) = self.collection.owner {
            record[owner] = USER.into();
        }
        record
    }

    /// A merge patch that sets the member of any text.
    fn change(&self, text: &str) -> Value {
        json!({self.collection.text: text})
    }

    /// The path of the collection.
    fn list(&self) -> String {
        format!("/api/{}", self.collection.name)
    }

    /// The path of the record with this id.
    fn path(&self, id: u64) -> String {
        format!("/api/{}/{id}", self.collection.name)
    }

    /// The path that this method writes to: the collection's, or that of the record with id 1.
    fn target(&self, method: &str) -> String {
        match method {
            "POST" => self.list(),
            _ => self.path(1),
        }
    }

    /// A request of the caller.
    #[must_use]
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).header("Authorization", format!("Bearer {}", self.token))
    }

    /// A request of the caller with a body.
    #[must_use]
    pub fn write(&self, method: &str, target: &str, body: &Value) -> Request {
        let request = self.request(method, target);
        request.body("application/json", body.to_string())
    }

    /// Sends this text as a new record.
    #[must_use]
    pub fn create(&self, task: &Task, text: &str) -> Response {
        let request = self.request("POST", &self.list());
        task.ask(&request.body("application/json", text))
    }
}

/// Makes the tests of a [`Collection`](crate::writes::Collection)'s writes, in a module for each
/// [`Caller`](crate::writes::Caller). The argument is the path of a function, from the crate's root,
/// that describes the collection.
#[macro_export]
macro_rules! write_suite {
    ($collection:path) => {
        $crate::write_suite!(@caller $collection, service, Service);
        $crate::write_suite!(@caller $collection, moderator, Moderator);
        $crate::write_suite!(@caller $collection, user, User);
    };
    (@caller $collection:path, $module:ident, $caller:ident) => {
        mod $module {
            $crate::write_suite!(@tests $collection, $caller, records:
                a_record_is_created_by_those_who_may,
                a_record_is_replaced_and_patched,
                a_record_is_deleted_by_those_who_may,
                a_record_that_is_not_there_is_not_written,
                numbers_and_unknown_members_of_the_file_stay_as_they_are,
                times_may_be_repeated_in_any_spelling,
            );
            $crate::write_suite!(@tests $collection, $caller, bodies:
                every_hostile_new_record_is_its_own_problem,
                every_hostile_edit_is_its_own_problem,
                other_media_types_are_refused_with_those_that_are_not,
                a_chunked_body_is_bounded_too,
            );
            $crate::write_suite!(@tests $collection, $caller, conditions:
                if_match_keeps_two_clients_from_overwriting_each_other,
                if_match_compares_octets,
                if_none_match_refuses_what_it_names,
                a_malformed_if_none_match_refuses_every_write,
            );
        }
    };
    (@tests $collection:path, $caller:ident, $area:ident: $($test:ident,)+) => {
        mod $area {
            use $crate::writes::{Caller, Writer, $area};

            $(
                #[test]
                fn $test() {
                    $area::$test(&Writer::new($collection(), Caller::$caller));
                }
            )+
        }
    };
}
