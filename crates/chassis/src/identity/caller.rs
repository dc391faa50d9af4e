//! Who asks.

use axum::http::{HeaderMap, HeaderValue, header};
use common::Problem;
use store::Author;

use crate::{config::Config, identity::token::Token, problem::ProblemDetails};

/// Who asks, as the headers of the request show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The request shows no token.
    Anonymous,
    /// The request shows the service's write token.
    Service,
}

/// Tells callers apart.
#[derive(Debug)]
pub struct Identity {
    keys: Vec<Token>,
}

impl Identity {
    /// Recognises the service by any of these tokens. Without one, all callers are anonymous.
    #[must_use]
    pub fn new(keys: Vec<Token>) -> Self {
        Self { keys }
    }

    /// Recognises callers by the tokens that the configuration names, if it names any.
    pub(crate) fn configured(config: &Config) -> anyhow::Result<Self> {
        Token::configured(config).map(Self::new)
    }

    /// Whether there can be a caller who may write.
    pub(crate) fn knows_writers(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Who sent a request with these headers. A wrong token is an error, so that its owner
    /// learns that it is wrong.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, ProblemDetails> {
        const WRONG: &str = "Bearer realm=\"forum\", error=\"invalid_token\"";
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let shown = lines.next().and_then(bearer);
        if lines.next().is_some() {
            let detail = "expected one header Authorization, not several";
            return Err(unauthorized(detail, WRONG));
        }
        let Some(shown) = shown else {
            return Ok(Caller::Anonymous);
        };
        // All are compared, so that the time does not tell which one it is.
        let matching = self.keys.iter().filter(|key| key.is(shown));
        if matching.count() > 0 {
            return Ok(Caller::Service);
        }
        Err(unauthorized("this is not the service's write token", WRONG))
    }
}

impl Caller {
    /// On whose behalf the caller writes. Callers who may not write are refused.
    pub fn author(self) -> Result<Author, ProblemDetails> {
        match self {
            Self::Service => Ok(Author::Service),
            // RFC 6750 section 3: without a bearer token, the challenge names no error.
            Self::Anonymous => Err(unauthorized(
                "writing needs the header Authorization: Bearer <token>",
                "Bearer realm=\"forum\"",
            )),
        }
    }
}

fn unauthorized(detail: &'static str, challenge: &'static str) -> ProblemDetails {
    let challenge = HeaderValue::from_static(challenge);
    ProblemDetails::new(Problem::Unauthorized, detail)
        .with_header(header::WWW_AUTHENTICATE, challenge)
}

/// The token behind the scheme `Bearer`. Case does not matter (RFC 9110 section 11.1).
fn bearer(authorization: &HeaderValue) -> Option<&[u8]> {
    let value = authorization.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let shown = rest.is_empty() || rest.starts_with(b" ");
    (shown && scheme.eq_ignore_ascii_case(b"Bearer")).then(|| rest.trim_ascii())
}
