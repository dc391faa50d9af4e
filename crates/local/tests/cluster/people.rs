//! Tokens with which people write to a writable cluster.

use std::fs;
use std::os::unix::fs::MetadataExt;

use jsonwebtoken::dangerous::insecure_decode;
use serde_json::{Value, json};
use testkit::{Connection, Request, Response};
use tokio::process::Command;

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
    assert_eq!(user["aud"], json!(["users", "threads", "posts"]));
    let moderator = claims(&cluster, &["--user", "4", "--moderator", "--for", "5m"]).await;
    assert_eq!(moderator["scope"], "forum:moderate");
    assert_eq!(
        moderator["exp"].as_i64().unwrap() - moderator["iat"].as_i64().unwrap(),
        300
    );
    assert_eq!(fs::metadata(&cluster.socket).unwrap().mode() & 0o777, 0o600);

    let root = cluster.root.as_ref().unwrap().path();
    let key_set = root.join("target/local/jwks.json");
    let keys: Value = serde_json::from_slice(&fs::read(&key_set).unwrap()).unwrap();
    assert_eq!(keys["keys"][0].get("d"), None, "a private key: {keys}");
    for pid in cluster.pids("posts").await {
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let mut names: Vec<_> = environment.split_terminator('\0').collect();
        names.retain(|variable| !variable.starts_with("RUST_"));
        names.sort_unstable();
        let file = |name: &str| root.join("target/local").join(name).display().to_string();
        assert_eq!(
            names,
            [
                &format!("JWKS_FILE={}", file("jwks.json")),
                "TOKEN_AUDIENCE=posts",
                "TOKEN_ISSUER=urn:forum:local",
                "USER_CLAIM=forum_user",
                &format!("WRITE_TOKEN_FILE={}", file("posts.token")),
            ]
        );
    }
}

#[tokio::test]
async fn the_printed_commands_ask_this_cluster_for_a_token() {
    let setup = Setup::new().arg("--writable").arg("--port").arg("0");
    let mut command = setup.command();
    // Without this variable of cargo, `local` prints its own path instead of `cargo run`.
    command.env_remove("CARGO");
    let socket = setup.root.path().join("target/local.sock");
    let mut cluster = Cluster::start(command, socket, Some(setup.root)).await;
    for (variable, user) in [("USER_TOKEN", 1), ("MODERATOR_TOKEN", 2)] {
        let export = format!("export {variable}=");
        cluster
            .line(&[&export], |line| line.starts_with(&export))
            .await;
        // The line after it ends the command.
        cluster
            .line(&["curl"], |line| line.starts_with("curl "))
            .await;
        let lines = cluster.output();
        let at = lines.iter().position(|line| line.starts_with(&export));
        let line = lines[at.unwrap()..][..2].join("\n");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{line}; echo ${variable}")]);
        let output = shell.output().await.unwrap();
        let token = text(&output.stdout).trim_end().to_owned();
        let claims = insecure_decode::<Value>(&token).expect(&line).claims;
        assert_eq!(claims["forum_user"], user, "{line}");
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

/// Sends a request with this token through the load balancer.
fn send(cluster: &Cluster, token: &str, method: &str, path: &str, body: &Value) -> Response {
    let request = Request::new(method, path)
        .header("Authorization", format!("Bearer {token}"))
        .body("application/json", body.to_string());
    let mut connection = Connection::open(cluster.addr).unwrap();
    connection.ask(&request)
}

async fn token(cluster: &Cluster, args: &[&str]) -> String {
    let output = cluster.ask(&[&["token"], args].concat()).await;
    text(&output.stdout).trim_end().to_owned()
}

#[tokio::test]
async fn people_write_as_themselves_and_edit_only_what_is_theirs() {
    let setup = Setup::with_services().await.arg("--writable");
    let cluster = setup.start().await;
    let users = [1, 2, 3];
    let mut tokens = Vec::new();
    for user in users {
        tokens.push(token(&cluster, &["--user", &user.to_string()]).await);
    }
    let moderator = token(&cluster, &["--user", "4", "--moderator"]).await;

    let mut paths = Vec::new();
    for (user, token) in users.iter().zip(&tokens) {
        let new = json!({"title": format!("A thread of user {user}")});
        let thread = send(&cluster, token, "POST", "/api/threads", &new);
        assert_eq!(
            (thread.status, &thread.json()["createdBy"]),
            (201, &json!(user))
        );
        let new = json!({"thread": thread.json()["id"], "text": "Its first post"});
        let post = send(&cluster, token, "POST", "/api/posts", &new);
        assert_eq!((post.status, &post.json()["user"]), (201, &json!(user)));
        let (thread, post) = (thread.header("location"), post.header("location"));
        paths.push([
            thread.to_owned(),
            post.to_owned(),
            format!("/api/users/{user}"),
        ]);
    }
    // A new task knows the key, too.
    assert!(cluster.ask(&["restart", "posts"]).await.status.success());
    let change = |path: &str| match path.split('/').nth(2) {
        Some("users") => json!({"bio": "Changed"}),
        Some("threads") => json!({"title": "Changed"}),
        _ => json!({"text": "Changed"}),
    };
    for (owner, paths) in paths.iter().enumerate() {
        for path in paths {
            for (writer, token) in tokens.iter().enumerate() {
                let status = if writer == owner { 200 } else { 403 };
                let changed = send(&cluster, token, "PATCH", path, &change(path));
                assert_eq!(changed.status, status, "user {} and {path}", users[writer]);
            }
            let changed = send(&cluster, &moderator, "PATCH", path, &change(path));
            assert_eq!(changed.status, 200, "the moderator and {path}");
        }
        let [thread, post, user] = paths;
        let delete = |path| send(&cluster, &tokens[owner], "DELETE", path, &json!({})).status;
        assert_eq!(
            (delete(thread), delete(post), delete(user)),
            (204, 204, 403)
        );
    }
    let new = json!({"username": "new", "name": "New", "bio": ""});
    assert_eq!(
        send(&cluster, &tokens[0], "POST", "/api/users", &new).status,
        403
    );
    assert_eq!(
        send(&cluster, &moderator, "POST", "/api/users", &new).status,
        201
    );
}
