//! Headers that all answers have. Most are checked with each answer, see `fixture`.

use crate::fixture::{all, users};

#[test]
fn a_harmless_request_id_is_kept() {
    for api in all() {
        for (target, status) in [(api.collection(), 200), ("/none".into(), 404)] {
            for id in ["a", "A-9_.z", &"x".repeat(128)] {
                let response = api.ask("GET", &target, &[("x-request-id", id)]);
                assert_eq!(response.status, status);
                assert_eq!(response.header("x-request-id"), id);
            }
        }
    }
}

#[test]
fn another_request_id_is_replaced() {
    let api = users();
    for id in ["", "a b", "a\"b", "a\tb", "a,b", &"x".repeat(129)] {
        let response = api.ask("GET", "/none", &[("x-request-id", id)]);
        let made = response.header("x-request-id");
        assert_ne!(made, id);
        assert!(
            made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{made}"
        );
    }
}

#[test]
fn each_request_gets_its_own_id() {
    let api = users();
    let ids: std::collections::HashSet<_> = (0..100)
        .map(|_| api.get("/").header("x-request-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 100);
}
