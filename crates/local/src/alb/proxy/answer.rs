//! The load balancer's own answers, and what becomes of a body that an answer did not wait for.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue, SERVER};
use http::{Response, StatusCode, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::alb::listener::FixedResponse;
use crate::alb::proxy::response_body::ResponseBody;
use crate::alb::wire::body::Upload;

/// The rest of a body that is read and dropped behind an answer that did not need it, so that the
/// connection can stay; and how long it may take to arrive.
const REST_BYTES_MAX: u64 = 64 * 1024;
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client gets for whom there is no room. Written without reading its request: reading is
/// what there is no room for.
pub const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nServer: local-alb\r\n\
    Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a client gets that has sent a part of a head and then nothing.
pub const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nServer: local-alb\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// An answer that needs nothing of the request's body. A short rest is read and dropped; otherwise
/// the client learns that the connection ends.
pub(crate) async fn early(
    response: Response<ResponseBody>,
    head: &request::Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    // Whoever waits for a 100 is not asked for the body.
    let asks = head.headers.contains_key(EXPECT);
    if body.is_end_stream() || (!asks && drop_rest(body).await) {
        return response;
    }
    closes(response)
}

/// Reads a body to its end, if that is near; whether it was.
async fn drop_rest(body: Incoming) -> bool {
    if body.size_hint().lower() > REST_BYTES_MAX {
        return false;
    }
    let mut body = Limited::new(body, usize::try_from(REST_BYTES_MAX).unwrap_or(usize::MAX));
    let rest = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return false;
            }
        }
        true
    };
    timeout(REST_TIMEOUT, rest).await.unwrap_or(false)
}

/// An answer to a request whose body the client may still be sending.
pub(crate) fn closing(response: Response<ResponseBody>, upload: &Upload) -> Response<ResponseBody> {
    if upload.is_whole() {
        response
    } else {
        closes(response)
    }
}

fn closes(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

pub(crate) fn fixed(response: &FixedResponse) -> Response<ResponseBody> {
    own(
        response.status,
        response.content_type,
        response.body.clone(),
    )
}

/// The page the ALB sends for its own errors.
pub(crate) fn error(status: StatusCode) -> Response<ResponseBody> {
    let code = status.as_u16();
    let reason = status.canonical_reason().unwrap_or_default();
    let page = format!(
        "<html>\r\n<head><title>{code} {reason}</title></head>\r\n<body>\r\n<center><h1>{code} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    own(status, "text/html", page.into())
}

/// An answer of the load balancer's own; the field `Server` tells it from a target's.
fn own(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("local-alb"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
