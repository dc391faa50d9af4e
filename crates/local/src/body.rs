//! Bodies on their way through: streamed frame by frame, trailers included, and given up when
//! nothing moves for the idle timeout.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::access::Access;
use crate::headers;
use crate::server::Answering;
use crate::target::{Lease, Sender};

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer closed the connection, or sent what is no body.
    #[error("body broke off")]
    Broken(#[source] hyper::Error),
    /// Nothing arrived for the idle timeout.
    #[error("body stood still for the idle timeout")]
    Idle,
}

/// What the client is doing while its request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSide {
    /// It has sent all, or more than the target has taken.
    Sending,
    /// The target waits for it.
    Awaited,
    /// The target waited for the idle timeout.
    Stalled,
    /// What it sent is no body, or it left.
    Broken,
}

/// What a request's body tells the one who waits for the answer.
#[derive(Debug)]
pub struct Upload(Mutex<(Instant, ClientSide)>);

impl Upload {
    /// When the target last took something of the request.
    pub fn last_progress(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What the client is doing.
    pub fn client(&self) -> ClientSide {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn set(&self, side: ClientSide) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = side;
        if side == ClientSide::Sending {
            state.0 = Instant::now();
        }
    }
}

/// A body without the trailers that do not go on. It fails when no frame arrives for the idle timeout while somebody waits for one.
struct Timed {
    body: Incoming,
    idle_timeout: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn new(body: Incoming, idle_timeout: Duration) -> Self {
        Self {
            body,
            idle_timeout,
            idle: None,
        }
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.idle = None;
            let frame = frame.map(|frame| match frame {
                Ok(frame) => Ok(match frame.into_trailers() {
                    Ok(received) => Frame::trailers(headers::trailers(&received)),
                    Err(data) => data,
                }),
                Err(error) => Err(BodyError::Broken(error)),
            });
            return Poll::Ready(frame);
        }
        let idle_timeout = self.idle_timeout;
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(sleep(idle_timeout)));
        ready!(idle.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::Idle)))
    }
}

/// A client's body on its way to a target.
pub struct RequestBody {
    body: Timed,
    upload: Arc<Upload>,
}

impl RequestBody {
    /// The body, and the view on it for the one who waits for the answer.
    #[must_use]
    pub fn new(body: Incoming, idle_timeout: Duration) -> (Self, Arc<Upload>) {
        let upload = Arc::new(Upload(Mutex::new((Instant::now(), ClientSide::Sending))));
        (
            Self {
                body: Timed::new(body, idle_timeout),
                upload: Arc::clone(&upload),
            },
            upload,
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.body.poll_frame(cx);
        self.upload.set(match &frame {
            Poll::Pending => ClientSide::Awaited,
            Poll::Ready(Some(Err(BodyError::Idle))) => ClientSide::Stalled,
            Poll::Ready(Some(Err(BodyError::Broken(_)))) => ClientSide::Broken,
            Poll::Ready(Some(Ok(_)) | None) => ClientSide::Sending,
        });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.body.size_hint()
    }
}

/// The body of an answer to a client.
pub struct ResponseBody {
    source: Source,
    /// Written when the answer is over, one way or the other.
    access: Option<Access>,
    /// Tells the client's connection that an answer is under way.
    answering: Option<Answering>,
}

enum Source {
    /// The load balancer's own.
    Own(Full<Bytes>),
    /// A target's.
    Target {
        body: Timed,
        /// Keeps the target from being `unused`.
        lease: Lease,
        /// The connection it comes over; the next request may have it afterwards.
        sender: Option<Sender>,
    },
}

impl ResponseBody {
    /// An answer that the load balancer gives by itself.
    pub fn own(bytes: Bytes) -> Self {
        Self {
            source: Source::Own(Full::new(bytes)),
            access: None,
            answering: None,
        }
    }

    /// A target's answer.
    #[must_use]
    pub fn from_target(
        body: Incoming,
        idle_timeout: Duration,
        lease: Lease,
        sender: Sender,
    ) -> Self {
        let body = Timed::new(body, idle_timeout);
        Self {
            source: Source::Target {
                body,
                lease,
                sender: Some(sender),
            },
            access: None,
            answering: None,
        }
    }

    /// Has the access log written when this answer is over.
    pub fn logged(&mut self, access: Option<Access>) {
        self.access = access;
    }

    /// Has `answering` end with this answer.
    pub fn keeps(&mut self, answering: Answering) {
        self.answering = Some(answering);
    }

    fn finished(&mut self) {
        if let Some(access) = &mut self.access {
            access.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(match &mut self.source {
            Source::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Source::Target { body, .. } => body.poll_frame(cx),
        });
        if frame.is_none() || self.is_end_stream() {
            self.finished();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Target { body, .. } => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Target { body, .. } => body.body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    /// Gives the connection back. One whose answer was not read to the end is no use: hyper closes
    /// it as soon as the body is gone, and it never becomes ready.
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.finished();
        }
        let Source::Target { lease, sender, .. } = &mut self.source else {
            return;
        };
        let Some(mut sender) = sender.take() else {
            return;
        };
        if sender.is_ready() {
            lease.put_idle(sender);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let target = Arc::clone(lease);
            runtime.spawn(async move {
                if sender.ready().await.is_ok() {
                    target.put_idle(sender);
                }
            });
        }
    }
}
