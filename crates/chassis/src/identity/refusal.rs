//! Why a caller may not write.

use axum::http::{HeaderValue, header};
use common::Problem;

use crate::problem::ProblemDetails;

/// Why a caller may not write, whatever the write is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request shows no token.
    NoCredentials,
    /// The request has several headers `Authorization`.
    SeveralHeaders,
    /// The token is not the service's, and no other tokens are taken.
    WrongKey,
    /// The token is bad.
    BadToken(BadToken),
    /// The token is good and lacks the scope that writing needs. The header asks for it.
    NoScope(HeaderValue),
    /// The user has written too often. They may write again in so many seconds.
    TooManyWrites(u64),
}

/// What is wrong with a user token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// It is longer than tokens may be.
    TooLong,
    /// It is no signed JWT, or a claim has the wrong type.
    Malformed,
    /// Its header asks for what this service does not do.
    Header,
    /// No key is the one that it names.
    UnknownKey,
    /// It is signed with another algorithm than its key's.
    Algorithm,
    /// Its signature is not its key's.
    Signature,
    /// It comes from another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// It is no access token.
    Use,
    /// It has expired, or never expires.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It does not name a user of the forum.
    User,
}

impl Refusal {
    /// The refusal's kind, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::SeveralHeaders => "several_headers",
            Self::WrongKey => "wrong_key",
            Self::BadToken(bad) => bad.kind(),
            Self::NoScope(_) => "no_scope",
            Self::TooManyWrites(_) => "too_many_writes",
        }
    }
}

impl BadToken {
    fn kind(self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::Header => "token_header",
            Self::UnknownKey => "token_unknown_key",
            Self::Algorithm => "token_algorithm",
            Self::Signature => "token_signature",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
            Self::Use => "token_use",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::User => "token_user",
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::TooLong => "the token has more than the 8192 bytes that a token may have",
            Self::Malformed => {
                "the token is neither the service's key nor a signed JWT whose claims have the \
                 types that they should have"
            }
            Self::Header => "the token's header has crit, or a typ other than JWT and at+jwt",
            Self::UnknownKey => "the token is signed with a key that this service does not know",
            Self::Algorithm => "the token is signed with another algorithm than its key's",
            Self::Signature => "the token's signature is wrong",
            Self::Issuer => "the token comes from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Use => "the token is no access token; do not send an ID token",
            Self::Expired => "the token has expired, or does not say when it expires",
            Self::NotYetValid => "the token is not valid yet",
            Self::User => "the token does not say which user of the forum it is for",
        }
    }
}

impl From<Refusal> for ProblemDetails {
    fn from(refusal: Refusal) -> Self {
        // RFC 6750 section 3: without a bearer token, the challenge names no error.
        const NONE: HeaderValue = HeaderValue::from_static("Bearer realm=\"forum\"");
        const WRONG: HeaderValue =
            HeaderValue::from_static("Bearer realm=\"forum\", error=\"invalid_token\"");
        let challenged = |problem, detail: &'static str, challenge| {
            Self::new(problem, detail).with_header(header::WWW_AUTHENTICATE, challenge)
        };
        match refusal {
            Refusal::NoCredentials => challenged(
                Problem::Unauthorized,
                "writing needs the header Authorization: Bearer <token>",
                NONE,
            ),
            Refusal::SeveralHeaders => challenged(
                Problem::Unauthorized,
                "expected one header Authorization, not several",
                WRONG,
            ),
            Refusal::WrongKey => challenged(
                Problem::Unauthorized,
                "this is not the service's write token",
                WRONG,
            ),
            Refusal::BadToken(bad) => challenged(Problem::Unauthorized, bad.detail(), WRONG),
            Refusal::NoScope(challenge) => challenged(
                Problem::Forbidden,
                "the token lacks the scope that writing needs; WWW-Authenticate names it",
                challenge,
            ),
            Refusal::TooManyWrites(seconds) => Self::new(
                Problem::TooManyRequests,
                "this user has written as often as a user may within a minute",
            )
            .with_header(header::RETRY_AFTER, seconds.into()),
        }
    }
}
