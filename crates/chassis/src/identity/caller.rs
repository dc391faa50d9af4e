//! Who sends a request.

use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::http::{HeaderMap, HeaderValue, header};
use store::Author;

use crate::{
    config::{Config, UserSettings},
    identity::{
        key_file::LOOK_EVERY, refusal::Refusal, settings::Users, token::Token,
        user_token::UserTokens,
    },
};

/// Who sends a request, as its headers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Caller {
    /// Nobody in particular. So are all who read, whatever they show.
    #[default]
    Anonymous,
    /// Who holds the service's key.
    Service,
    /// The user with this id.
    User(u64),
}

/// Tells callers apart.
#[derive(Debug)]
pub struct Identity {
    keys: Vec<Token>,
    users: Option<Arc<UserTokens>>,
}

/// Which callers can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Writers {
    /// Those who hold the service's key.
    pub service: bool,
    /// Users.
    pub users: bool,
}

impl Identity {
    /// Recognises the service by any of these keys, and users by the tokens that the settings
    /// describe. Without any of these, nobody writes.
    ///
    /// # Errors
    /// When the settings are incomplete, or the issuer's keys cannot be read.
    pub fn new(keys: Vec<Token>, settings: &UserSettings) -> anyhow::Result<Self> {
        let users = Users::complete(settings)?
            .map(UserTokens::open)
            .transpose()?;
        Ok(Self {
            keys,
            users: users.map(Arc::new),
        })
    }

    /// Recognises callers as the configuration says.
    pub(crate) fn configured(config: &Config) -> anyhow::Result<Self> {
        Self::new(Token::configured(config)?, &config.users)
    }

    /// Which callers can write.
    pub(crate) fn writers(&self) -> Writers {
        Writers {
            service: !self.keys.is_empty(),
            users: self.users.is_some(),
        }
    }

    /// The issuer's keys, if users write: how many there are, and whether their file is bad now.
    pub(crate) fn user_keys(&self) -> Option<(usize, bool)> {
        let file = &self.users.as_ref()?.key_file;
        Some((file.keys().len(), file.is_stale()))
    }

    /// Looks at the issuer's keys every 10 s, and does not return.
    pub(crate) async fn follow_user_keys(&self) {
        let Some(users) = &self.users else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let users = Arc::clone(users);
            // The disk may hang.
            let looked = tokio::task::spawn_blocking(move || users.key_file.look_again());
            if let Err(error) = looked.await {
                tracing::error!(%error, "could not look at the keys for user tokens");
            }
        }
    }

    /// On whose behalf a write with these headers is, and counts it where it is a user's. `caller`
    /// becomes who sends it, as far as that is known, also of those who may not write.
    pub(crate) fn author(
        &self,
        headers: &HeaderMap,
        caller: &mut Caller,
    ) -> Result<Author, Refusal> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let shown = lines.next().and_then(bearer);
        if lines.next().is_some() {
            return Err(Refusal::SeveralHeaders);
        }
        let shown = shown.ok_or(Refusal::NoCredentials)?;
        // All are compared, so that the time does not tell which one it is.
        let matching = self.keys.iter().filter(|key| key.is(shown));
        if matching.count() > 0 {
            *caller = Caller::Service;
            return Ok(Author::Service);
        }
        let users = self.users.as_ref().ok_or(Refusal::WrongKey)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let holder = users.holder(shown, now.unwrap_or_default().as_secs_f64());
        let holder = holder.map_err(Refusal::BadToken)?;
        *caller = Caller::User(holder.user);
        if !holder.may_write {
            return Err(Refusal::NoScope(users.expected.challenge()));
        }
        let counted = users.count_write(holder.user, Instant::now());
        counted.map_err(Refusal::TooManyWrites)?;
        Ok(if holder.moderator {
            Author::Moderator(holder.user)
        } else {
            Author::User(holder.user)
        })
    }
}

impl Writers {
    /// Whether anybody can write.
    pub fn any(self) -> bool {
        self.service || self.users
    }
}

/// The token behind the scheme `Bearer`. Case does not matter (RFC 9110 section 11.1).
fn bearer(authorization: &HeaderValue) -> Option<&[u8]> {
    let value = authorization.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let shown = rest.is_empty() || rest.starts_with(b" ");
    (shown && scheme.eq_ignore_ascii_case(b"Bearer")).then(|| rest.trim_ascii())
}
