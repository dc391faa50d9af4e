//! Any bytes as a key set, as what a client shows, and as what stands in a token.

use std::{env, fs, num::NonZeroU32, process, sync::LazyLock};

use axum::http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, DecodingKeyKind, EncodingKey, crypto};
use serde_json::{Value, json};
use store::Author;
use testkit::issuer::{self, AUDIENCE, ISSUER, SigningKey, USER_CLAIM, content, key_set};

use crate::{
    config::UserSettings,
    identity::{
        caller::{Caller, Identity},
        keys::{Key, KeySet},
        settings::Expected,
        token::Token,
        user_token::verify,
    },
};

const SERVICE_KEY: &str = "fuzz-0123456789abcdef";

/// The year 2100, in seconds since 1970. Tokens are the same in each run, so that those in the corpus
/// are good.
const EXPIRES: u64 = 4_102_444_800;

/// The keys of the issuer: of RSA, and of P-256 with and without an id.
static OURS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| {
    let nameless = SigningKey::p256("", 0).without_id();
    [SigningKey::rsa("r", 0), SigningKey::p256("e", 0), nameless]
});

/// Knows one key of each kind.
static SEVERAL_KEYS: LazyLock<Door> = LazyLock::new(|| {
    let [rsa, p256, _] = &*OURS;
    Door::new("several", &[rsa, p256], &[rsa, p256])
});

/// Knows the key of P-256 alone.
static ONE_KEY: LazyLock<Door> = LazyLock::new(|| {
    let [_, p256, nameless] = &*OURS;
    Door::new("one", &[p256], &[p256, nameless])
});

/// A service's check of who writes.
struct Door {
    identity: Identity,
    /// What it accepts, and on whose behalf.
    good: Vec<(String, Author)>,
}

impl Door {
    /// A service that knows these keys. Those that sign are keys of good tokens.
    fn new(name: &str, known: &[&SigningKey], sign: &[&SigningKey]) -> Self {
        let file = env::temp_dir().join(format!("fuzz-{}-{name}.json", process::id()));
        fs::write(&file, key_set(known)).expect("the temporary directory is writable");
        let settings = UserSettings {
            token_issuer: Some(ISSUER.to_owned()),
            token_audience: Some(AUDIENCE.to_owned()),
            user_claim: Some(USER_CLAIM.to_owned()),
            jwks_file: Some(file.clone()),
            user_writes_per_minute: Some(NonZeroU32::MAX),
            ..UserSettings::default()
        };
        let key = Token::new(SERVICE_KEY).expect("the service's key is long enough");
        let identity = Identity::new(vec![key], &settings).expect("the keys are sound");
        fs::remove_file(file).expect("the file was written");
        let mut good = vec![(SERVICE_KEY.to_owned(), Author::Service)];
        for key in sign {
            good.push((key.token(&claims(3)), Author::User(3)));
            let mut moderator = claims(4);
            moderator["scope"] = "openid forum:moderate".into();
            good.push((key.token(&moderator), Author::Moderator(4)));
        }
        let door = Self { identity, good };
        for (token, author) in &door.good {
            assert_eq!(door.author(token), Some(*author), "{token}");
        }
        door
    }

    /// On whose behalf the bearer of this token writes, if they may.
    fn author(&self, token: &str) -> Option<Author> {
        self.author_of(HeaderValue::try_from(format!("Bearer {token}")).ok()?)
    }

    fn author_of(&self, authorization: HeaderValue) -> Option<Author> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]);
        let mut caller = Caller::default();
        self.identity.author(&headers, &mut caller).ok()
    }
}

/// The claims of a token that is good for this user.
fn claims(user: u64) -> Value {
    let mut claims = issuer::claims(user);
    claims["exp"] = EXPIRES.into();
    claims["iat"] = 1_700_000_000.into();
    claims
}

/// A good token, and the key that has signed it.
struct Signed {
    key_id: Option<String>,
    token: String,
    numbers: Vec<Vec<u8>>,
}

static SIGNED: LazyLock<Vec<Signed>> = LazyLock::new(|| {
    let signed = |key: &SigningKey| {
        let set = KeySet::read(key_set(&[key]).as_bytes()).expect("our keys are sound");
        Signed {
            key_id: key.header()["kid"].as_str().map(str::to_owned),
            token: key.token(&claims(3)),
            numbers: set.find(None).map(numbers).expect("there is one key"),
        }
    };
    OURS.iter().map(signed).collect()
});

/// Reads any bytes as a key set. It is refused, or verifies exactly the tokens of its keys.
///
/// # Panics
/// When a token is accepted that none of its keys has signed, or refused although one has.
pub(crate) fn keys(bytes: &[u8]) {
    let Ok(set) = KeySet::read(bytes) else {
        return;
    };
    let expected = Expected {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        user_claim: USER_CLAIM.to_owned(),
        write_scope: None,
        moderator_scope: "forum:moderate".to_owned(),
    };
    let text: Value = serde_json::from_slice(bytes).expect("a key set is JSON");
    let listed = text["keys"].as_array().expect("keys is a list");
    assert!((1..=listed.len()).contains(&set.len()));
    for signed in &*SIGNED {
        let id = signed.key_id.as_deref();
        let found = set.find(id);
        let accepted = verify(signed.token.as_bytes(), &set, &expected, 0.0).is_ok();
        let has_signed = |key: &Key| numbers(key) == signed.numbers;
        assert_eq!(accepted, found.is_some_and(has_signed), "{id:?}");
        if accepted {
            match id {
                Some(id) => assert!(listed.iter().any(|key| key["kid"] == id), "{id}"),
                None => assert_eq!(set.len(), 1),
            }
        }
    }
}

