//! The sockets towards clients and targets, as hyper uses them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::alb::wire::connections::{Activity, Hold};

/// The most bytes that one read returns. hyper begins with a buffer of 8 KiB for each connection and
/// enlarges it whenever a read has filled it. A read of this size never fills it.
const READ_BYTES_MAX: usize = 8 * 1024 - 1;

fn poll_read(
    tcp: &mut TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<usize>> {
    let part = buf.remaining().min(READ_BYTES_MAX);
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(part));
    ready!(Pin::new(tcp).poll_read(cx, &mut part))?;
    let bytes = part.filled().len();
    buf.advance(bytes);
    Poll::Ready(Ok(bytes))
}

/// A client's connection. A write that the client does not read for the idle timeout fails, as if the
/// client had closed the connection.
pub struct ClientSocket {
    tcp: TcpStream,
    activity: Arc<Activity>,
    /// The length of the longest head so far. hyper keeps a buffer of that size until the connection
    /// ends.
    heads: Hold,
    idle_timeout: Duration,
    idle: Option<Pin<Box<Sleep>>>,
    /// Whether the client has closed its side of the connection.
    over: bool,
}

impl ClientSocket {
    /// The socket of the connection with this activity.
    #[must_use]
    pub fn new(tcp: TcpStream, activity: Arc<Activity>, idle_timeout: Duration) -> Self {
        Self {
            tcp,
            heads: activity.hold(0),
            activity,
            idle_timeout,
            idle: None,
            over: false,
        }
    }

    /// The socket itself, unless the client has closed its side.
    #[must_use]
    pub fn into_open(self) -> Option<TcpStream> {
        (!self.over).then_some(self.tcp)
    }

    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => {
                self.idle = None;
                self.activity.sent();
                return written;
            }
            Poll::Ready(Err(_)) => {
                self.over = true;
                return written;
            }
            Poll::Pending => self.activity.blocked(),
        }
        let idle_timeout = self.idle_timeout;
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(sleep(idle_timeout)));
        ready!(idle.as_mut().poll(cx));
        self.over = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(poll_read(&mut self.tcp, cx, buf));
        match read {
            Ok(bytes @ 1..) => {
                let head = self.activity.received(bytes);
                // A buffer that grows doubles.
                self.heads.grow_to(head.saturating_sub(READ_BYTES_MAX) * 2);
            }
            Ok(0) | Err(_) => self.over = true,
        }
        Poll::Ready(read.map(drop))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A connection to a target. A target may answer and close before it has read the whole request. The
/// rest of the request is then dropped, and the answer is still read.
pub struct TargetSocket(TcpStream);

impl TargetSocket {
    /// The socket of an open connection.
    #[must_use]
    pub fn new(tcp: TcpStream) -> Self {
        Self(tcp)
    }
}

impl AsyncRead for TargetSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(&mut self.0, cx, buf).map_ok(drop)
    }
}

impl AsyncWrite for TargetSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.0).poll_write_vectored(cx, bufs));
        Poll::Ready(written.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Ok(bufs.iter().map(|buf| buf.len()).sum())
            }
            _ => Err(error),
        }))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
