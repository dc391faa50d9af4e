//! What a user token must say to be taken, as the operator has set it.

use std::{num::NonZeroU32, path::PathBuf};

use anyhow::{Context, bail, ensure};
use axum::http::HeaderValue;

use crate::config::UserSettings;

const MODERATOR_SCOPE: &str = "forum:moderate";

const WRITES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");

/// What a user token must say to be taken.
#[derive(Debug)]
pub(crate) struct Expected {
    pub issuer: String,
    pub audience: String,
    /// The claim that holds the user's id.
    pub user_claim: String,
    /// The scope that writing needs.
    pub write_scope: Option<String>,
    pub moderator_scope: String,
}

/// The settings for user tokens, complete.
#[derive(Debug)]
pub(crate) struct Users {
    pub expected: Expected,
    pub jwks_file: PathBuf,
    pub writes_per_minute: NonZeroU32,
}

impl Users {
    /// The settings, if there are any. An empty text counts as not set.
    ///
    /// # Errors
    /// When some are missing, or one cannot be what it is.
    pub fn complete(settings: &UserSettings) -> anyhow::Result<Option<Self>> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let [issuer, audience, claim, url, write, moderator] = [
            &settings.token_issuer,
            &settings.token_audience,
            &settings.user_claim,
            &settings.jwks_url,
            &settings.write_scope,
            &settings.moderator_scope,
        ]
        .map(given);
        let file = settings.jwks_file.clone();
        if url.is_some() {
            bail!(
                "JWKS_URL is not supported yet: fetching keys comes with TLS, which this release \
                 does not have; save the keys to a file and name it with JWKS_FILE"
            );
        }
        let all = [
            ("TOKEN_ISSUER", issuer.is_some()),
            ("TOKEN_AUDIENCE", audience.is_some()),
            ("USER_CLAIM", claim.is_some()),
            ("JWKS_FILE", file.is_some()),
        ];
        let more = [
            ("WRITE_SCOPE", write.is_some()),
            ("MODERATOR_SCOPE", moderator.is_some()),
            (
                "USER_WRITES_PER_MINUTE",
                settings.user_writes_per_minute.is_some(),
            ),
        ];
        let mut set = all.iter().chain(&more).filter(|(_, set)| *set);
        let Some((first, _)) = set.next() else {
            return Ok(None);
        };
        let (Some(issuer), Some(audience), Some(user_claim), Some(jwks_file)) =
            (issuer, audience, claim, file)
        else {
            let missing = all.iter().filter(|(_, set)| !set);
            let missing: Vec<_> = missing.map(|(name, _)| *name).collect();
            bail!(
                "{first} is set, and users write only with {} as well; set all of them, or none",
                missing.join(", ")
            );
        };
        let moderator_scope = moderator.unwrap_or_else(|| MODERATOR_SCOPE.to_owned());
        check_scope(&moderator_scope).context("invalid MODERATOR_SCOPE")?;
        if let Some(scope) = &write {
            check_scope(scope).context("invalid WRITE_SCOPE")?;
        }
        Ok(Some(Self {
            expected: Expected {
                issuer,
                audience,
                user_claim,
                write_scope: write,
                moderator_scope,
            },
            jwks_file,
            writes_per_minute: settings.user_writes_per_minute.unwrap_or(WRITES_PER_MINUTE),
        }))
    }
}

impl Expected {
    /// How a token without the scope that writing needs is told so (RFC 6750 section 3).
    pub fn challenge(&self) -> HeaderValue {
        let scope = self.write_scope.as_deref().unwrap_or_default();
        let challenge =
            format!("Bearer realm=\"forum\", error=\"insufficient_scope\", scope=\"{scope}\"");
        HeaderValue::try_from(challenge).expect("the characters of a scope were checked")
    }
}

/// A scope is visible ASCII without quotes and backslashes (RFC 6749 section 3.3).
fn check_scope(scope: &str) -> anyhow::Result<()> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    ensure!(
        scope.bytes().all(fits),
        "expected one scope: visible ASCII characters without spaces, quotes and backslashes"
    );
    Ok(())
}
