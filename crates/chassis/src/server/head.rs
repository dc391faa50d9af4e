//! Request heads that hyper reads but RFC 9112 says to refuse.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::{HeaderValue, Request, Response, StatusCode, Version, header};
use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::service::Service;
use pin_project_lite::pin_project;

/// Refuses requests that RFC 9112 says to refuse, and closes their connections. The answer is as
/// bare as hyper's own answer to a malformed head. `S` answers all other requests.
pub(crate) struct CheckHead<S>(pub S);

impl<S, B, R> Service<Request<B>> for CheckHead<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Either<R, Empty<Bytes>>>;
    type Error = S::Error;
    type Future = Checked<S::Future>;

    #[inline]
    fn call(&self, request: Request<B>) -> Self::Future {
        match check(&request) {
            Ok(()) => Checked::Asked {
                answer: self.0.call(request),
            },
            Err(status) => Checked::Refused { status },
        }
    }
}

pin_project! {
    /// The future of an answer.
    #[project = CheckedPinned]
    pub(crate) enum Checked<F> {
        Asked {
            #[pin]
            answer: F,
        },
        Refused {
            status: StatusCode,
        },
    }
}

impl<F, R, E> Future for Checked<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Either<R, Empty<Bytes>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            CheckedPinned::Asked { answer } => {
                ready!(answer.poll(cx)).map(|response| response.map(Either::Left))
            }
            CheckedPinned::Refused { status } => {
                let mut response = Response::new(Either::Right(Empty::new()));
                *response.status_mut() = *status;
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
                Ok(response)
            }
        })
    }
}

/// The status to refuse a request with: 400 if `Host` is missing, repeated or invalid, or if the
/// target is an authority alone (RFC 9112 section 3.2); 501 if `Transfer-Encoding` is anything
/// but one `chunked` (section 6.1).
fn check<B>(request: &Request<B>) -> Result<(), StatusCode> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host_holds = match hosts.next() {
        Some(host) => hosts.next().is_none() && is_host(host.as_bytes()),
        None => request.version() != Version::HTTP_11,
    };
    let uri = request.uri();
    let target_holds = uri
        .authority()
        .is_none_or(|authority| uri.scheme().is_some() && is_host(authority.as_str().as_bytes()));
    if !host_holds || !target_holds {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut encodings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match encodings.next() {
        Some(encoding)
            if !encoding.as_bytes().eq_ignore_ascii_case(b"chunked")
                || encodings.next().is_some() =>
        {
            Err(StatusCode::NOT_IMPLEMENTED)
        }
        _ => Ok(()),
    }
}

/// Whether this is a valid host (RFC 3986 section 3.2.2), with or without a port. It may be empty
/// (RFC 9110 section 7.2).
fn is_host(bytes: &[u8]) -> bool {
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    let (host, port) = match colon {
        Some(colon) if !bytes.ends_with(b"]") => (&bytes[..colon], &bytes[colon + 1..]),
        _ => (bytes, &[][..]),
    };
    let host_holds = match host.strip_prefix(b"[") {
        Some(address) => address.strip_suffix(b"]").is_some_and(|address| {
            let in_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            address.iter().all(in_address)
        }),
        None => host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte)),
    };
    host_holds && port.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_what_is_none() {
        for host in [
            "",
            "forum",
            "forum:80",
            "forum:",
            "10.0.0.1:3000",
            "[::1]",
            "[::1]:80",
            "a_b-c.d",
        ] {
            assert!(is_host(host.as_bytes()), "{host:?}");
        }
        for other in [
            "a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "::1", "a?b", "a#b", "a\\b", "ü",
            "[::1]x:1",
        ] {
            assert!(!is_host(other.as_bytes()), "{other:?}");
        }
    }
}
