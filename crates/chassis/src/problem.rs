//! Problems as answers (RFC 9457), and the only table of their statuses.

use std::borrow::Cow;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use common::{MemberError, Problem};
use serde::Serialize;
use store::ReadError;

/// A problem that a client will be answered with.
#[derive(Debug)]
pub(crate) struct ProblemDetails {
    problem: Problem,
    detail: Cow<'static, str>,
    errors: Vec<MemberError>,
    /// Boxed, since most problems have none.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// The status that a problem is answered with.
pub(crate) const fn status(problem: Problem) -> StatusCode {
    match problem {
        Problem::MalformedJson | Problem::InvalidId | Problem::InvalidParameter => {
            StatusCode::BAD_REQUEST
        }
        Problem::Unauthorized => StatusCode::UNAUTHORIZED,
        Problem::Forbidden => StatusCode::FORBIDDEN,
        Problem::NotFound => StatusCode::NOT_FOUND,
        Problem::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Problem::Timeout => StatusCode::REQUEST_TIMEOUT,
        Problem::Conflict => StatusCode::CONFLICT,
        Problem::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Problem::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Problem::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Problem::InvalidRecord | Problem::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Problem::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Problem::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Problem::CollectionFull => StatusCode::INSUFFICIENT_STORAGE,
        Problem::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl ProblemDetails {
    pub fn new(problem: Problem, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem,
            detail: detail.into(),
            errors: Vec::new(),
            header: None,
        }
    }

    /// A path that no route has.
    pub fn no_route(path: &str) -> Self {
        Self::new(Problem::NotFound, format!("no route {path}"))
    }

    /// A method that the route does not take.
    pub fn not_allowed(allow: &'static str) -> Self {
        Self::new(
            Problem::MethodNotAllowed,
            format!("this route takes {allow}"),
        )
        .with_header(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// The service cannot answer now but may in a second.
    pub fn unavailable(detail: &'static str) -> Self {
        Self::new(Problem::Unavailable, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The service cannot answer before somebody has restarted it, for which a minute is short.
    pub fn unavailable_until_restart(detail: &'static str) -> Self {
        Self::new(Problem::Unavailable, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("60"))
    }

    /// A fault of the server. The client does not learn what happened: the log says it.
    pub fn internal() -> Self {
        Self::new(
            Problem::Internal,
            "the server failed at this; its log knows more",
        )
    }

    /// A body that is no valid record, with what is wrong in it.
    pub fn invalid(errors: Vec<MemberError>) -> Self {
        let mut problem = Self::new(Problem::InvalidRecord, "see errors for what was expected");
        problem.errors = errors;
        problem
    }

    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// The answer to the request with this id.
    pub fn into_response(self, request_id: &[u8]) -> Response<Body> {
        let mut response = Response::new(Body::from(self.json(request_id)));
        *response.status_mut() = status(self.problem);
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.extend(self.header.map(|header| *header));
        response
    }

    fn json(&self, request_id: &[u8]) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Members<'a> {
            r#type: &'static str,
            title: &'static str,
            status: u16,
            detail: &'a str,
            request_id: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [MemberError],
        }
        let members = Members {
            r#type: self.problem.urn(),
            title: self.problem.title(),
            status: status(self.problem).as_u16(),
            detail: &self.detail,
            request_id: str::from_utf8(request_id).unwrap_or_default(),
            errors: &self.errors,
        };
        serde_json::to_vec(&members).expect("texts and numbers are always JSON")
    }
}

impl From<ReadError> for ProblemDetails {
    fn from(_: ReadError) -> Self {
        Self::unavailable("the collection cannot be read now; try again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_that_cannot_be_read_now_is_unavailable_and_worth_another_try() {
        let response = ProblemDetails::from(ReadError).into_response(b"1");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
