//! A connection's socket.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::server::{
    connections::{Activity, Connections},
    unparsed::{READ_BYTES_MAX, Unparsed},
};

/// A client that keeps its answer waiting for this long is cut off, unless it reads
/// [`STALL_BYTES`] meanwhile. A byte now and then is not enough.
const STALL: Duration = Duration::from_secs(30);

/// Reading this many bytes gives a client its full time again.
const STALL_BYTES: usize = 64 * 1024;

/// The longest write that is held back. Copying more costs as much as a system call.
const WRITE_BYTES_MAX: usize = 4 * 1024;

/// The most bytes that are held back.
const HELD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of heads, and bytes of held back answers, that a connection may buffer without being
/// counted.
const OWN_BYTES: usize = 2 * 1024;

/// How long a client may go on sending after the last answer of its connection.
const LINGER: Duration = Duration::from_secs(30);

/// How long the client may be silent meanwhile.
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// Reads whose bytes are dropped, before other connections get their turn.
const LINGER_READS: usize = 16;

/// A socket that notes when its client reads too slowly, and ends when it is far too slow.
///
/// Answers to pipelined requests are sent together in one system call: small writes are held back
/// until hyper reads again. hyper's own option for this, `pipeline_flush`, is not used. With it,
/// hyper copies a whole body before it sends the first byte, however slow the client is, and does
/// not send its answer to a malformed head.
///
/// The socket counts the bytes that are buffered for its client, including those in hyper. While
/// all connections together buffer too much, it does not read.
///
/// After the last answer, the socket reads and drops what the client still sends. Otherwise the
/// system would answer with a reset, and the client could not read the last answer.
pub(crate) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    connections: Connections,
    /// How long the client may still read nothing.
    patience: Duration,
    /// Bytes that the client has read since `patience` was reset.
    taken: usize,
    /// The timer that runs while the client reads nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that are held back. Those before `sent` are sent already.
    held: Vec<u8>,
    sent: usize,
    /// Whether the last read returned something. If so, hyper reads again before it waits or shuts
    /// down. If not, it may not read again, so a flush must send.
    read_again: bool,
    unparsed: Unparsed,
    /// Bytes that this connection was last reported to buffer.
    buffered: usize,
    closing: Closing,
}

/// How far the end of a connection has come.
enum Closing {
    /// The connection goes on.
    Open,
    /// The client has ended its side: it sends no more.
    ClientDone,
    /// The last answer is sent. Until this time, the client may go on sending.
    Lingering(tokio::time::Instant),
    /// The same, but the client is silent. The timer ends its silence.
    Silent(tokio::time::Instant, Pin<Box<Sleep>>),
}

impl Socket {
    pub fn new(stream: TcpStream, activity: Arc<Activity>, connections: Connections) -> Self {
        Self {
            stream,
            activity,
            connections,
            patience: STALL,
            taken: 0,
            stalled: None,
            held: Vec::new(),
            sent: 0,
            read_again: false,
            unparsed: Unparsed::default(),
            buffered: 0,
            closing: Closing::Open,
        }
    }

    /// Notes whether the client reads, after each attempt to write to it. A client that has kept its
    /// answer waiting for too long gets an error instead.
    fn after_write(
        &mut self,
        wrote: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(wrote) = wrote else {
            let stalled = self.stalled.get_or_insert_with(|| {
                self.activity.write_blocked(Instant::now());
                Box::pin(sleep(self.patience))
            });
            let cut_off = || Err(io::ErrorKind::TimedOut.into());
            let stalled = stalled.as_mut().poll(cx).map(|()| cut_off());
            self.account();
            return stalled;
        };
        if let Some(stalled) = self.stalled.take() {
            self.activity.write_unblocked();
            let now = tokio::time::Instant::now();
            self.patience = stalled.deadline().saturating_duration_since(now);
        }
        let bytes = *wrote.as_ref().unwrap_or(&0);
        self.activity.sent(bytes);
        if self.activity.slow() {
            self.taken += bytes;
            if self.taken >= STALL_BYTES {
                self.taken = 0;
                self.patience = STALL;
                self.activity.caught_up();
            }
        }
        Poll::Ready(wrote)
    }

