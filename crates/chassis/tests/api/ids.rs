//! Records by id.

use common::Id;

use crate::fixture::all;

/// Segments of paths that are no ids, though many look like one.
const NO_IDS: [&str; 22] = [
    "abc",
    "1abc",
    "abc1",
    "0",
    "01",
    "00",
    "-1",
    "+1",
    "%2B1",
    "0x1",
    "1e3",
    "1.0",
    "1,2",
    "%201",
    "1%20",
    "1%00",
    "%EF%BC%91",
    "%FF",
    "null",
    "9007199254740992",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999999999",
];

#[test]
fn every_record_is_served_as_it_is_in_the_file() {
    for api in all() {
        for record in &api.records {
            let response = api.get(&format!("{}/{}", api.collection(), record["id"]));
            assert_eq!(response.status, 200);
            assert_eq!(response.body, record.to_string());
            assert_eq!(response.header("content-type"), "application/json");
        }
    }
}

#[test]
fn absent_records_are_not_found() {
    for api in all() {
        for id in [7, 61, Id::<()>::MAX] {
            let response = api.get(&format!("{}/{id}", api.collection()));
            assert_eq!(response.status, 404, "{} {id}", api.name);
            assert_eq!(response.problem(), "not-found");
            let singular = api.name.trim_end_matches('s');
            let detail = format!("{singular} {id} does not exist");
            assert_eq!(response.json()["detail"], detail);
        }
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for api in all() {
        let lists = api.lists_by.iter().map(|(path, _)| (*path).to_owned());
        for path in lists.chain([format!("{}/", api.collection())]) {
            for id in NO_IDS {
                let response = api.get(&format!("{path}{id}"));
                assert_eq!(response.status, 400, "{path}{id}");
                assert_eq!(response.problem(), "invalid-id", "{path}{id}");
            }
        }
    }
}

#[test]
fn a_percent_encoded_id_is_the_id() {
    for api in all() {
        let (plain, encoded) = (
            api.get(&format!("{}/12", api.collection())),
            api.get(&format!("{}/%31%32", api.collection())),
        );
        assert_eq!(encoded.status, 200);
        assert_eq!(encoded.body, plain.body);
    }
}

#[test]
fn query_parameters_of_a_record_are_ignored() {
    for api in all() {
        let response = api.get(&format!("{}/1?limit=x&id=2", api.collection()));
        assert_eq!(response.json()["id"], 1);
    }
}
