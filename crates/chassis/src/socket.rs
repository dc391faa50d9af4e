//! A connection's socket.

use std::{
    io::{self, IoSlice},
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

use crate::connections::Activity;

/// How long a client may keep its answer waiting before it is cut off, unless
/// it takes [`STALL_BYTES`] meanwhile: a byte now and then is not enough.
const STALL: Duration = Duration::from_secs(30);

/// Bytes that are worth waiting for.
const STALL_BYTES: usize = 64 * 1024;

/// Bytes of a write that is held back at most: copying more costs as much as a system call.
const WRITE_BYTES_MAX: usize = 4 * 1024;

/// Bytes that are held back at most.
const HELD_BYTES_MAX: usize = 32 * 1024;

/// A socket that notes when its client does not keep up with reading, and ends
/// when it falls too far behind.
///
/// Answers to pipelined requests are sent together, in one system call: small
/// writes are held back until the reader comes back for more. hyper has an
/// option for this, `pipeline_flush`, with which it copies a whole body before
/// it sends the first byte, however slow the client is, and does not send what
/// it answers to a bad head.
pub(crate) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
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
}

impl Socket {
    pub fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            patience: STALL,
            taken: 0,
            stalled: None,
            held: Vec::new(),
            sent: 0,
            read_again: false,
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
            return stalled.as_mut().poll(cx).map(|()| cut_off());
        };
        if let Some(stalled) = self.stalled.take() {
            self.activity.write_unblocked();
            let now = tokio::time::Instant::now();
            self.patience = stalled.deadline().saturating_duration_since(now);
        }
        if self.activity.slow() {
            self.taken += wrote.as_ref().unwrap_or(&0);
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
            let wrote = Pin::new(&mut self.stream).poll_write(cx, &self.held[self.sent..]);
            self.sent += ready!(self.note(wrote, cx))?;
        }
        self.held.clear();
        self.held.shrink_to(WRITE_BYTES_MAX);
        self.sent = 0;
        Poll::Ready(Ok(()))
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
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read_again = read.is_ready();
        read
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
        if bytes <= WRITE_BYTES_MAX && self.held.len() + bytes <= HELD_BYTES_MAX {
            self.held.reserve(bytes);
            for buf in bufs {
                self.held.extend_from_slice(buf);
            }
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A socket, and its client's end.
    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let client = client.await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let activity = Arc::new(Activity::new(Instant::now()));
        (Socket::new(stream, activity), client)
    }

    /// Bytes that the client has received by now: loopback delivers at once.
    fn received(client: &std::net::TcpStream) -> usize {
        client.peek(&mut [0; 64]).unwrap_or(0)
    }

    /// Lets the socket look for more, of which there is none.
    async fn nothing_to_read(socket: &mut Socket) {
        let mut byte = [0];
        tokio::select! {
            biased;
            read = socket.read(&mut byte) => panic!("{read:?}"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn answers_are_sent_when_no_request_is_left() {
        let (mut socket, mut client) = pair().await;
        client.write_all(b"request").await.unwrap();
        socket.read_exact(&mut [0; 7]).await.unwrap();
        let client = client.into_std().unwrap();
        for _ in 0..3 {
            socket.write_all(b"answer").await.unwrap();
            socket.flush().await.unwrap();
        }
        assert_eq!(received(&client), 0);
        nothing_to_read(&mut socket).await;
        assert_eq!(received(&client), 18);
        // Nobody need read again now, so that a flush sends.
        socket.write_all(b"answer").await.unwrap();
        socket.flush().await.unwrap();
        assert_eq!(received(&client), 24);
    }

    #[tokio::test]
    async fn what_is_held_back_is_bounded_and_goes_first() {
        let (mut socket, mut client) = pair().await;
        client.write_all(b"request").await.unwrap();
        socket.read_exact(&mut [0; 7]).await.unwrap();
        let large = vec![b'x'; HELD_BYTES_MAX];
        socket.write_all(b"first").await.unwrap();
        socket.write_all(&large).await.unwrap();
        assert!(socket.held.is_empty());
        socket.write_all(b"last").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert!(all.starts_with(b"firstx") && all.ends_with(b"xlast"));
        assert_eq!(all.len(), large.len() + 9);
    }

    /// A connection with small buffers: the server's end, and the client's.
    async fn connected() -> (Socket, TcpStream) {
        let small = || {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(16 * 1024).unwrap();
            socket.set_recv_buffer_size(16 * 1024).unwrap();
            socket
        };
        let server = small();
        server.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = server.listen(1).unwrap();
        let client = small().connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        let activity = Arc::new(Activity::new(Instant::now()));
        (Socket::new(server.unwrap().0, activity), client.unwrap())
    }

    /// Whether a long answer gets through to a client that takes so many bytes every ten seconds.
    async fn answered(bytes: usize) -> io::Result<()> {
        let (mut socket, mut client) = connected().await;
        let reading = async {
            let mut taken = vec![0; bytes];
            loop {
                tokio::time::sleep(Duration::from_secs(10)).await;
                client.read_exact(&mut taken).await.unwrap();
            }
        };
        let answer = vec![0; 4 * 1024 * 1024];
        tokio::select! {
            wrote = socket.write_all(&answer) => wrote,
            () = reading => unreachable!("it reads forever"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_or_a_byte_now_and_then_is_cut_off() {
        for bytes in [0, 16 * 1024] {
            let cut_off = tokio::time::timeout(Duration::from_mins(10), answered(bytes)).await;
            let error = cut_off.expect("kept waiting").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_is_not_cut_off() {
        assert!(answered(256 * 1024).await.is_ok());
    }
}