    /// Sends what is held back.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() && self.buffered == 0 {
            return Poll::Ready(Ok(()));
        }
        while self.sent < self.held.len() {
            let held = &self.held[self.sent..];
            let wrote = Pin::new(&mut self.stream).poll_write(cx, held);
            self.sent += ready!(self.after_write(wrote, cx))?;
        }
        self.held.clear();
        self.held.shrink_to(OWN_BYTES);
        self.sent = 0;
        self.account();
        Poll::Ready(Ok(()))
    }

    /// Reports how much is buffered, if that has changed.
    fn account(&mut self) {
        let counted = |bytes: usize| if bytes > OWN_BYTES { bytes } else { 0 };
        let (heads, held) = (self.unparsed.buffered(), self.held.capacity());
        let buffered = counted(heads) + counted(held) + self.activity.copied();
        if buffered != self.buffered {
            self.buffered = buffered;
            self.connections.buffer(&self.activity, buffered);
        }
    }

    /// Reads from the client, and gives hyper the bytes that it may have. Returns how many; 0
    /// means that the client sends no more.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let body = self.activity.body();
        loop {
            let given = self.unparsed.give(buf, body);
            if given > 0 {
                return Poll::Ready(Ok(given));
            }
            // A body is read all the same: hyper gets it at once.
            if body == 0 && self.unparsed.buffered() > OWN_BYTES && self.connections.full() {
                // Connections that are being closed free their memory before the next attempt.
                // If there are none, a request of this connection is being answered, since it
                // would be closed otherwise. hyper reads again after the answer.
                if self.connections.shed(Instant::now()) {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            let mut read = [MaybeUninit::uninit(); READ_BYTES_MAX];
            let mut read = ReadBuf::uninit(&mut read);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                self.closing = Closing::ClientDone;
                if !self.unparsed.waits() {
                    return Poll::Ready(Ok(0));
                }
                self.unparsed.end();
            } else if self.unparsed.waits() {
                self.unparsed.extend(read);
                self.account();
            } else {
                let given = self.unparsed.pass(read, buf, body);
                if given > 0 {
                    return Poll::Ready(Ok(given));
                }
                self.account();
            }
        }
    }

    /// Reads and drops what the client still sends.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = match &self.closing {
            Closing::Open => tokio::time::Instant::now() + LINGER,
            Closing::ClientDone => return Poll::Ready(()),
            Closing::Lingering(until) | Closing::Silent(until, _) => *until,
        };
        for _ in 0..LINGER_READS {
            let mut dropped = [MaybeUninit::uninit(); READ_BYTES_MAX];
            let mut dropped = ReadBuf::uninit(&mut dropped);
            match Pin::new(&mut self.stream).poll_read(cx, &mut dropped) {
                Poll::Ready(Ok(())) if !dropped.filled().is_empty() => {
                    self.closing = Closing::Lingering(until);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    if !matches!(self.closing, Closing::Silent(..)) {
                        let silent = tokio::time::Instant::now() + LINGER_SILENCE;
                        let silent = tokio::time::sleep_until(silent.min(until));
                        self.closing = Closing::Silent(until, Box::pin(silent));
                    }
                    let Closing::Silent(_, silent) = &mut self.closing else {
                        return Poll::Pending;
                    };
                    return silent.as_mut().poll(cx);
                }
            }
        }
        if tokio::time::Instant::now() >= until {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.connections.buffer(&self.activity, 0);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // While a request is being answered, its answer will be sent with those that are held
        // back. If sending blocks, it is tried again once the socket is writable: the task is
        // woken for reading and for writing.
        if !self.activity.answering()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(error));
        }
        let filled = self.poll_fill(cx, buf);
        self.read_again = filled.is_ready();
        let given = ready!(filled)?;
        let body = self.activity.body();
        if body > 0 && body < usize::MAX {
            self.activity.set_body(body.saturating_sub(given));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        let held = self.held.len() + bytes;
        let room = if held <= OWN_BYTES {
            true
        } else {
            held <= HELD_BYTES_MAX && !self.connections.full()
        };
        if bytes <= WRITE_BYTES_MAX && room {
            self.held.reserve(bytes);
            for buf in bufs {
                self.held.extend_from_slice(buf);
            }
            self.account();
            return Poll::Ready(Ok(bytes));
        }
        ready!(self.poll_send(cx))?;
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.after_write(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read_again && self.sent == 0 {
            return Poll::Ready(Ok(()));
        }
        self.poll_send(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        if matches!(self.closing, Closing::Open | Closing::ClientDone) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;
