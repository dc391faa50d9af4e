//! Tokens with which people write to a writable cluster.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::Value;

use crate::support::cluster::{Cluster, Setup};
use crate::support::text;

/// The claims of the token that `local` prints.
async fn claims(cluster: &Cluster, args: &[&str]) -> Value {
    let output = cluster.ask(&[&["token"], args].concat()).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let token = printed.strip_suffix('\n').unwrap();
    insecure_decode::<Value>(token).unwrap().claims
}

#[tokio::test]
async fn a_writable_cluster_signs_tokens_and_gives_its_tasks_the_public_key() {
    let cluster = Setup::new().arg("--writable").start().await;
    let user = claims(&cluster, &["--user", "3"]).await;
    assert_eq!(
        (&user["forum_user"], &user["scope"]),
        (&3.into(), &Value::Null)
    );
    assert_eq!(
        user["aud"],
        serde_json::json!(["users", "threads", "posts"])
    );
    let moderator = claims(&cluster, &["--user", "4", "--moderator", "--for", "5m"]).await;
    assert_eq!(moderator["scope"], "forum:moderate");
    assert_eq!(
        moderator["exp"].as_i64().unwrap() - moderator["iat"].as_i64().unwrap(),
        300
    );
    assert_eq!(fs::metadata(&cluster.socket).unwrap().mode() & 0o777, 0o600);

    let root = cluster.root.as_ref().unwrap().path();
    let key_set = root.join("data/jwks.json");
    let keys: Value = serde_json::from_slice(&fs::read(&key_set).unwrap()).unwrap();
    assert_eq!(keys["keys"][0].get("d"), None, "a private key: {keys}");
    for pid in cluster.pids("posts").await {
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let mut names: Vec<_> = environment.split_terminator('\0').collect();
        names.retain(|variable| !variable.starts_with("RUST_"));
        names.sort_unstable();
        let file = |name: &str| root.join("data").join(name).display().to_string();
        assert_eq!(
            names,
            [
                &format!("JWKS_FILE={}", file("jwks.json")),
                "TOKEN_AUDIENCE=posts",
                "TOKEN_ISSUER=urn:forum:local",
                "USER_CLAIM=forum_user",
                &format!("WRITE_TOKEN_FILE={}", file("posts/write-token")),
            ]
        );
    }
}

#[tokio::test]
async fn a_cluster_that_only_reads_signs_no_token() {
    let cluster = Setup::new().start().await;
    let output = cluster.ask(&["token", "--user", "3"]).await;
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("start it with --writable"), "{error}");
    for (args, fault) in [
        (&["token"][..], "--user <ID>"),
        (&["token", "--user", "0"], "1..=9007199254740991"),
        (&["token", "--user", "3", "--for", "soon"], "such as 15m"),
    ] {
        let output = cluster.ask(args).await;
        let error = text(&output.stderr);
        assert!(error.contains(fault), "{error}");
    }
    assert_eq!(fs::metadata(&cluster.socket).unwrap().mode() & 0o777, 0o600);
}
