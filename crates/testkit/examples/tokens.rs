//! Lets scripts start a service that takes user tokens, and gives them such tokens. Writes into a
//! directory: the issuer's keys (`jwks.json`), the service's settings as lines `NAME=VALUE`
//! (`settings`), and tokens of user 1 (`user`) and of a moderator (`moderator`), good for ten minutes.
//! usage: tokens DIRECTORY

use std::{env, error::Error, fs, path::PathBuf};

use testkit::issuer::{SigningKey, claims, key_set, moderator, settings};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).ok_or("usage: tokens DIRECTORY")?;
    let dir = PathBuf::from(dir);
    let key = SigningKey::p256("k", 0);
    let keys = dir.join("jwks.json");
    fs::write(&keys, key_set(&[&key]))?;
    let settings = settings(&keys).map(|(name, value)| format!("{name}={}\n", value.display()));
    fs::write(dir.join("settings"), settings.concat())?;
    fs::write(dir.join("user"), key.token(&claims(1)))?;
    fs::write(dir.join("moderator"), key.token(&moderator(5)))?;
    Ok(())
}
