//! The body of an answer to a client: the load balancer's own, or a target's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::alb::proxy::access::Access;
use crate::alb::target::{Lease, Sender};
use crate::alb::wire::body::{BodyError, Piece, TimedBody};
use crate::alb::wire::connections::{Answering, Hold};

/// The body of an answer to a client.
pub struct ResponseBody {
    source: Source,
    /// Whether only the end of the connection tells the client where the answer ends.
    ends_with_connection: bool,
    /// Its line is written when the answer ends, complete or not.
    access: Option<Access>,
    /// Counts as an answer under way on the client's connection.
    answering: Option<Answering>,
}

enum Source {
    /// The load balancer's own.
    Own(Full<Bytes>),
    /// A target's.
    Target(FromTarget),
}

struct FromTarget {
    body: TimedBody,
    /// The first frame, which arrived with the head.
    first: Option<Frame<Bytes>>,
    /// Why the body failed. It is reported only after everything before it has been written to the
    /// client's socket, because hyper drops what it has not sent when a body fails.
    failed: Option<BodyError>,
    /// Counts as a request under way to the target.
    lease: Lease,
    /// The connection that the answer arrives on. The next request may use it afterwards.
    sender: Option<Sender>,
    /// How long the connection may take to become ready for the next request.
    patience: Duration,
    _held: Hold,
}

impl FromTarget {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if let Some(failed) = self.failed.take() {
            return Poll::Ready(Some(Err(failed)));
        }
        match ready!(self.body.poll_frame(cx)) {
            Some(Err(error)) => {
                self.failed = Some(error);
                // While this is pending, hyper sends what it has.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.failed.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let first = self.first.as_ref().and_then(Frame::data_ref);
        let first = first.map_or(0, |data| data.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + first);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + first);
        }
        hint
    }
}

impl ResponseBody {
    fn new(source: Source) -> Self {
        Self {
            source,
            ends_with_connection: false,
            access: None,
            answering: None,
        }
    }

    /// An answer that the load balancer gives by itself.
    pub fn own(bytes: Bytes) -> Self {
        Self::new(Source::Own(Full::new(bytes)))
    }

    /// A target's answer, whose connection holds this much.
    ///
    /// # Errors
    /// When the first frame is already invalid. Nothing of the answer has been sent yet.
    pub async fn from_target(
        body: Incoming,
        idle_timeout: Duration,
        lease: Lease,
        sender: Sender,
        held: Hold,
    ) -> Result<Self, BodyError> {
        let mut body = TimedBody::new(body, idle_timeout);
        let arrived = std::future::poll_fn(|cx| Poll::Ready(body.poll_frame(cx))).await;
        let first = match arrived {
            Poll::Ready(Some(Err(error))) => return Err(error),
            Poll::Ready(Some(Ok(first))) => Some(first),
            Poll::Ready(None) | Poll::Pending => None,
        };
        Ok(Self::new(Source::Target(FromTarget {
            body,
            first,
            failed: None,
            lease,
            sender: Some(sender),
            patience: idle_timeout,
            _held: held,
        })))
    }

    /// Writes the access log's line when this answer ends.
    pub fn logged(&mut self, access: Option<Access>) {
        self.access = access;
    }

    /// Ends `answering` together with this answer.
    pub fn keeps(&mut self, answering: Answering) {
        self.answering = Some(answering);
    }

    /// Notes that only the end of the connection tells the client where this answer ends.
    pub fn ends_with_connection(&mut self) {
        self.ends_with_connection = true;
    }

    fn finished(&mut self) {
        if let Some(access) = &mut self.access {
            access.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BodyError>>> {
        let frame = ready!(match &mut self.source {
            Source::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Source::Target(body) => body.poll_frame(cx),
        });
        if frame.is_none() || self.is_end_stream() {
            self.finished();
        }
        if matches!(frame, Some(Err(_)))
            && self.ends_with_connection
            && let Some(answering) = &self.answering
        {
            answering.cut_off();
        }
        let answering = self.answering.as_ref();
        let piece = |bytes| Piece::new(bytes, answering.map(Answering::activity));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Target(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Target(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    /// Returns the connection for the next request. When the answer was not read to its end, hyper
    /// closes the connection with the body, and it never becomes ready.
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.finished();
        }
        let Source::Target(FromTarget {
            lease,
            sender,
            patience,
            ..
        }) = &mut self.source
        else {
            return;
        };
        let Some(mut sender) = sender.take() else {
            return;
        };
        if sender.is_ready() {
            lease.put_idle(sender);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let target = Arc::clone(lease);
            // When the request was answered early, the rest of it may still be being sent.
            let patience = *patience;
            runtime.spawn(async move {
                if matches!(timeout(patience, sender.ready()).await, Ok(Ok(()))) {
                    target.put_idle(sender);
                }
            });
        }
    }
}
