//! The load balancer's side towards clients: connections, their timeouts, their end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::headers::Client;
use crate::proxy::Proxy;

/// The ALB's limit for all fields of a request together.
const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;

/// For a connection without a request, once the server stops. A request that is just arriving
/// has that long to arrive.
const LAST_CALL: Duration = Duration::from_millis(200);

/// Serves clients until `stop` is cancelled; then answers what has begun, for at most `deadline`.
pub async fn serve(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    stop: CancellationToken,
    deadline: Duration,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, Arc::clone(&proxy), stop.clone()));
                }
                // Out of descriptors, or a client gone before it was accepted: others may go on.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    let _ = timeout(deadline, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// Serves one client until it leaves or the server stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    proxy: Arc<Proxy>,
    stop: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Without it, small answers to pipelined requests wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let client = Client {
        peer: peer.ip(),
        local,
    };
    let idle_timeout = proxy.timeouts.idle;
    let answering = Arc::new(AtomicUsize::new(0));
    let service = service_fn(|request| {
        let (proxy, answering) = (Arc::clone(&proxy), Answering::new(&answering));
        // Boxed, because hyper keeps room for it in every connection, idle ones included.
        Box::pin(async move {
            let mut response = proxy.answer(request, client).await;
            response.body_mut().keeps(answering);
            Ok::<_, std::convert::Infallible>(response)
        })
    });
    let mut connection = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // In hyper this timer runs on a connection without a request, too.
            .header_read_timeout(idle_timeout)
            .max_header_size(REQUEST_HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Stream::new(stream, idle_timeout)), service)
    );
    tokio::select! {
        // A client's protocol error is its own business, and it has been told.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // hyper closes a connection that has had a request and waits for the next, but not a fresh one.
    while timeout(LAST_CALL, connection.as_mut()).await.is_err() {
        if answering.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

/// One request whose answer is not wholly handed over.
pub struct Answering(Arc<AtomicUsize>);

impl Answering {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client's connection on which a write may wait for the idle timeout, no longer: a client that
/// does not read is a client that left.
struct Stream {
    tcp: TcpStream,
    idle_timeout: Duration,
    idle: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    fn new(tcp: TcpStream, idle_timeout: Duration) -> Self {
        Self {
            tcp,
            idle_timeout,
            idle: None,
        }
    }

    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.idle = None;
            return written;
        }
        let idle_timeout = self.idle_timeout;
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(sleep(idle_timeout)));
        idle.as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.timed(cx, written)
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
