//! Bodies that clients send.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use bytes::Bytes;
use common::Problem;
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{problem::ProblemDetails, write_room::WriteRoom};

/// The largest size of a body in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// The most memory, in bytes, that a parsed value takes, including its entry in the list or
/// object around it. The value's text may have only two bytes.
const VALUE_BYTES: usize = 320;

/// How long a client may take to send its body.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The media types that a method's body may have, and the header that names them.
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
    room: &mut WriteRoom<'_>,
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
    let collected = tokio::time::timeout(TIMEOUT, collect(body, room)).await;
    let bytes = collected.map_err(|_| {
        let detail = format!("the body did not arrive within {} s", TIMEOUT.as_secs());
        ProblemDetails::new(Problem::Timeout, detail)
    })??;
    room.hold(bytes.len() + VALUE_BYTES * values(&bytes))?;
    store::json::read(&bytes).map_err(|error| malformed(error.to_string()))
}

/// Reads a body to its end. Each piece keeps the buffer alive that it was read into, which may be
/// a hundred times as long. So several pieces are copied into one.
async fn collect(mut body: Body, room: &mut WriteRoom<'_>) -> Result<Bytes, ProblemDetails> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| malformed("the body ended early or is badly framed"))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        let bytes = whole.len() + piece.len();
        if bytes > BYTES_MAX {
            return Err(too_large());
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        room.hold(bytes.next_power_of_two())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

/// An upper bound, close to the exact number, of how many values a JSON text has.
fn values(json: &[u8]) -> usize {
    let (mut values, mut quoted, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' | b',' if !quoted => values += 1,
            _ => {}
        }
    }
    values
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

/// Refuses a compressed body and asks for a plain one (RFC 9110 section 8.4).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (json, count) in [
            (r#"{"a": 1, "b": [2, 3]}"#, 4),
            (r#"{"a": "x, [y], {z}", "b\\": "\",", "c": 1}"#, 3),
            ("[]", 1),
            ("1", 0),
        ] {
            assert_eq!(values(json.as_bytes()), count, "{json}");
        }
    }
}
