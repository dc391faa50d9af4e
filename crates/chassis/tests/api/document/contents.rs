//! The API's document.

use std::collections::BTreeSet;

use common::Problem;
use serde_json::Value;

use crate::fixture::{Api, Writes, all, all_in};

fn document(api: &Api) -> Value {
    api.get(&format!("{}/openapi.json", api.collection()))
        .json()
}

/// The name of a record's schema.
fn record(api: &Api) -> String {
    let (initial, rest) = api.name.trim_end_matches('s').split_at(1);
    initial.to_uppercase() + rest
}

/// The routes of the service, as the metrics name them: each has a histogram from the start.
fn routes(api: &Api) -> BTreeSet<String> {
    let metrics = api.get("/metrics");
    let text = std::str::from_utf8(&metrics.body).unwrap();
    let route = |line: &str| {
        let label = line.strip_prefix("http_request_duration_seconds_count{route=\"")?;
        Some(label.split_once('"')?.0.to_owned())
    };
    text.lines().filter_map(route).collect()
}

#[test]
fn the_document_names_its_format_and_the_service() {
    for api in all() {
        let document = document(&api);
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["title"], format!("forum: {}", api.name));
        assert_eq!(document["info"]["version"], "1.2.3");
    }
}

#[test]
fn the_document_describes_the_routes_of_the_collection_and_no_others() {
    for api in all() {
        let document = document(&api);
        let documented = document["paths"].as_object().unwrap().keys().cloned();
        let itself = format!("{}/openapi.json", api.collection());
        let mut served = routes(&api);
        served.retain(|route| route.starts_with(&api.collection()) && *route != itself);
        assert_eq!(documented.collect::<BTreeSet<_>>(), served);
    }
}

#[test]
fn a_read_only_service_documents_reads_alone() {
    for api in all() {
        for (path, item) in document(&api)["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                assert!(
                    ["get", "parameters", "x-other-methods"].contains(&&**method),
                    "{method} {path}"
                );
            }
        }
    }
}

#[test]
fn the_document_lists_every_type_of_problem() {
    let urns = Problem::ALL.map(Problem::urn);
    for api in all_in(Writes::ByUsers) {
        let document = document(&api);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let types = schemas
            .values()
            .filter_map(|schema| schema["properties"]["type"]["const"].as_str());
        assert_eq!(types.collect::<BTreeSet<_>>(), BTreeSet::from(urns));
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    for api in all() {
        let document = document(&api);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

#[test]
fn operation_ids_are_unique_and_well_formed() {
    for api in all() {
        let document = document(&api);
        let operations = document["paths"].as_object().unwrap().values();
        let ids: Vec<_> = operations
            .map(|item| item["get"]["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{ids:?}"
        );
        assert!(
            ids.iter().all(|id| id.chars().all(char::is_alphanumeric)),
            "{ids:?}"
        );
    }
}

#[test]
fn the_records_are_as_documented() {
    for api in all() {
        let schema = &document(&api)["components"]["schemas"][record(&api)];
        for (name, member) in schema["properties"].as_object().unwrap() {
            assert!(member["description"].is_string(), "{name}: {member}");
            let expected = match &api.records[0][name] {
                Value::Number(_) => "integer",
                // A string, or a timestamp, which these records do not have.
                _ => "string",
            };
            assert_eq!(member["type"], expected, "{name}: {member}");
            let by_the_server = ["id", "createdAt", "updatedAt"].contains(&&**name);
            assert_eq!(member["readOnly"] == true, by_the_server, "{name}");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(
                api.records[0].get(name.as_str().unwrap()).is_some(),
                "{name}"
            );
        }
    }
}

#[test]
fn every_answer_with_a_body_has_an_example() {
    fn check(value: &Value) {
        match value {
            Value::Object(members) => {
                let contents = members.get("content").and_then(Value::as_object);
                for content in contents.into_iter().flat_map(serde_json::Map::values) {
                    let example = content.get("example").or(content.get("examples"));
                    assert!(example.is_some(), "{content}");
                }
                members.values().for_each(check);
            }
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    for writes in [Writes::Refused, Writes::ByUsers] {
        for api in all_in(writes) {
            check(&document(&api));
        }
    }
}

/// The schemes of the operations that write, and those that are declared.
fn schemes(api: &Api) -> (BTreeSet<String>, BTreeSet<String>) {
    let document = document(api);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect();
    let declared = names(&document["components"]["securitySchemes"]);
    let asked = &document["paths"][api.collection()]["post"]["security"];
    let asked = asked
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| -> BTreeSet<_> { names(one) });
    (asked.collect(), declared)
}

#[test]
fn the_document_names_who_writes_as_the_service_is_configured() {
    for (writes, expected) in [
        (Writes::Taken, &["serviceKey"][..]),
        (Writes::ByUsers, &["serviceKey", "userToken"]),
    ] {
        for api in all_in(writes) {
            let expected: BTreeSet<_> = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(schemes(&api), (expected.clone(), expected));
            let components = &document(&api)["components"];
            let by_users = writes == Writes::ByUsers;
            let responses = components["responses"].as_object().unwrap();
            for name in ["Forbidden", "TooManyRequests"] {
                assert_eq!(responses.contains_key(name), by_users, "{name}");
            }
            // Users may leave out who they are.
            let owner = match api.name {
                "threads" => "createdBy",
                "posts" => "user",
                _ => continue,
            };
            let required = |schema: &str| {
                let required = &components["schemas"][schema]["required"];
                required
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|name| name == owner)
            };
            let one = record(&api);
            assert_eq!(required(&format!("New{one}")), !by_users);
            assert!(!required(&format!("{one}Replacement")));
        }
    }
}
