//! The load balancer's own answers, and what happens to the body of a request that is answered early.

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

/// How much of an unread body is read and dropped after an early answer, so that the connection can
/// stay open; and how long that may take.
const REST_BYTES_MAX: u64 = 64 * 1024;
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// The answer to a client that is over the limit of connections. It is written without reading the
/// request, because reading needs the memory that the limit protects.
pub const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nServer: local-alb\r\n\
    Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The answer to a client that has sent a part of a head and then nothing.
pub const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nServer: local-alb\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// An answer that does not need the request's body. If the rest of the body is short, it is read and
/// dropped. Otherwise the answer says `Connection: close`.
pub(crate) async fn early(
    response: Response<ResponseBody>,
    head: &request::Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    // A client that waits for a 100 is not asked to send its body.
    let asks = head.headers.contains_key(EXPECT);
    if body.is_end_stream() || (!asks && drop_rest(body).await) {
        return response;
    }
    closes(response)
}

/// Reads a body to its end if only a little is left. Returns whether it reached the end.
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

/// An answer that the load balancer gives by itself. Its field `Server` tells it from a target's.
fn own(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("local-alb"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