/// The numbers of a key, without zeros in front.
fn numbers(key: &Key) -> Vec<Vec<u8>> {
    let trimmed = |bytes: &[u8]| {
        let number = bytes.iter().skip_while(|byte| **byte == 0);
        number.copied().collect()
    };
    match key.public.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => vec![trimmed(n), trimmed(e)],
        DecodingKeyKind::SecretOrDer(point) => vec![point.clone()],
    }
}

/// Reads any bytes as the value of `Authorization`. Only the service's key and tokens that the issuer
/// has signed are accepted, byte by byte.
///
/// # Panics
/// When another value is accepted, or on another's behalf.
pub(crate) fn authorization(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    for door in [&*SEVERAL_KEYS, &*ONE_KEY] {
        let shown = bytes.split_at_checked("Bearer ".len());
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        let is_shown =
            |good: &str| shown.is_some_and(|(_, shown)| shown.trim_ascii() == good.as_bytes());
        let good = door.good.iter().find(|(good, _)| is_shown(good));
        assert_eq!(
            door.author_of(value.clone()),
            good.map(|(_, author)| *author)
        );
    }
}

/// Makes tokens of any header and claims. The first byte says who signs: `0` is the issuer, and what
/// is signed must then allow it. All others are attackers, and what they make is refused. The header
/// is the rest of the line, and the claims are what follows.
///
/// # Panics
/// When an attacker's token is accepted, or one that does not say what it must.
pub(crate) fn signed(bytes: &[u8]) {
    let Some((signer, text)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_at_checked(1))
    else {
        return;
    };
    let (header, claims) = text.split_once('\n').unwrap_or((text, ""));
    let content = content(header, claims);
    let [_, p256, _] = &*OURS;
    if signer == "0" {
        let token = p256.sign(&content);
        for door in [&*SEVERAL_KEYS, &*ONE_KEY] {
            if let Some(author) = door.author(&token) {
                assert_promised(header, claims, author);
            }
        }
        return;
    }
    for signature in forged(signer, &content) {
        let token = format!("{content}.{signature}");
        for door in [&*SEVERAL_KEYS, &*ONE_KEY] {
            let is_good = door.good.iter().any(|(good, _)| *good == token);
            assert!(is_good || door.author(&token).is_none(), "{token}");
        }
    }
}

/// What those can sign who know the public keys and a good token.
fn forged(signer: &str, content: &str) -> Vec<String> {
    let [rsa, p256, _] = &*OURS;
    match signer {
        "1" => vec![String::new()],
        // As if the public key were a secret.
        "2" => {
            let keys = KeySet::read(key_set(&[rsa, p256]).as_bytes()).expect("our keys are sound");
            let raw = ["r", "e"].iter().flat_map(|id| keys.find(Some(id)));
            let mut secrets: Vec<_> = raw.flat_map(numbers).collect();
            secrets.push(key_set(&[rsa, p256]).into_bytes());
            secrets.push(Vec::new());
            let sign = |secret: Vec<u8>| {
                let secret = EncodingKey::from_secret(&secret);
                crypto::sign(content.as_bytes(), &secret, Algorithm::HS256)
            };
            secrets.into_iter().flat_map(sign).collect()
        }
        // With a key of their own.
        "3" => {
            let token = SigningKey::p256("e", 1).sign(content);
            let signature = token.rsplit_once('.').map(|(_, signature)| signature);
            signature.into_iter().map(str::to_owned).collect()
        }
        // With the signature of another token.
        _ => {
            let good = SEVERAL_KEYS.good.iter().chain(&ONE_KEY.good);
            let signatures = good.filter_map(|(good, _)| good.rsplit_once('.'));
            signatures
                .map(|(_, signature)| signature.to_owned())
                .collect()
        }
    }
}

/// Asserts that a header and claims allow a write on this author's behalf.
fn assert_promised(header: &str, claims: &str, author: Author) {
    let read = |text: &str| -> Value { serde_json::from_str(text).expect("it was read as JSON") };
    let (header, claims) = (read(header), read(claims));
    assert_eq!(header["alg"], "ES256");
    assert!(header.get("crit").is_none(), "{header}");
    assert!(claims["iss"] == ISSUER, "{claims}");
    let audience = claims.get("aud").unwrap_or(&claims["client_id"]);
    let listed = audience
        .as_array()
        .is_some_and(|all| all.contains(&json!(AUDIENCE)));
    assert!(listed || audience == AUDIENCE, "{claims}");
    // The clock has not gone back before the year 2025.
    let until = claims["exp"].as_f64().expect("exp is a number");
    assert!(until > 1_735_689_600.0, "{claims}");
    let used = claims.get("token_use");
    assert!(used.is_none_or(|used| used == "access"), "{claims}");
    let (id, moderates) = match author {
        Author::User(id) => (id, false),
        Author::Moderator(id) => (id, true),
        Author::Service => panic!("a token is not the service's key"),
    };
    let user = &claims[USER_CLAIM];
    assert!(*user == id || *user == *id.to_string(), "{claims}");
    let asked = ["scope", "scp"].map(|name| claims[name].to_string());
    let moderator = asked.concat().contains("forum:moderate");
    assert!(!moderates || moderator, "{claims}");
}
