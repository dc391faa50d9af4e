//! Settings, and the help that explains them.

use crate::{service, with_users};

#[test]
fn help_explains_every_setting() {
    let ended = service().arg("--help").run();
    assert!(ended.status.success());
    let help = ended.stdout.join("\n");
    // As one line, because clap wraps the text.
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in [
        "--port <PORT>",
        "[env: PORT=",
        "[default: 3000]",
        "--host <HOST>",
        "[env: HOST=",
        "[default: 0.0.0.0]",
        "--db <FILE>",
        "[env: DB_PATH=",
        "[default: db.json]",
        "--drain-delay <DURATION>",
        "DRAIN_DELAY=",
        "[default: 0s]",
        "--max-connections <NUMBER>",
        "MAX_CONNECTIONS=",
        "--cors-origins <ORIGINS>",
        "CORS_ORIGINS=",
        "--exit-with-stdin",
        "RUST_LOG",
        "verify",
        "healthcheck",
        "--write-token-file <FILE>",
        "WRITE_TOKEN_FILE=",
        "--max-collection-bytes <BYTES>",
        "MAX_COLLECTION_BYTES=",
        "[default: a sixth of the memory that the service may use]",
        "WRITE_TOKEN Token",
        "--write-token-next-file <FILE>",
        "--token-issuer <URL>",
        "TOKEN_ISSUER=",
        "--token-audience <NAME>",
        "TOKEN_AUDIENCE=",
        "--user-claim <NAME>",
        "USER_CLAIM=",
        "--jwks-file <FILE>",
        "JWKS_FILE=",
        "--jwks-url <URL>",
        "JWKS_URL=",
        "--write-scope <SCOPE>",
        "WRITE_SCOPE=",
        "--moderator-scope <SCOPE>",
        "MODERATOR_SCOPE=",
        "[default: forum:moderate]",
        "--user-writes-per-minute <NUMBER>",
        "USER_WRITES_PER_MINUTE=",
        "[default: 60]",
        "WRITE_TOKEN_NEXT_FILE=",
        "WRITE_TOKEN_NEXT The same for the second token",
        "--version",
    ] {
        assert!(words.contains(setting), "no {setting} in\n{help}");
    }
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
}

#[test]
fn version_names_the_service_its_version_and_revision() {
    let ended = service().arg("--version").run();
    assert!(ended.status.success());
    let version = concat!("users ", env!("CARGO_PKG_VERSION"), " (");
    assert!(ended.stdout[0].starts_with(version), "{:?}", ended.stdout);
}

#[test]
fn bad_values_are_refused_by_name() {
    let port = "expected a port from 0 to 65535";
    let host = "expected an IP address such as 0.0.0.0 or ::";
    let delay = "expected a duration such as 500ms or 5s";
    let connections = "expected a number from 1 on";
    let bytes = "expected a number of bytes from 1 on";
    let origin = "is not as browsers send it: write https://forum.example";
    let cors = ("CORS_ORIGINS", "--cors-origins");
    for (variable, flag, value, expected) in [
        ("PORT", "--port", "abc", port),
        ("PORT", "--port", "65536", port),
        ("PORT", "--port", "-1", port),
        ("PORT", "--port", "", port),
        ("HOST", "--host", "localhost", host),
        ("HOST", "--host", "1.2.3", host),
        ("HOST", "--host", "127.0.0.1:80", host),
        ("DRAIN_DELAY", "--drain-delay", "5", delay),
        ("DRAIN_DELAY", "--drain-delay", "-5s", delay),
        ("DRAIN_DELAY", "--drain-delay", "soon", delay),
        ("MAX_CONNECTIONS", "--max-connections", "0", connections),
        ("MAX_CONNECTIONS", "--max-connections", "-1", connections),
        ("MAX_CONNECTIONS", "--max-connections", "many", connections),
        ("MAX_COLLECTION_BYTES", "--max-collection-bytes", "0", bytes),
        (cors.0, cors.1, "https://forum.example/", origin),
        (cors.0, cors.1, "HTTPS://forum.example", origin),
        (cors.0, cors.1, "http://a.b,null", "name another"),
        (cors.0, cors.1, "http://a.b, http://c.d", "only a comma"),
        (cors.0, cors.1, "", "leave the setting out"),
        (
            "MAX_COLLECTION_BYTES",
            "--max-collection-bytes",
            "16M",
            bytes,
        ),
    ] {
        let by_flag = with_users(1).arg(format!("{flag}={value}")).run();
        let by_variable = with_users(1).env(variable, value).run();
        for ended in [by_flag, by_variable] {
            assert_eq!(ended.status.code(), Some(2), "{variable}={value}");
            let message = format!("error: invalid value '{value}' for '{flag} ");
            assert!(ended.stderr.starts_with(&message), "{}", ended.stderr);
            assert!(ended.stderr.contains(expected), "{}", ended.stderr);
            assert_eq!(ended.stdout, [""; 0]);
        }
    }
}

#[test]
fn a_bad_log_filter_is_refused_by_name() {
    for filter in ["users=loud", "a=b=c", "info,[", "=debug="] {
        let ended = with_users(1).env("RUST_LOG", filter).run();
        assert_eq!(ended.status.code(), Some(1), "{filter}");
        let message = format!("users: invalid value '{filter}' for RUST_LOG: ");
        assert!(ended.stderr.starts_with(&message), "{}", ended.stderr);
    }
}

#[test]
fn unknown_flags_and_commands_are_refused_by_name() {
    for argument in ["--prot=1", "serve"] {
        let ended = with_users(1).arg(argument).run();
        assert_eq!(ended.status.code(), Some(2));
        let name = argument.split('=').next().unwrap();
        assert!(ended.stderr.contains(name), "{}", ended.stderr);
    }
}
