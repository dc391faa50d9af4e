//! The part of a body that the handler did not read.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::{HeaderValue, Request, Response, header};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::Service};
use pin_project_lite::pin_project;

use crate::server::connections::Activity;

/// The longest unread part that is read and dropped so that the connection can be kept.
const UNREAD_BYTES_MAX: u64 = 64 * 1024;

/// How long reading it may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Lets `S` answer requests, and handles the part of their bodies that it does not read. A short
/// part is read and dropped after the answer. If it is longer, the answer says that the connection
/// ends; the socket then reads and drops what the client still sends.
///
/// Without this, hyper would end the connection as well, but the answer would not say so.
pub(crate) struct DrainUnread<S> {
    pub service: S,
    pub activity: Arc<Activity>,
}

/// A request's body. When it is dropped, the part that was not read comes back to [`DrainUnread`].
pub struct RequestBody {
    /// `None` when it is empty, read to its end, or has come back.
    body: Option<Incoming>,
    /// Where the unread part comes back. `None` if the body is empty.
    returned: Option<Arc<ReturnedBody>>,
    /// Whether the client waits for `100 Continue` before it sends the body.
    held_back: bool,
}

/// Where the unread part of a body comes back.
struct ReturnedBody {
    /// The body that came back, and whether the client still waits for `100 Continue`.
    body: Mutex<Option<(Incoming, bool)>>,
    activity: Arc<Activity>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Polling makes hyper send `100 Continue`.
        self.held_back = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none()
            && let (Some(_), Some(returned)) = (self.body.take(), self.returned.take())
        {
            returned.activity.set_body(0);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let (Some(body), Some(returned)) = (self.body.take(), self.returned.take())
            && !body.is_end_stream()
        {
            let mut returned = returned.body.lock().unwrap_or_else(PoisonError::into_inner);
            *returned = Some((body, self.held_back));
        }
    }
}

impl<S, R> Service<Request<Incoming>> for DrainUnread<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = DrainFuture<S::Future>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (mut returned, mut held_back) = (None, false);
        if !request.body().is_end_stream() {
            let bytes = request.body().size_hint().exact();
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            self.activity.set_body(bytes.unwrap_or(usize::MAX));
            held_back = request.headers().contains_key(header::EXPECT);
            returned = Some(Arc::new(ReturnedBody {
                body: Mutex::default(),
                activity: Arc::clone(&self.activity),
            }));
        }
        let request = request.map(|body| RequestBody {
            body: returned.is_some().then_some(body),
            returned: returned.clone(),
            held_back,
        });
        DrainFuture {
            answer: Some(self.service.call(request)),
            returned,
        }
    }
}

pin_project! {
    /// The future of an answer. Part of the request's body may still be unread then.
    pub(crate) struct DrainFuture<F> {
        #[pin]
        answer: Option<F>,
        returned: Option<Arc<ReturnedBody>>,
    }
}

impl<F, R, E> Future for DrainFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = this.answer.as_mut().as_pin_mut();
        let answer = answer.expect("a future is not polled after its end");
        let Some(returned) = this.returned.as_ref() else {
            // Most requests have no body. Their response is returned without moving it, since it
            // is large.
            return answer.poll(cx);
        };
        let mut response = ready!(answer.poll(cx))?;
        let returned = Arc::clone(returned);
        // The future may hold the body until it is dropped.
        this.answer.set(None);
        let unread = returned
            .body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((unread, held_back)) = unread {
            let short = unread
                .size_hint()
                .upper()
                .is_some_and(|bytes| bytes <= UNREAD_BYTES_MAX);
            if short && !held_back {
                tokio::spawn(tokio::time::timeout(DRAIN_TIMEOUT, drain(unread)));
            } else {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// Reads the body to its end. If it were dropped before, hyper would end the connection.
async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}
