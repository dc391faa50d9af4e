//! The settings for users' tokens.

use testkit::Binary;

use crate::{DB, edit, key, service, token_of};

fn refused(binary: &Binary) -> String {
    let ended = binary.run();
    assert!(!ended.status.success(), "it started");
    ended.stderr
}

#[test]
fn incomplete_settings_are_refused_by_name() {
    let plain = || Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    let all = ["TOKEN_ISSUER", "TOKEN_AUDIENCE", "USER_CLAIM", "JWKS_FILE"];
    for name in all {
        let said = refused(&plain().env(name, "x"));
        assert!(said.contains(&format!("{name} is set")), "{said}");
        for other in all.iter().filter(|other| **other != name) {
            assert!(said.contains(other), "no {other} in {said}");
        }
        if name == "JWKS_FILE" {
            continue;
        }
        // An empty text is none.
        let said = refused(&service().env(name, ""));
        assert!(
            said.contains(&format!("only with {name} as well")),
            "{said}"
        );
    }
    for name in ["WRITE_SCOPE", "MODERATOR_SCOPE", "USER_WRITES_PER_MINUTE"] {
        let said = refused(&plain().env(name, "7"));
        assert!(
            said.contains(&format!("{name} is set")) && said.contains("JWKS_FILE"),
            "{said}"
        );
    }
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    for (name, value, expected) in [
        (
            "WRITE_SCOPE",
            "two words",
            "invalid WRITE_SCOPE: expected one scope",
        ),
        ("WRITE_SCOPE", "quo\"te", "invalid WRITE_SCOPE"),
        ("MODERATOR_SCOPE", "ümlaut", "invalid MODERATOR_SCOPE"),
        ("JWKS_URL", "https://issuer.example/keys", "comes with TLS"),
    ] {
        let said = refused(&service().env(name, value));
        assert!(said.contains(name) && said.contains(expected), "{said}");
    }
    let said = refused(&service().env("USER_WRITES_PER_MINUTE", "0"));
    let expected = "--user-writes-per-minute <NUMBER>': expected a number from 1 on";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn users_write_also_where_the_service_has_no_key() {
    let binary = Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    let task = binary.users(&[&key()]).start();
    assert_eq!(edit(&task, 3, &token_of(3)).status, 200);
    assert_eq!(edit(&task, 4, &token_of(3)).status, 403);
    let document = task.get("/api/users/openapi.json").json();
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["userToken"]);
}

#[test]
fn all_settings_are_flags_too() {
    let binary = service();
    let keys = binary.dir().join("jwks.json");
    let flags = [
        "--token-issuer",
        testkit::issuer::ISSUER,
        "--token-audience",
        testkit::issuer::AUDIENCE,
        "--user-claim",
        testkit::issuer::USER_CLAIM,
        "--write-scope",
        "forum:write",
        "--moderator-scope",
        "admin",
        "--user-writes-per-minute",
        "1",
        "--jwks-file",
    ];
    let flagged = Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    let task = flagged.args(flags).arg(&keys).start();
    let mut claims = crate::claims(4);
    claims["scope"] = "forum:write admin".into();
    let token = key().token(&claims);
    assert_eq!(edit(&task, 3, &token_of(3)).status, 403);
    assert_eq!(edit(&task, 3, &token).status, 200);
    assert_eq!(edit(&task, 3, &token).status, 429);
}
