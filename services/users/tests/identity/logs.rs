//! What the log and the metrics say of callers, and what they keep to themselves.

use serde_json::Value;
use testkit::Request;

use crate::{SERVICE_KEY, edit, key, moderator, request, service, token_of};

const NEXT_KEY: &str = "the-key-that-comes-next";

#[test]
fn no_token_or_part_of_one_is_in_any_line_at_any_level() {
    let binary = service().env("WRITE_TOKEN_NEXT", NEXT_KEY);
    let task = binary.env("RUST_LOG", "trace").start();
    let good = [token_of(3), key().token(&moderator(4))];
    let mut expired = crate::claims(3);
    expired["exp"] = 1.into();
    let bad = [key().token(&expired), format!("{}x", token_of(4))];
    let mut shown = vec![SERVICE_KEY.to_owned(), NEXT_KEY.to_owned()];
    for token in good.iter().chain(&bad) {
        edit(&task, 3, token);
        shown.extend(token.split('.').map(str::to_owned));
    }
    edit(&task, 3, SERVICE_KEY);
    edit(&task, 3, NEXT_KEY);
    edit(&task, 3, "a-wrong-token-of-the-service");
    shown.push("a-wrong-token-of-the-service".to_owned());
    let read = Request::get("/api/users").header("Authorization", format!("Bearer {}", good[0]));
    assert_eq!(task.ask(&read).status, 200);
    let read = Request::get("/health/live").header("Authorization", format!("Bearer {}", good[0]));
    assert_eq!(task.ask(&read).status, 200);
    let ended = task.stop();
    let log = ended.stdout.join("\n") + &ended.stderr;
    assert!(
        log.contains("\"DEBUG\""),
        "health checks are logged at this level"
    );
    for token in shown {
        // Headers of tokens begin alike, so their parts are compared by their ends.
        let part = &token[token.len().saturating_sub(16)..];
        assert!(
            !log.contains(&token) && !log.contains(part),
            "{part} is in the log"
        );
    }
}

#[test]
fn the_access_log_names_the_caller_of_a_write() {
    let task = service().start();
    let caller = |status: u16| {
        let line = task.logged_where("the request", |line| line["status"] == status);
        line["caller"].clone()
    };
    edit(&task, 3, &token_of(3));
    assert_eq!(caller(200), "user:3");
    edit(&task, 4, &token_of(3));
    assert_eq!(caller(403), "user:3");
    let _ = task.ask(&request("DELETE", "/api/users/4", Some(SERVICE_KEY)));
    assert_eq!(caller(204), "service");
    edit(&task, 3, "wrong");
    assert_eq!(caller(401), "anonymous");
    let read = request("GET", "/api/users/x", Some(&token_of(3)));
    assert_eq!(task.ask(&read).status, 400);
    assert_eq!(
        caller(400),
        Value::from("anonymous"),
        "a read looks at no token"
    );
}

#[test]
fn refusals_are_counted_by_their_kind() {
    let task = service().env("USER_WRITES_PER_MINUTE", "2").start();
    let mut other = crate::claims(3);
    other["aud"] = "another".into();
    edit(&task, 3, &key().token(&other));
    edit(&task, 3, "x.y.z");
    edit(&task, 4, &token_of(3));
    edit(&task, 4, &token_of(3));
    edit(&task, 4, &token_of(3));
    let _ = task.ask(&Request::new("DELETE", "/api/users/3"));
    let metrics = task.get("/metrics");
    let metrics = metrics.text();
    for (reason, count) in [
        ("token_audience", 1),
        ("token_malformed", 1),
        ("not_allowed", 2),
        ("too_many_writes", 1),
        ("no_credentials", 1),
    ] {
        let line = format!("callers_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
}
