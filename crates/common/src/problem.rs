//! The closed list of problems.

/// A kind of problem that a client can be told about. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The body is not JSON, names a member twice, or has a reserved name.
    MalformedJson,
    /// The segment of the path that should be an id is not an id.
    InvalidId,
    /// A query parameter or a header has an invalid value.
    InvalidParameter,
    /// The request needs a token, and has none or a wrong one.
    Unauthorized,
    /// The caller is known, and may not do this.
    Forbidden,
    /// The path or the record does not exist.
    NotFound,
    /// The path exists but does not take this method.
    MethodNotAllowed,
    /// The client took too long to send its request.
    Timeout,
    /// Another record has the same value in a unique member, the highest id has been given, or the
    /// record that a request with the same key made has been deleted.
    Conflict,
    /// The record does not meet the condition of the request.
    PreconditionFailed,
    /// The body is longer than the server accepts.
    TooLarge,
    /// The server does not accept the body's media type or encoding.
    UnsupportedMediaType,
    /// The body is JSON but not a valid record.
    InvalidRecord,
    /// The caller has used the key of the request for another body.
    IdempotencyKeyReused,
    /// The user has written as often as a user may for the moment.
    TooManyRequests,
    /// The server failed.
    Internal,
    /// The write would make the collection larger than it may be.
    CollectionFull,
    /// The server cannot do this now.
    Unavailable,
}

impl Problem {
    /// All problems, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::MalformedJson,
        Self::InvalidId,
        Self::InvalidParameter,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRecord,
        Self::IdempotencyKeyReused,
        Self::TooManyRequests,
        Self::Internal,
        Self::CollectionFull,
        Self::Unavailable,
    ];

    /// The problem's type (RFC 9457 §3.1.1). It never changes, since clients compare it.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::MalformedJson => "urn:forum:problem:malformed-json",
            Self::InvalidId => "urn:forum:problem:invalid-id",
            Self::InvalidParameter => "urn:forum:problem:invalid-parameter",
            Self::Unauthorized => "urn:forum:problem:unauthorized",
            Self::Forbidden => "urn:forum:problem:forbidden",
            Self::NotFound => "urn:forum:problem:not-found",
            Self::MethodNotAllowed => "urn:forum:problem:method-not-allowed",
            Self::Timeout => "urn:forum:problem:timeout",
            Self::Conflict => "urn:forum:problem:conflict",
            Self::PreconditionFailed => "urn:forum:problem:precondition-failed",
            Self::TooLarge => "urn:forum:problem:too-large",
            Self::UnsupportedMediaType => "urn:forum:problem:unsupported-media-type",
            Self::InvalidRecord => "urn:forum:problem:invalid-record",
            Self::IdempotencyKeyReused => "urn:forum:problem:idempotency-key-reused",
            Self::TooManyRequests => "urn:forum:problem:too-many-requests",
            Self::Internal => "urn:forum:problem:internal",
            Self::CollectionFull => "urn:forum:problem:collection-full",
            Self::Unavailable => "urn:forum:problem:unavailable",
        }
    }

    /// The problem's title (RFC 9457 §3.1.3). It is the same in every answer.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedJson => "Malformed JSON",
            Self::InvalidId => "Invalid id",
            Self::InvalidParameter => "Invalid parameter",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Timeout => "Request timeout",
            Self::Conflict => "Conflict",
            Self::PreconditionFailed => "Precondition failed",
            Self::TooLarge => "Body too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::InvalidRecord => "Invalid record",
            Self::IdempotencyKeyReused => "Idempotency key reused",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
            Self::CollectionFull => "Collection full",
            Self::Unavailable => "Unavailable",
        }
    }
}

/// What is wrong with one member of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MemberError {
    /// A JSON Pointer (RFC 6901) to the member, such as `/username`; empty for the whole body.
    pub pointer: String,
    /// What was expected.
    pub detail: String,
}

impl MemberError {
    /// The error of the top-level member with this name.
    #[must_use]
    pub fn new(member: &str, detail: impl Into<String>) -> Self {
        // RFC 6901 §3: `~` and `/` are escaped.
        let pointer = format!("/{}", member.replace('~', "~0").replace('/', "~1"));
        Self {
            pointer,
            detail: detail.into(),
        }
    }

    /// The error of the whole body.
    #[must_use]
    pub fn whole(detail: impl Into<String>) -> Self {
        Self {
            pointer: String::new(),
            detail: detail.into(),
        }
    }
}
