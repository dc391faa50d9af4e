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
    reader::{READ_BYTES_MAX, Reader},
};

/// How long a client may keep its answer waiting before it is cut off, unless
/// it takes [`STALL_BYTES`] meanwhile: a byte now and then is not enough.
const STALL: Duration = Duration::from_secs(30);

/// Bytes that are worth waiting for.
const STALL_BYTES: usize = 64 * 1024;

/// Bytes of a write that is held back at most: copying more costs as much as a system call.
const WRITE_BYTES_MAX: usize = 4 * 1024;

/// Bytes that are held back at most.
const HELD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a head, and bytes that are held back, that a connection may buffer uncounted.
const OWN_BYTES: usize = 2 * 1024;

/// How long a client may go on sending when its connection is over and the last answer is sent.
const LINGER: Duration = Duration::from_secs(30);

/// How long it may be silent meanwhile.
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// Reads that drop what they read, until other connections have their turn.
const LINGER_READS: usize = 16;

/// A socket that notes when its client does not keep up with reading, and ends
/// when it falls too far behind.
///
/// Answers to pipelined requests are sent together, in one system call: small
/// writes are held back until the reader comes back for more. hyper has an
/// option for this, `pipeline_flush`, with which it copies a whole body before
/// it sends the first byte, however slow the client is, and does not send what
/// it answers to a bad head.
///
/// It counts what is buffered for its client, also by hyper, and does not read on while all
/// connections together buffer too much.
///
/// Once the connection is over, it reads and drops what the client still sends: the system would
/// answer that with a reset, and the client would not get to read the last answer.
pub(crate) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    connections: Connections,
    /// How long the client may still keep us waiting.
    patience: Duration,
    /// Bytes that it has taken since `patience` was whole.
    taken: usize,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that are still to be sent, from `sent` on.
    held: Vec<u8>,
    sent: usize,
    /// Whether the last read found something. hyper then reads again before it
    /// waits, or shuts down; otherwise it need not, and a flush must send.
    read_again: bool,
    reader: Reader,
    /// Bytes that this connection was last said to buffer.
    buffered: usize,
    closing: Closing,
}

/// The end of a connection.
enum Closing {
    /// Not yet.
    Open,
    /// The client has said that it sends no more.
    Heard,
    /// The last answer is sent: until then the client may go on sending.
    Lingering(tokio::time::Instant),
    /// The same, and the client is silent until then.
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
            reader: Reader::default(),
            buffered: 0,
            closing: Closing::Open,
        }
    }

    fn note(
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
        while self.sent < self.held.len() {
            let held = &self.held[self.sent..];
            let wrote = Pin::new(&mut self.stream).poll_write(cx, held);
            self.sent += ready!(self.note(wrote, cx))?;
        }
        self.held.clear();
        self.held.shrink_to(OWN_BYTES);
        self.sent = 0;
        self.account();
        Poll::Ready(Ok(()))
    }

    /// Says what is buffered, when that has changed.
    fn account(&mut self) {
        let counted = |bytes: usize| if bytes > OWN_BYTES { bytes } else { 0 };
        let (heads, held) = (self.reader.buffered(), self.held.capacity());
        let buffered = counted(heads) + counted(held) + self.activity.copied();
        if buffered != self.buffered {
            self.buffered = buffered;
            self.connections.buffer(&self.activity, buffered);
        }
    }

    /// Reads, and gives what hyper is to have. Nothing, when the client sends no more.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let body = self.activity.body();
        loop {
            let given = self.reader.give(buf, body);
            if given > 0 {
                return Poll::Ready(Ok(given));
            }
            if self.reader.buffered() >= OWN_BYTES && self.connections.full() {
                self.connections.shed(Instant::now());
                // Those that make room do so before this is tried again.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut read = [MaybeUninit::uninit(); READ_BYTES_MAX];
            let mut read = ReadBuf::uninit(&mut read);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                self.closing = Closing::Heard;
                if !self.reader.waits() {
                    return Poll::Ready(Ok(0));
                }
                self.reader.end();
            } else if self.reader.waits() {
                self.reader.extend(read);
                self.account();
            } else {
                let given = self.reader.pass(read, buf, body);
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
            Closing::Heard => return Poll::Ready(()),
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
        // The answer to a request that is being answered goes with the others. Blocked, it is
        // tried again when the socket can be written: this task is woken for both.
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
        self.note(wrote, cx)
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
        if matches!(self.closing, Closing::Open | Closing::Heard) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;
