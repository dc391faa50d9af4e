//! The issuer of user tokens of a writable cluster.
//!
//! Its key is made at each start and never leaves this process. The tasks get the public half as a
//! file, and each service accepts only tokens that name it in `aud`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::EncodePrivateKey;
use serde::Serialize;

use crate::control::socket::TokenRequest;
use crate::keys;

/// The name of the issuer, in `iss`.
const ISSUER: &str = "urn:forum:local";

/// The claim with the forum's id of the user.
const USER_CLAIM: &str = "forum_user";

/// The scope of moderators, which is the services' default.
const MODERATOR_SCOPE: &str = "forum:moderate";

/// The claims of an access token, as RFC 9068 has them.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a [String],
    sub: String,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    forum_user: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// Signs tokens for the services of this cluster.
pub struct Issuer {
    key: EncodingKey,
    key_id: String,
    audience: Vec<String>,
    /// The file with the public key.
    key_set: PathBuf,
}

impl Issuer {
    /// Makes a key, and writes its public half to a file in [`keys::directory`] for the tasks of these
    /// services.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn start(root: &Path, services: &[&str]) -> Result<Self> {
        let secret = p256::SecretKey::random(&mut OsRng);
        let secret = secret.to_pkcs8_der().context("cannot make a key")?;
        let key = EncodingKey::from_ec_der(secret.as_bytes());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
        let key_id = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(key_id.clone());
        let key_set = keys::directory(root).join("jwks.json");
        let text = serde_json::to_vec(&JwkSet { keys: vec![public] })?;
        fs::create_dir_all(keys::directory(root))
            .and_then(|()| fs::write(&key_set, text))
            .with_context(|| format!("cannot write the public key to {}", key_set.display()))?;
        Ok(Self {
            key,
            key_id,
            audience: services.iter().map(ToString::to_string).collect(),
            key_set,
        })
    }

    /// The environment with which a service accepts these tokens.
    #[must_use]
    pub fn environment(&self, service: &str) -> [(&'static str, OsString); 4] {
        [
            ("TOKEN_ISSUER", ISSUER.into()),
            ("TOKEN_AUDIENCE", service.into()),
            ("USER_CLAIM", USER_CLAIM.into()),
            ("JWKS_FILE", self.key_set.clone().into()),
        ]
    }

    /// The requested token, valid from now on.
    ///
    /// # Errors
    /// When the lifetime is more than a year, or the system has no randomness.
    pub fn token(&self, request: TokenRequest) -> Result<String> {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        ensure!(request.lifetime <= YEAR, "a token lives a year at most");
        let now = Timestamp::now();
        let claims = Claims {
            iss: ISSUER,
            aud: &self.audience,
            sub: request.user.to_string(),
            client_id: "local",
            iat: now.as_second(),
            exp: (now + request.lifetime).as_second(),
            jti: keys::random_hex()?,
            forum_user: request.user,
            scope: request.moderator.then_some(MODERATOR_SCOPE),
        };
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &self.key).context("cannot sign the token")
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;

    const REQUEST: TokenRequest = TokenRequest {
        user: 3,
        moderator: false,
        lifetime: Duration::from_hours(1),
    };

    fn claims(issuer: &Issuer, token: &str, audience: &str) -> jsonwebtoken::errors::Result<Value> {
        let keys: JwkSet = serde_json::from_slice(&fs::read(&issuer.key_set).unwrap()).unwrap();
        let header = jsonwebtoken::decode_header(token)?;
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let key = keys.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        let key = DecodingKey::from_jwk(key)?;
        Ok(jsonwebtoken::decode(token, &key, &validation)?.claims)
    }

    #[test]
    fn the_key_set_verifies_a_token_for_each_service_and_for_no_other() {
        let root = tempfile::tempdir().unwrap();
        let issuer = Issuer::start(root.path(), &["users", "posts"]).unwrap();
        let token = issuer.token(REQUEST).unwrap();
        for service in ["users", "posts"] {
            let claims = claims(&issuer, &token, service).unwrap();
            assert_eq!(claims[USER_CLAIM], 3);
            let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            assert_eq!((lifetime, claims.get("scope")), (3600, None));
        }
        assert!(claims(&issuer, &token, "threads").is_err());
    }

    #[test]
    fn a_moderators_token_has_the_scope() {
        let root = tempfile::tempdir().unwrap();
        let issuer = Issuer::start(root.path(), &["users"]).unwrap();
        let moderator = TokenRequest {
            moderator: true,
            ..REQUEST
        };
        let token = issuer.token(moderator).unwrap();
        let claims = claims(&issuer, &token, "users").unwrap();
        assert_eq!(claims["scope"], MODERATOR_SCOPE);
    }

    #[test]
    fn each_start_has_a_key_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let before = Issuer::start(root.path(), &["users"]).unwrap();
        let after = Issuer::start(root.path(), &["users"]).unwrap();
        assert_ne!(before.key_id, after.key_id);
    }

    #[test]
    fn a_token_lives_a_year_at_most() {
        let root = tempfile::tempdir().unwrap();
        let issuer = Issuer::start(root.path(), &["users"]).unwrap();
        let forever = TokenRequest {
            lifetime: Duration::MAX,
            ..REQUEST
        };
        assert!(issuer.token(forever).is_err());
    }
}
