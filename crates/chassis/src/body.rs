//! Bodies that clients send.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use common::Problem;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::problem::ProblemDetails;

/// Bytes that a body may have.
const BYTES_MAX: usize = 64 * 1024;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A method that takes a body: which media types, and the header that names them.
pub(crate) struct Accepts {
    pub media_types: &'static [&'static str],
    pub header: HeaderName,
    pub value: &'static str,
}

pub(crate) static POST: Accepts = Accepts {
    media_types: &["application/json"],
    header: HeaderName::from_static("accept-post"),
    value: "application/json",
};

pub(crate) static PUT: Accepts = Accepts {
    media_types: &["application/json"],
    header: header::ACCEPT,
    value: "application/json",
};

pub(crate) static PATCH: Accepts = Accepts {
    media_types: &["application/merge-patch+json", "application/json"],
    header: HeaderName::from_static("accept-patch"),
    value: "application/merge-patch+json, application/json",
};

/// Reads a JSON body of one of the media types that are accepted.
pub(crate) async fn json(
    headers: &HeaderMap,
    body: Body,
    accepts: &Accepts,
) -> Result<Value, ProblemDetails> {
    check_media_type(headers, accepts)?;
    check_coding(headers)?;
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if declared
        .and_then(|value| value.parse().ok())
        .is_some_and(|bytes: u64| bytes > BYTES_MAX as u64)
    {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(TIMEOUT, Limited::new(body, BYTES_MAX).collect()).await;
    let bytes = match collected {
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", TIMEOUT.as_secs());
            return Err(ProblemDetails::new(Problem::Timeout, detail));
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(malformed("the body ended early or is badly framed")),
        Ok(Ok(body)) => body.to_bytes(),
    };
    store::json::read(&bytes).map_err(|error| malformed(error.to_string()))
}

fn check_media_type(headers: &HeaderMap, accepts: &Accepts) -> Result<(), ProblemDetails> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let essence = given
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if accepts
        .media_types
        .iter()
        .any(|accepted| essence.eq_ignore_ascii_case(accepted.as_bytes()))
    {
        return Ok(());
    }
    let detail = format!(
        "expected the header Content-Type: {}",
        accepts.media_types[0]
    );
    Err(
        ProblemDetails::new(Problem::UnsupportedMediaType, detail).with_header(
            accepts.header.clone(),
            HeaderValue::from_static(accepts.value),
        ),
    )
}

/// A body is read as it is; who compressed it is told to send it plain (RFC 9110 §8.4).
fn check_coding(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    let lines = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    if codings.all(|coding| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    }) {
        return Ok(());
    }
    let detail = "expected a body without Content-Encoding";
    Err(
        ProblemDetails::new(Problem::UnsupportedMediaType, detail).with_header(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        ),
    )
}

fn too_large() -> ProblemDetails {
    ProblemDetails::new(
        Problem::TooLarge,
        format!("expected a body of at most {BYTES_MAX} bytes"),
    )
}

fn malformed(detail: impl Into<std::borrow::Cow<'static, str>>) -> ProblemDetails {
    ProblemDetails::new(Problem::MalformedJson, detail)
}
