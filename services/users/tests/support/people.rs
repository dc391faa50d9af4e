//! A service with two people, for the tests of who writes and of pages in browsers.

use testkit::{Binary, issuer::SigningKey};

pub const SERVICE_KEY: &str = "s3cret-0123456789";

pub const DB: &str = r#"{"users":[
    {"id":3,"username":"finn","name":"Finn","bio":""},
    {"id":4,"username":"jake","name":"Jake","bio":""}
]}"#;

pub fn key() -> SigningKey {
    SigningKey::p256("k", 0)
}

/// The service with users 3 and 4, its own key, and an issuer that signs with [`key`].
pub fn service() -> Binary {
    let binary = Binary::new(env!("CARGO_BIN_EXE_users")).db(DB);
    binary.env("WRITE_TOKEN", SERVICE_KEY).users(&[&key()])
}
