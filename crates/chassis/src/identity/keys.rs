//! The public keys of the issuer of user tokens: a JSON Web Key Set (RFC 7517).

use anyhow::{Context, bail, ensure};
use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind, Validation, crypto::rust_crypto::DEFAULT_PROVIDER,
};
use serde::Deserialize;
use serde_json::Value;

/// Bits that an RSA modulus may have. More would make every token costly.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The keys that verify tokens. There is at least one.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

/// A key that verifies tokens.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    /// The only algorithm that tokens of this key are signed with.
    pub algorithm: Algorithm,
    pub public: DecodingKey,
    /// What the library checks: the signature and its algorithm, and nothing of the claims.
    pub validation: Validation,
}

/// A key as the set writes it.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Value>,
}

impl KeySet {
    /// Reads a key set. Keys for other uses and of other kinds are left out, as RFC 7517 section 5
    /// asks.
    ///
    /// # Errors
    /// When the text is no key set, a key is private, weak or broken, two have one id, or none
    /// verifies tokens.
    pub fn read(text: &[u8]) -> anyhow::Result<Self> {
        let set = store::json::read(text)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.context("expected a JSON Web Key Set: an object with a list named keys")?;
        let mut usable: Vec<Key> = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            let name = || match key.get("kid").and_then(Value::as_str) {
                Some(id) => format!("the key {id:?}"),
                None => format!("key number {}", number + 1),
            };
            let jwk = Jwk::deserialize(key).map_err(|_| {
                anyhow::anyhow!("{} has no kty, or members of the wrong type", name())
            })?;
            let Some(key) = Key::usable(jwk).with_context(name)? else {
                continue;
            };
            let twice = key.id.is_some() && usable.iter().any(|other| other.id == key.id);
            ensure!(!twice, "{} is there twice", name());
            usable.push(key);
        }
        ensure!(
            !usable.is_empty(),
            "no key in it verifies tokens; expected one for RS256 or ES256"
        );
        Ok(Self(usable))
    }

    /// The key with this id. Where none is asked for, the only key.
    pub fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, &*self.0) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    /// The key, if it is one that verifies tokens.
    fn usable(jwk: Jwk) -> anyhow::Result<Option<Self>> {
        let algorithm = match (&*jwk.kty, jwk.crv.as_deref()) {
            ("RSA", _) => Algorithm::RS256,
            ("EC", Some("P-256")) => Algorithm::ES256,
            _ => return Ok(None),
        };
        if jwk.d.is_some() {
            bail!("is private: it signs tokens; give the service its public half alone");
        }
        let other_algorithm = jwk.alg.is_some_and(|name| name != format!("{algorithm:?}"));
        let other_use = jwk.r#use.is_some_and(|name| name != "sig");
        let for_tokens = |names: Vec<String>| names.iter().any(|name| name == "verify");
        if other_algorithm || other_use || !jwk.key_ops.is_none_or(for_tokens) {
            return Ok(None);
        }
        let public = match (algorithm, jwk.n, jwk.e, jwk.x, jwk.y) {
            (Algorithm::RS256, Some(n), Some(e), ..) => DecodingKey::from_rsa_components(&n, &e),
            (Algorithm::ES256, _, _, Some(x), Some(y)) => DecodingKey::from_ec_components(&x, &y),
            _ => bail!("lacks a number: n and e of RSA, x and y of P-256"),
        };
        let public = public.ok().context("has a number that is not base64url")?;
        if let DecodingKeyKind::RsaModulusExponent { n, e } = public.kind() {
            check_rsa(n, e)?;
        }
        // Fails for a point that is not on the curve.
        let verifier = (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &public);
        verifier.ok().context("is not on the curve P-256")?;
        let mut validation = Validation::new(algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        Ok(Some(Self {
            id: jwk.kid,
            algorithm,
            public,
            validation,
        }))
    }
}

/// Refuses an RSA key that is weak, or that the library would refuse for every token.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> anyhow::Result<()> {
    let bits = bits(modulus);
    ensure!(
        RSA_BITS.contains(&bits),
        "has {bits} bits; expected {} to {}",
        RSA_BITS.start(),
        RSA_BITS.end()
    );
    let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    ensure!(
        odd && (2..=32).contains(&self::bits(exponent)),
        "has an exponent that RSA keys do not have; expected 65537"
    );
    Ok(())
}

/// Bits of a number in big-endian bytes.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

#[cfg(test)]
mod tests;
