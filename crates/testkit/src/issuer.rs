//! An issuer of user tokens, as an identity provider would be.

use std::{
    ffi::OsStr,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

/// The issuer that the tests' tokens name.
pub const ISSUER: &str = "https://issuer.example/forum";

/// The audience that the tests' tokens name.
pub const AUDIENCE: &str = "forum-api";

/// The claim that holds the user's id in the tests' tokens.
pub const USER_CLAIM: &str = "forum_user";

/// A key that signs tokens. The private keys are in `testkit/keys`, and used nowhere else.
pub struct SigningKey {
    id: Option<String>,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl SigningKey {
    /// An RSA key of 2048 bits with this id. There are two.
    #[must_use]
    pub fn rsa(id: &str, which: usize) -> Self {
        let keys: [&[u8]; 2] = [
            include_bytes!("../keys/rsa-2048-1.der"),
            include_bytes!("../keys/rsa-2048-2.der"),
        ];
        Self::new(id, Algorithm::RS256, EncodingKey::from_rsa_der(keys[which]))
    }

    /// An RSA key of 1024 bits with this id, which is too short.
    #[must_use]
    pub fn short_rsa(id: &str) -> Self {
        let key = include_bytes!("../keys/rsa-1024.der");
        Self::new(id, Algorithm::RS256, EncodingKey::from_rsa_der(key))
    }

    /// A P-256 key with this id. There are two.
    #[must_use]
    pub fn p256(id: &str, which: usize) -> Self {
        let keys: [&[u8]; 2] = [
            include_bytes!("../keys/p256-1.der"),
            include_bytes!("../keys/p256-2.der"),
        ];
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_der(keys[which]))
    }

    fn new(id: &str, algorithm: Algorithm, private: EncodingKey) -> Self {
        Self {
            id: Some(id.to_owned()),
            algorithm,
            private,
        }
    }

    /// The same key without an id.
    #[must_use]
    pub fn without_id(self) -> Self {
        Self { id: None, ..self }
    }

    /// Its public half, as a key set has it.
    ///
    /// # Panics
    /// Never: the keys are sound.
    #[must_use]
    pub fn public(&self) -> Value {
        let key = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a sound key");
        let mut key = serde_json::to_value(key).expect("a key is JSON");
        key["use"] = "sig".into();
        if let Some(id) = &self.id {
            key["kid"] = id.as_str().into();
        }
        key
    }

    /// The header of its tokens.
    #[must_use]
    pub fn header(&self) -> Value {
        let mut header = json!({"alg": format!("{:?}", self.algorithm), "typ": "at+jwt"});
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        header
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// A token with this header, whatever that says, and these claims.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(header, &claims.to_string())
    }

    /// A token with this header and this text as its claims.
    #[must_use]
    pub fn token_of(&self, header: &Value, claims: &str) -> String {
        self.sign(&content(&header.to_string(), claims))
    }

    /// The token with this [`content`].
    ///
    /// # Panics
    /// Never: the keys are sound.
    #[must_use]
    pub fn sign(&self, content: &str) -> String {
        let signed = crypto::sign(content.as_bytes(), &self.private, self.algorithm);
        format!("{content}.{}", signed.expect("a sound key"))
    }
}

/// What is signed of a token that has these texts as its header and its claims.
#[must_use]
pub fn content(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims))
}

/// A part of a token.
#[must_use]
pub fn encode(part: &Value) -> String {
    BASE64.encode(part.to_string())
}

/// The key set with the public halves of these keys.
#[must_use]
pub fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    json!({ "keys": keys }).to_string()
}

/// The settings with which a service takes the tests' tokens, whose keys are in this file.
#[must_use]
pub fn settings(key_set: &Path) -> [(&'static str, &OsStr); 4] {
    [
        ("TOKEN_ISSUER", ISSUER.as_ref()),
        ("TOKEN_AUDIENCE", AUDIENCE.as_ref()),
        ("USER_CLAIM", USER_CLAIM.as_ref()),
        ("JWKS_FILE", key_set.as_ref()),
    ]
}

/// The claims of a token that is good for the user with this id, for ten minutes.
#[must_use]
pub fn claims(user: u64) -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": now() + 600, "iat": now(), "sub": "0b1e-4c",
        "client_id": "a-client", USER_CLAIM: user
    })
}

/// The claims of a moderator.
#[must_use]
pub fn moderator(user: u64) -> Value {
    let mut claims = claims(user);
    claims["scope"] = "openid forum:moderate".into();
    claims
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
