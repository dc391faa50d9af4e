//! What the claims of a user token say.
//!
//! `jsonwebtoken` could check some of them. It reads the clock itself, and its reader of numbers does
//! not understand those of `serde_json` with `arbitrary_precision`, which the store needs: no token
//! would have an `exp`.

use common::{Id, User};
use serde_json::Value;
use store::Object;

use crate::identity::{refusal::BadToken, settings::Expected};

/// Seconds that the issuer's clock and this one may differ by.
const SKEW: f64 = 60.0;

/// Whom a token is for, and what it allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Holder {
    /// The user's id in the forum.
    pub user: u64,
    pub moderator: bool,
    /// Whether the token has the scope that writing needs.
    pub may_write: bool,
    /// Until when the token is accepted, in seconds since 1970.
    pub until: f64,
}

/// Reads the claims of a token whose signature is right. `now` is in seconds since 1970.
///
/// # Errors
/// The first thing that is wrong. A claim of the wrong type is wrong, and not absent.
pub(crate) fn read(claims: &Object, expected: &Expected, now: f64) -> Result<Holder, BadToken> {
    if claims.get("iss").and_then(Value::as_str) != Some(&expected.issuer) {
        return Err(BadToken::Issuer);
    }
    check_audience(claims, &expected.audience)?;
    if claims
        .get("token_use")
        .is_some_and(|purpose| purpose != "access")
    {
        return Err(BadToken::Use);
    }
    let until = number(claims, "exp")?.ok_or(BadToken::Expired)? + SKEW;
    if now >= until {
        return Err(BadToken::Expired);
    }
    if number(claims, "nbf")?.is_some_and(|from| now < from - SKEW) {
        return Err(BadToken::NotYetValid);
    }
    let scopes = [scopes(claims, "scope")?, scopes(claims, "scp")?].concat();
    Ok(Holder {
        user: user(claims.get(&expected.user_claim)).ok_or(BadToken::User)?,
        moderator: scopes.contains(&&*expected.moderator_scope),
        may_write: expected
            .write_scope
            .as_deref()
            .is_none_or(|scope| scopes.contains(&scope)),
        until,
    })
}

/// Cognito's access tokens have no `aud` and name the client in `client_id`.
fn check_audience(claims: &Object, expected: &str) -> Result<(), BadToken> {
    let is_for_us = match (claims.get("aud"), claims.get("client_id")) {
        (Some(Value::Array(all)), _) => all.iter().any(|one| one == expected),
        (Some(one), _) | (None, Some(one)) => one == expected,
        (None, None) => false,
    };
    if is_for_us {
        Ok(())
    } else {
        Err(BadToken::Audience)
    }
}

/// A time in seconds since 1970, which may have decimals (RFC 7519 section 2).
fn number(claims: &Object, name: &str) -> Result<Option<f64>, BadToken> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => number.as_f64().map(Some).ok_or(BadToken::Malformed),
        Some(_) => Err(BadToken::Malformed),
    }
}

/// Scopes: a text with spaces between them, or a list.
fn scopes<'a>(claims: &'a Object, name: &str) -> Result<Vec<&'a str>, BadToken> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split(' ').collect()),
        Some(Value::Array(all)) => {
            let all = all.iter().map(Value::as_str);
            all.collect::<Option<_>>().ok_or(BadToken::Malformed)
        }
        Some(_) => Err(BadToken::Malformed),
    }
}

/// The user's id: an integer, or its decimal digits.
fn user(claim: Option<&Value>) -> Option<u64> {
    let id: Id<User> = match claim? {
        Value::Number(number) => Id::new(number.as_u64()?).ok()?,
        Value::String(digits) => digits.parse().ok()?,
        _ => return None,
    };
    Some(id.get())
}
