//! Tokens that other libraries make.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use testkit::{Binary, Task};

use crate::{DB, edit};

/// Starts the service with the keys that a script leaves in the directory.
fn service_with(dir: &Path) -> Task {
    let binary = Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    binary
        .env("TOKEN_ISSUER", testkit::issuer::ISSUER)
        .env("TOKEN_AUDIENCE", testkit::issuer::AUDIENCE)
        .env("USER_CLAIM", testkit::issuer::USER_CLAIM)
        .env("JWKS_FILE", dir.join("jwks.json"))
        .start()
}

/// Runs a script in a directory, which leaves `jwks.json`, and `tokens.json` with names and tokens.
fn run(dir: &Path, program: &str, arguments: &[&str]) {
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {arguments:?}: {said}");
}

fn assert_accepted(dir: &Path) {
    let task = service_with(dir);
    let tokens: Value =
        serde_json::from_slice(&fs::read(dir.join("tokens.json")).unwrap()).unwrap();
    let tokens = tokens.as_object().unwrap();
    assert!(!tokens.is_empty());
    for (name, token) in tokens {
        let token = token.as_str().unwrap();
        assert_eq!(edit(&task, 3, token).status, 200, "{name}");
        assert_eq!(edit(&task, 4, token).status, 403, "{name}");
        assert_eq!(edit(&task, 3, &format!("{token}AA")).status, 401, "{name}");
    }
}

#[test]
#[ignore = "needs Python with venv and PyPI: makes tokens with PyJWT"]
fn tokens_of_pyjwt_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("make.py"), include_str!("foreign/pyjwt.py")).unwrap();
    run(dir.path(), "python3", &["-m", "venv", "venv"]);
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "pyjwt[crypto]==2.10.1",
    ];
    run(dir.path(), "venv/bin/python", &pip);
    run(dir.path(), "venv/bin/python", &["make.py"]);
    assert_accepted(dir.path());
}

#[test]
#[ignore = "needs Node.js with npm: makes tokens with jose"]
fn tokens_of_jose_are_accepted() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("make.mjs"),
        include_str!("foreign/jose.mjs"),
    )
    .unwrap();
    run(
        dir.path(),
        "npm",
        &[
            "install",
            "--silent",
            "--no-fund",
            "--no-audit",
            "jose@5.9.6",
        ],
    );
    run(dir.path(), "node", &["make.mjs"]);
    assert_accepted(dir.path());
}
