//! Tokens of users: JSON Web Tokens that an issuer has signed (RFC 7519, RFC 9068).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{decode, decode_header, errors::ErrorKind};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};

use crate::identity::{
    claims::{self, Holder},
    key_file::KeyFile,
    keys::KeySet,
    rate::Rate,
    refusal::BadToken,
    settings::{Expected, Users},
};

/// Bytes that a token may have.
const BYTES_MAX: usize = 8 * 1024;

/// Verified tokens that are remembered.
const REMEMBERED_MAX: usize = 1024;

/// Reads the tokens of users.
#[derive(Debug)]
pub(crate) struct UserTokens {
    pub expected: Expected,
    pub key_file: KeyFile,
    verified: Mutex<Verified>,
    rate: Mutex<Rate>,
}

/// Tokens that these keys have verified, until they expire. Verifying a signature takes many times
/// as long as the digest of a token. The digest is cryptographic, since nobody may find a token
/// that is taken for another.
#[derive(Debug)]
struct Verified {
    keys: Arc<KeySet>,
    holders: HashMap<[u8; 32], Holder>,
}

impl UserTokens {
    /// Reads tokens as the settings describe them.
    ///
    /// # Errors
    /// When the issuer's keys cannot be read.
    pub fn open(settings: Users) -> anyhow::Result<Self> {
        let key_file = KeyFile::open(settings.jwks_file)?;
        let verified = Verified {
            keys: key_file.keys(),
            holders: HashMap::new(),
        };
        Ok(Self {
            expected: settings.expected,
            key_file,
            verified: Mutex::new(verified),
            rate: Mutex::new(Rate::new(settings.writes_per_minute)),
        })
    }

    /// Counts one write of this user, or says in how many seconds they may write again.
    pub fn count_write(&self, user: u64, now: Instant) -> Result<(), u64> {
        // What is behind the lock stays whole, whatever panics.
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.count(user, now)
    }

    /// Whom the token is for. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with the token.
    pub fn holder(&self, token: &[u8], now: f64) -> Result<Holder, BadToken> {
        if token.len() > BYTES_MAX {
            return Err(BadToken::TooLong);
        }
        let keys = self.key_file.keys();
        let digest = Sha256::digest(token).into();
        // As above.
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&verified.keys, &keys) {
            verified.holders.clear();
            verified.keys = Arc::clone(&keys);
        }
        if let Some(holder) = verified
            .holders
            .get(&digest)
            .filter(|holder| now < holder.until)
        {
            return Ok(*holder);
        }
        let holder = verify(token, &keys, &self.expected, now)?;
        verified.remember(digest, holder, now);
        Ok(holder)
    }
}

impl Verified {
    fn remember(&mut self, digest: [u8; 32], holder: Holder, now: f64) {
        if self.holders.len() >= REMEMBERED_MAX {
            self.holders.retain(|_, holder| now < holder.until);
        }
        if self.holders.len() >= REMEMBERED_MAX {
            self.holders.clear();
        }
        self.holders.insert(digest, holder);
    }
}

/// Verifies the signature, and reads what the token says. The algorithm is the key's, and the token
/// must say the same.
pub(super) fn verify(
    token: &[u8],
    keys: &KeySet,
    expected: &Expected,
    now: f64,
) -> Result<Holder, BadToken> {
    let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
    if has_null(token) {
        return Err(BadToken::Malformed);
    }
    if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_access_token) {
        return Err(BadToken::Header);
    }
    let key = keys
        .find(header.kid.as_deref())
        .ok_or(BadToken::UnknownKey)?;
    if header.alg != key.algorithm {
        return Err(BadToken::Algorithm);
    }
    let decoded = decode::<Box<RawValue>>(token, &key.public, &key.validation);
    let decoded = decoded.map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => BadToken::Signature,
        _ => BadToken::Malformed,
    })?;
    // Refuses a claim that is there twice (RFC 7519 section 4).
    match store::json::read(decoded.claims.get().as_bytes()) {
        Ok(Value::Object(claims)) => claims::read(&claims, expected, now),
        _ => Err(BadToken::Malformed),
    }
}

/// Whether a member of the header that is looked at is null, and so has the wrong type. The library
/// takes it for one that is not there.
fn has_null(token: &[u8]) -> bool {
    let header = token.split(|byte| *byte == b'.').next().unwrap_or_default();
    let text = BASE64.decode(header).unwrap_or_default();
    let header = store::json::read(&text).unwrap_or_default();
    ["crit", "typ", "kid"]
        .iter()
        .any(|name| header.get(name) == Some(&Value::Null))
}

/// Media types may leave out `application/` and ignore case (RFC 7515 section 4.1.9).
fn is_access_token(media_type: &str) -> bool {
    let name = media_type.to_ascii_lowercase();
    let name = name.strip_prefix("application/").unwrap_or(&name);
    matches!(name, "jwt" | "at+jwt")
}

#[cfg(test)]
mod tests;
