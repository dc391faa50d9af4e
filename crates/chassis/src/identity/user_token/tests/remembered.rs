//! Tokens that have been verified before.

use testkit::issuer::{SigningKey, key_set};

use super::{
    super::*,
    {NOW, expected, read, with},
};

fn tokens(dir: &tempfile::TempDir, signing: &[&SigningKey]) -> UserTokens {
    let path = dir.path().join("jwks.json");
    std::fs::write(&path, key_set(signing)).unwrap();
    UserTokens::open(Users {
        expected: expected(),
        jwks_file: path,
        writes_per_minute: std::num::NonZeroU32::MIN,
    })
    .unwrap()
}

#[test]
fn a_token_of_more_than_8_kib_is_refused_unread() {
    let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::p256("k", 0));
    let tokens = tokens(&dir, &[&key]);
    let of_length =
        |padding: usize| key.token(&with(&serde_json::json!({"x": "x".repeat(padding)})));
    let padding = (BYTES_MAX - of_length(0).len()) / 4 * 3;
    let fits = of_length(padding);
    assert!(fits.len() <= BYTES_MAX && fits.len() > BYTES_MAX - 8);
    assert_eq!(tokens.holder(fits.as_bytes(), NOW.into()).unwrap().user, 3);
    let long = of_length(padding + 6);
    let refused = tokens.holder(long.as_bytes(), NOW.into());
    assert_eq!(
        (long.len() > BYTES_MAX, refused),
        (true, Err(BadToken::TooLong))
    );
}

#[test]
fn a_verified_token_is_remembered_until_it_expires_or_the_keys_change() {
    let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::p256("k", 0));
    let tokens = tokens(&dir, &[&key]);
    let token = key.token(&with(&serde_json::json!({})));
    let holder = |now: u32| tokens.holder(token.as_bytes(), now.into());
    assert_eq!(holder(NOW).unwrap().user, 3);
    assert_eq!(tokens.verified.lock().unwrap().holders.len(), 1);
    assert_eq!(holder(NOW + 659).unwrap().user, 3);
    assert_eq!(holder(NOW + 660), Err(BadToken::Expired));
    std::fs::write(
        dir.path().join("jwks.json"),
        key_set(&[&SigningKey::p256("k", 1)]),
    )
    .unwrap();
    assert_eq!(holder(NOW).unwrap().user, 3);
    tokens.key_file.look_again();
    assert_eq!(holder(NOW), Err(BadToken::Signature));
    assert!(tokens.verified.lock().unwrap().holders.is_empty());
}

#[test]
fn a_bounded_number_of_tokens_is_remembered() {
    let (dir, key) = (tempfile::tempdir().unwrap(), SigningKey::p256("k", 0));
    let tokens = tokens(&dir, &[&key]);
    let holder = read(&key, &key.token(&with(&serde_json::json!({})))).unwrap();
    let mut number = 0_u64;
    let mut remember = |until: f64, tokens: &UserTokens| {
        number += 1;
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        let mut verified = tokens.verified.lock().unwrap();
        verified.remember(digest, Holder { until, ..holder }, NOW.into());
        verified.holders.len()
    };
    let (over, later) = (f64::from(NOW) - 1.0, f64::from(NOW) + 1.0);
    for _ in 0..REMEMBERED_MAX - 1 {
        remember(over, &tokens);
    }
    assert_eq!(remember(later, &tokens), REMEMBERED_MAX);
    assert_eq!(
        remember(later, &tokens),
        2,
        "those that have expired go first"
    );
    for _ in 0..3 * REMEMBERED_MAX {
        assert!(remember(later, &tokens) <= REMEMBERED_MAX);
    }
}
