use serde_json::json;
use testkit::issuer::{SigningKey, key_set};

use super::*;

/// What is said of a set with this key, changed so.
fn refused(key: &SigningKey, change: impl Fn(&mut Value)) -> String {
    let mut key = key.public();
    change(&mut key);
    let set = json!({"keys": [key]}).to_string();
    format!("{:#}", KeySet::read(set.as_bytes()).unwrap_err())
}

#[test]
fn a_key_is_found_by_its_id_and_the_only_one_without() {
    let (rsa, p256) = (SigningKey::rsa("a", 0), SigningKey::p256("b", 0));
    let both = KeySet::read(key_set(&[&rsa, &p256]).as_bytes()).unwrap();
    assert_eq!(both.find(Some("a")).unwrap().algorithm, Algorithm::RS256);
    assert_eq!(both.find(Some("b")).unwrap().algorithm, Algorithm::ES256);
    assert!(both.find(Some("c")).is_none() && both.find(Some("")).is_none());
    assert!(both.find(None).is_none(), "of several keys none fits");
    let one = KeySet::read(key_set(&[&rsa]).as_bytes()).unwrap();
    assert!(one.find(None).is_some() && one.find(Some("b")).is_none());
    let nameless = SigningKey::p256("b", 0).without_id();
    let nameless = KeySet::read(key_set(&[&nameless]).as_bytes()).unwrap();
    assert!(nameless.find(None).is_some() && nameless.find(Some("b")).is_none());
}

/// As Keycloak publishes its keys: one to sign with, and one to encrypt with, with certificates.
#[test]
fn keys_of_other_kinds_and_for_other_uses_are_left_out() {
    let mut signing = SigningKey::rsa("sig-1", 0).public();
    let certificate = json!({"x5c": ["MIICmzCCAYMCBgF0"], "x5t": "5zDq", "x5t#S256": "kVwb"});
    for (name, value) in certificate.as_object().unwrap() {
        signing[name] = value.clone();
    }
    let mut encrypting = SigningKey::rsa("enc-1", 1).public();
    encrypting["use"] = "enc".into();
    encrypting["alg"] = "RSA-OAEP".into();
    let mut other = SigningKey::rsa("pss", 1).public();
    other["alg"] = "PS256".into();
    let mut wraps = SigningKey::p256("wraps", 1).public();
    wraps["key_ops"] = json!(["wrapKey"]);
    let curve = json!({"kty": "EC", "crv": "P-384", "kid": "p384", "x": "AA", "y": "AA"});
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "AA"});
    let secret = json!({"kty": "oct", "kid": "hs", "k": "c2VjcmV0"});
    let keys = json!([encrypting, signing, other, wraps, curve, okp, secret]);
    let set = KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 1);
    assert!(set.find(None).is_some() && set.find(Some("sig-1")).is_some());
}

#[test]
fn weak_private_and_broken_keys_are_refused_by_name() {
    let (rsa, p256) = (SigningKey::rsa("a", 0), SigningKey::p256("b", 0));
    let short = SigningKey::short_rsa("short");
    let zero = "AA".repeat(20);
    for (said, expected) in [
        (
            refused(&short, |_| {}),
            "the key \"short\": has 1024 bits; expected 2048 to 4096",
        ),
        (
            refused(&rsa, |key| key["n"] = "_w".repeat(400).into()),
            "bits; expected 2048 to 4096",
        ),
        (
            refused(&rsa, |key| key["e"] = "AQ".into()),
            "has an exponent",
        ),
        (
            refused(&rsa, |key| key["e"] = "AQAA".into()),
            "has an exponent",
        ),
        (
            refused(&rsa, |key| key["n"] = "n+/=".into()),
            "not base64url",
        ),
        (
            refused(&rsa, |key| key["e"] = Value::Null),
            "lacks a number",
        ),
        (
            refused(&rsa, |key| key["d"] = "AQ".into()),
            "\"a\": is private",
        ),
        (
            refused(&p256, |key| key["d"] = "AQ".into()),
            "\"b\": is private",
        ),
        (
            refused(&p256, |key| key["y"] = key["x"].clone()),
            "is not on the curve P-256",
        ),
        (
            refused(&p256, |key| key["x"] = zero.as_str().into()),
            "is not on the curve P-256",
        ),
        (
            refused(&p256, |key| key["use"] = "enc".into()),
            "no key in it verifies tokens",
        ),
        (
            refused(&p256, |key| key["kid"] = 7.into()),
            "key number 1 has no kty, or members",
        ),
    ] {
        assert!(said.contains(expected), "{said:?} has no {expected:?}");
    }
    let twice = key_set(&[&rsa, &SigningKey::p256("a", 0)]);
    let said = KeySet::read(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(said, "the key \"a\" is there twice");
    for text in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[7]}",
    ] {
        assert!(KeySet::read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn bits_are_counted_from_the_first_that_is_set() {
    for (number, expected) in [
        (&[][..], 0),
        (&[0, 0], 0),
        (&[1], 1),
        (&[0, 0xff], 8),
        (&[0x80, 0], 16),
    ] {
        assert_eq!(bits(number), expected, "{number:?}");
    }
}
