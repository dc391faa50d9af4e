//! The file with the issuer's keys.

use std::fs;

use testkit::{
    Binary, Task, eventually,
    issuer::{SigningKey, claims, key_set},
};

use crate::{edit, key, service};

fn status(task: &Task, key: &SigningKey) -> u16 {
    edit(task, 3, &key.token(&claims(3))).status
}

fn metric(task: &Task, name: &str) -> String {
    let metrics = task.get("/metrics");
    let metrics = metrics.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().to_owned()
}

/// Waits for the service to look at its keys, which it does every 10 s.
#[test]
fn keys_change_without_a_restart_and_a_bad_file_keeps_the_last_good_ones() {
    let (old, new) = (key(), SigningKey::rsa("new", 0));
    let binary = service().env("USER_WRITES_PER_MINUTE", "1000000");
    let file = binary.dir().join("jwks.json");
    let task = binary.start();
    assert_eq!((status(&task, &old), status(&task, &new)), (200, 401));
    assert_eq!(
        (
            metric(&task, "user_keys "),
            metric(&task, "user_keys_stale ")
        ),
        ("1".into(), "0".into())
    );

    fs::write(&file, key_set(&[&old, &new])).unwrap();
    eventually("both keys verify", || status(&task, &new) == 200);
    assert_eq!(status(&task, &old), 200);

    fs::write(&file, "{ broken").unwrap();
    let warning = task.logged_where("bad keys", |line| line["level"] == "WARN");
    let said = warning.to_string();
    assert!(
        said.contains("bad keys") && said.contains("jwks.json"),
        "{said}"
    );
    assert_eq!((status(&task, &old), status(&task, &new)), (200, 200));
    assert_eq!(metric(&task, "user_keys_stale "), "1");

    fs::write(&file, key_set(&[&new])).unwrap();
    eventually("the removed key is refused", || status(&task, &old) == 401);
    assert_eq!(status(&task, &new), 200);
    assert_eq!(
        (
            metric(&task, "user_keys "),
            metric(&task, "user_keys_stale ")
        ),
        ("1".into(), "0".into())
    );
}

#[test]
fn a_start_without_good_keys_is_refused_by_name() {
    let refused = |binary: &Binary| {
        let ended = binary.run();
        assert!(!ended.status.success(), "it started");
        ended.stderr
    };
    let binary = service();
    let file = binary.dir().join("jwks.json");
    for (text, expected) in [
        ("{", "line 1, column"),
        ("{}", "a list named keys"),
        (r#"{"keys":[]}"#, "no key in it verifies tokens"),
        (
            &*key_set(&[&SigningKey::short_rsa("short")]),
            "the key \"short\": has 1024 bits",
        ),
        (&"x".repeat(65 * 1024), "more than the 65536 bytes"),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&binary);
        assert!(
            said.contains("JWKS_FILE") && said.contains("jwks.json"),
            "{said}"
        );
        assert!(said.contains(expected), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let said = refused(&binary);
    assert!(
        said.contains("JWKS_FILE") && said.contains("No such file"),
        "{said}"
    );
}
