mod remembered;

use serde_json::{Value, json};
use testkit::issuer::{self, SigningKey, claims, encode, key_set, moderator};

use super::*;

const NOW: u32 = 1_900_000_000;

fn expected() -> Expected {
    Expected {
        issuer: issuer::ISSUER.to_owned(),
        audience: issuer::AUDIENCE.to_owned(),
        user_claim: issuer::USER_CLAIM.to_owned(),
        write_scope: None,
        moderator_scope: "forum:moderate".to_owned(),
    }
}

fn keys(keys: &[&SigningKey]) -> KeySet {
    KeySet::read(key_set(keys).as_bytes()).unwrap()
}

/// The claims of user 3, good at `NOW`, changed so.
fn with(changes: &Value) -> Value {
    let mut claims = claims(3);
    claims["exp"] = (NOW + 600).into();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// What becomes of a token at `NOW`, whose only key is this one.
fn read(key: &SigningKey, token: &str) -> Result<Holder, BadToken> {
    verify(token.as_bytes(), &keys(&[key]), &expected(), NOW.into())
}

/// The same for a good token with claims that are changed so.
fn said(changes: &Value) -> Result<u64, BadToken> {
    let key = SigningKey::p256("k", 0);
    read(&key, &key.token(&with(changes))).map(|holder| holder.user)
}

/// The same for a token with a header that is changed so.
fn said_of_header(name: &str, value: Value) -> Result<u64, BadToken> {
    let key = SigningKey::p256("k", 0);
    let mut header = key.header();
    match value {
        Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
        value => header[name] = value,
    }
    let token = key.token_with(&header, &with(&json!({})));
    read(&key, &token).map(|holder| holder.user)
}

#[test]
fn tokens_of_both_algorithms_say_whom_they_are_for() {
    for key in [SigningKey::rsa("k", 0), SigningKey::p256("k", 0)] {
        let holder = read(&key, &key.token(&with(&json!({})))).unwrap();
        assert_eq!(
            (holder.user, holder.moderator, holder.may_write),
            (3, false, true)
        );
        let mut claims = moderator(4);
        claims["exp"] = (NOW + 600).into();
        let holder = read(&key, &key.token(&claims)).unwrap();
        assert_eq!((holder.user, holder.moderator), (4, true));
    }
}

#[test]
fn what_is_no_signed_jwt_is_malformed() {
    let key = SigningKey::p256("k", 0);
    let token = key.token(&with(&json!({})));
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    for bad in [
        String::new(),
        "garbage".to_owned(),
        "..".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{token}.{signature}"),
        format!("{header}=.{claims}.{signature}"),
        format!("{}.{claims}.{signature}", encode(&json!([]))),
        key.token(&json!([])),
        key.token(&json!("text")),
    ] {
        let said = read(&key, &bad).unwrap_err();
        let malformed = matches!(said, BadToken::Malformed | BadToken::Signature);
        assert!(malformed, "{bad}: {said:?}");
    }
    // A claim that is there twice.
    let twice = token_of_text(
        &key,
        &with(&json!({}))
            .to_string()
            .replacen('{', "{\"forum_user\":4,", 1),
    );
    assert_eq!(read(&key, &twice), Err(BadToken::Malformed));
}

/// A token whose claims are this text.
fn token_of_text(key: &SigningKey, claims: &str) -> String {
    let claims: Box<RawValue> = serde_json::from_str(claims).unwrap();
    key.token_of(&key.header(), claims.get())
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    for key in [SigningKey::rsa("k", 0), SigningKey::p256("k", 0)] {
        let token = key.token(&with(&json!({})));
        for at in (0..token.len()).step_by(17) {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1;
            let read = verify(&bytes, &keys(&[&key]), &expected(), NOW.into());
            assert!(read.is_err(), "byte {at}");
        }
    }
}

#[test]
fn the_algorithm_is_the_keys() {
    let (rsa, p256) = (SigningKey::rsa("k", 0), SigningKey::p256("k", 0));
    let claims = with(&json!({}));
    for (key, algorithm, expected) in [
        (&rsa, "none", BadToken::Malformed),
        (&rsa, "None", BadToken::Malformed),
        (&rsa, "RS384", BadToken::Algorithm),
        (&rsa, "PS256", BadToken::Algorithm),
        (&rsa, "ES256", BadToken::Algorithm),
        (&p256, "ES384", BadToken::Algorithm),
        (&p256, "RS256", BadToken::Algorithm),
        (&p256, "HS256", BadToken::Algorithm),
    ] {
        let mut header = key.header();
        header["alg"] = algorithm.into();
        let signed = key.token_with(&header, &claims);
        assert_eq!(read(key, &signed), Err(expected), "{algorithm}");
        let (unsigned, _) = signed.rsplit_once('.').unwrap();
        assert!(read(key, &format!("{unsigned}.")).is_err(), "{algorithm}");
    }
}

/// The attack on verifiers that take the algorithm from the token: what is public is a secret then.
#[test]
fn the_public_key_is_no_secret_that_signs() {
    let rsa = SigningKey::rsa("k", 0);
    let public = rsa.public();
    let texts = [
        public.to_string(),
        public["n"].as_str().unwrap().to_owned(),
        key_set(&[&rsa]),
    ];
    for secret in texts {
        let secret = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        let header = json!({"alg": "HS256", "kid": "k"});
        let text = format!("{}.{}", encode(&header), encode(&with(&json!({}))));
        let hs256 = jsonwebtoken::Algorithm::HS256;
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &secret, hs256).unwrap();
        let token = format!("{text}.{signature}");
        assert_eq!(read(&rsa, &token), Err(BadToken::Algorithm));
    }
}

