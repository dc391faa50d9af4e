//! Streams bodies frame by frame, trailers included. A body fails when nothing moves for the idle
//! timeout.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::alb::wire::connections::{Activity, Hold};
use crate::alb::wire::headers;

/// Why a body failed.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer closed the connection, or what it sent is not a valid body.
    #[error("body broke off")]
    Broken(#[source] hyper::Error),
    /// Nothing arrived for the idle timeout.
    #[error("body stood still for the idle timeout")]
    Idle,
}

/// What the client is doing while its request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSide {
    /// It has sent its body faster than the target reads it, or all of it.
    Sending,
    /// The target waits for more of the body.
    Awaited,
    /// The target has waited for more of the body for the whole idle timeout.
    Stalled,
    /// The client closed the connection, or what it sent is not a valid body.
    Broken,
}

/// The progress of a request's body, shared with the code that waits for the answer.
#[derive(Debug)]
pub struct Upload {
    state: Mutex<(Instant, ClientSide)>,
    /// Whether the client has sent all of it.
    whole: AtomicBool,
}

impl Upload {
    /// When the target last read a part of the request.
    pub fn last_progress(&self) -> Instant {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// What the client is doing.
    pub fn client(&self) -> ClientSide {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Whether the client has sent all of it.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    fn set(&self, side: ClientSide) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = side;
        if side == ClientSide::Sending {
            state.0 = Instant::now();
        }
    }
}

/// A body with a timeout: reading it fails when no frame arrives for the idle timeout. Trailers that
/// may not be forwarded are removed.
pub(crate) struct TimedBody {
    body: Incoming,
    idle_timeout: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

impl TimedBody {
    pub(crate) fn new(body: Incoming, idle_timeout: Duration) -> Self {
        Self {
            body,
            idle_timeout,
            idle: None,
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    pub(crate) fn poll_frame(
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

/// How many bytes a piece counts as. Even a short piece keeps alive the whole buffer that it was read
/// into.
const PIECE_BYTES: usize = 8 * 1024;

/// Bytes of a body. They count as held by the client's connection until they have been written.
pub struct Piece {
    bytes: Bytes,
    _held: Option<Hold>,
}

impl Piece {
    pub(crate) fn new(bytes: Bytes, holder: Option<&Arc<Activity>>) -> Self {
        Self {
            bytes,
            _held: holder.map(|holder| holder.hold(PIECE_BYTES)),
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

/// A client's body on its way to a target.
pub struct RequestBody {
    body: TimedBody,
    upload: Arc<Upload>,
    activity: Arc<Activity>,
}

impl RequestBody {
    /// Returns the body, and its progress for the code that waits for the answer.
    #[must_use]
    pub fn new(
        body: Incoming,
        idle_timeout: Duration,
        activity: Arc<Activity>,
    ) -> (Self, Arc<Upload>) {
        let upload = Arc::new(Upload {
            state: Mutex::new((Instant::now(), ClientSide::Sending)),
            whole: AtomicBool::new(body.is_end_stream()),
        });
        activity.uploading(true);
        let this = Self {
            body: TimedBody::new(body, idle_timeout),
            upload: Arc::clone(&upload),
            activity,
        };
        (this, upload)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.activity.body_awaited(false);
        self.activity.uploading(false);
    }
}

impl Body for RequestBody {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BodyError>>> {
        let frame = self.body.poll_frame(cx);
        self.activity.body_awaited(frame.is_pending());
        self.upload.set(match &frame {
            Poll::Pending => ClientSide::Awaited,
            Poll::Ready(Some(Err(BodyError::Idle))) => ClientSide::Stalled,
            Poll::Ready(Some(Err(BodyError::Broken(_)))) => ClientSide::Broken,
            Poll::Ready(Some(Ok(_)) | None) => ClientSide::Sending,
        });
        if matches!(frame, Poll::Ready(None)) || self.is_end_stream() {
            self.upload.whole.store(true, Ordering::Relaxed);
        }
        let piece = |bytes| Piece::new(bytes, Some(&self.activity));
        frame.map_ok(|frame| frame.map_data(piece))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