#[test]
fn the_key_is_the_one_that_is_named() {
    let (a, b) = (SigningKey::p256("a", 0), SigningKey::p256("b", 1));
    let both = keys(&[&a, &b]);
    let read = |token: String, keys: &KeySet| {
        verify(token.as_bytes(), keys, &expected(), NOW.into()).map(|holder| holder.user)
    };
    let claims = with(&json!({}));
    assert_eq!(read(b.token(&claims), &both), Ok(3));
    assert_eq!(
        read(b.token(&claims), &keys(&[&a])),
        Err(BadToken::UnknownKey)
    );
    // Signed with another key than the named one.
    assert_eq!(
        read(a.token_with(&b.header(), &claims), &both),
        Err(BadToken::Signature)
    );
    let nameless = SigningKey::p256("a", 0).without_id();
    assert_eq!(read(nameless.token(&claims), &keys(&[&a])), Ok(3));
    assert_eq!(
        read(nameless.token(&claims), &both),
        Err(BadToken::UnknownKey)
    );
}

#[test]
fn headers_that_ask_for_more_are_refused_or_not_looked_at() {
    for (name, value) in [
        ("typ", Value::Null),
        ("typ", json!("JWT")),
        ("typ", json!("jwt")),
        ("typ", json!("application/at+jwt")),
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/chain")),
        ("jwk", SigningKey::p256("k", 1).public()),
        ("other", json!({"number": 1.5})),
    ] {
        assert_eq!(
            said_of_header(name, value.clone()),
            Ok(3),
            "{name}: {value}"
        );
    }
    for (name, value, expected) in [
        ("typ", json!("dpop+jwt"), BadToken::Header),
        ("typ", json!(""), BadToken::Header),
        ("typ", json!(7), BadToken::Malformed),
        ("crit", json!(["b64"]), BadToken::Header),
        ("crit", json!([]), BadToken::Header),
        ("crit", json!("b64"), BadToken::Malformed),
        ("kid", json!(7), BadToken::Malformed),
        ("alg", Value::Null, BadToken::Malformed),
    ] {
        assert_eq!(
            said_of_header(name, value.clone()),
            Err(expected),
            "{name}: {value}"
        );
    }
    // Null is no text and no list.
    let key = SigningKey::p256("k", 0);
    for name in ["crit", "typ", "kid"] {
        let mut header = key.header();
        header[name] = Value::Null;
        let token = key.token_with(&header, &with(&json!({})));
        assert_eq!(read(&key, &token), Err(BadToken::Malformed), "{name}");
    }
    // What the header offers as its key signs nothing.
    let (ours, theirs) = (SigningKey::p256("k", 0), SigningKey::p256("k", 1));
    let mut header = theirs.header();
    header["jwk"] = theirs.public();
    let token = theirs.token_with(&header, &with(&json!({})));
    assert_eq!(read(&ours, &token), Err(BadToken::Signature));
}

#[test]
fn times_are_checked_with_a_minute_of_skew() {
    for (changes, expected) in [
        (json!({"exp": NOW - 59}), Ok(3)),
        (json!({"exp": NOW - 60}), Err(BadToken::Expired)),
        (json!({"exp": f64::from(NOW) - 59.5}), Ok(3)),
        (json!({"exp": 0}), Err(BadToken::Expired)),
        (json!({"exp": -1}), Err(BadToken::Expired)),
        (json!({"exp": null}), Err(BadToken::Expired)),
        (
            json!({"exp": (NOW + 600).to_string()}),
            Err(BadToken::Malformed),
        ),
        (json!({"exp": true}), Err(BadToken::Malformed)),
        (json!({"exp": [NOW + 600]}), Err(BadToken::Malformed)),
        (json!({"nbf": NOW + 60}), Ok(3)),
        (json!({"nbf": NOW + 61}), Err(BadToken::NotYetValid)),
        (json!({"nbf": NOW - 600}), Ok(3)),
        (
            json!({"nbf": (NOW - 600).to_string()}),
            Err(BadToken::Malformed),
        ),
    ] {
        assert_eq!(said(&changes), expected, "{changes}");
    }
}

#[test]
fn issuer_audience_and_use_are_ours() {
    let other = "https://other.example";
    for (changes, expected) in [
        (json!({"iss": other}), Err(BadToken::Issuer)),
        (json!({"iss": null}), Err(BadToken::Issuer)),
        (json!({"iss": [issuer::ISSUER]}), Err(BadToken::Issuer)),
        (json!({"aud": other}), Err(BadToken::Audience)),
        (json!({"aud": [other, issuer::AUDIENCE]}), Ok(3)),
        (json!({"aud": [other]}), Err(BadToken::Audience)),
        (json!({"aud": []}), Err(BadToken::Audience)),
        (json!({"aud": 7}), Err(BadToken::Audience)),
        (json!({"aud": null}), Err(BadToken::Audience)),
        // As Cognito's access tokens.
        (
            json!({"aud": null, "client_id": issuer::AUDIENCE, "token_use": "access"}),
            Ok(3),
        ),
        (
            json!({"aud": other, "client_id": issuer::AUDIENCE}),
            Err(BadToken::Audience),
        ),
        (
            json!({"aud": null, "client_id": [issuer::AUDIENCE]}),
            Err(BadToken::Audience),
        ),
        (json!({"token_use": "id"}), Err(BadToken::Use)),
        (json!({"token_use": 7}), Err(BadToken::Use)),
    ] {
        assert_eq!(said(&changes), expected, "{changes}");
    }
}

#[test]
fn the_user_is_an_id_of_the_forum() {
    for (value, expected) in [
        (json!(7), Ok(7)),
        (json!("7"), Ok(7)),
        (json!(9_007_199_254_740_991_u64), Ok(9_007_199_254_740_991)),
        (json!("0b1e-4c"), Err(BadToken::User)),
        (json!("07"), Err(BadToken::User)),
        (json!(" 7"), Err(BadToken::User)),
        (json!(0), Err(BadToken::User)),
        (json!(-3), Err(BadToken::User)),
        (json!(3.0), Err(BadToken::User)),
        (json!(9_007_199_254_740_992_u64), Err(BadToken::User)),
        (json!([3]), Err(BadToken::User)),
        (json!(true), Err(BadToken::User)),
        (Value::Null, Err(BadToken::User)),
    ] {
        assert_eq!(
            said(&json!({issuer::USER_CLAIM: value})),
            expected,
            "{value}"
        );
    }
}

#[test]
fn scopes_are_compared_whole_in_a_text_or_a_list() {
    let key = SigningKey::p256("k", 0);
    let expected = Expected {
        write_scope: Some("forum:write".to_owned()),
        ..expected()
    };
    let may = |changes: Value| {
        let token = key.token(&with(&changes));
        let holder = verify(token.as_bytes(), &keys(&[&key]), &expected, NOW.into())?;
        Ok((holder.may_write, holder.moderator))
    };
    for (changes, allowed) in [
        (json!({}), Ok((false, false))),
        (json!({"scope": "openid forum:write"}), Ok((true, false))),
        (
            json!({"scope": "forum:writes forum:write2 xforum:write"}),
            Ok((false, false)),
        ),
        (json!({"scope": "Forum:Write"}), Ok((false, false))),
        (
            json!({"scope": "forum:moderated xforum:moderate forum:write"}),
            Ok((true, false)),
        ),
        (
            json!({"scp": ["forum:write", "forum:moderate"]}),
            Ok((true, true)),
        ),
        (json!({"scp": "forum:write"}), Ok((true, false))),
        (json!({"scope": ["forum:write"]}), Ok((true, false))),
        (json!({"scp": ["openid forum:write"]}), Ok((false, false))),
        // Moderators are asked for it, too.
        (json!({"scope": "forum:moderate"}), Ok((false, true))),
        (json!({"scope": 7}), Err(BadToken::Malformed)),
        (json!({"scp": ["forum:write", 7]}), Err(BadToken::Malformed)),
    ] {
        assert_eq!(may(changes.clone()), allowed, "{changes}");
    }
}
