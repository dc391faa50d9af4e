//! Accepts and serves clients' connections, with their timeouts, and closes them in order.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::alb::proxy::answer;
use crate::alb::proxy::forward::Proxy;
use crate::alb::wire::connections::{Activity, Admitted, Connections, Limits};
use crate::alb::wire::headers::Client;
use crate::alb::wire::socket::ClientSocket;

/// The ALB's limit for all fields of a request together.
const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a connection without a request stays open once the server stops. A request that is just
/// arriving has that long to arrive.
const LAST_CALL: Duration = Duration::from_millis(200);

/// How long the load balancer reads and drops what a client still sends after its last answer. Closing
/// a connection with unread bytes resets it, and the client could lose its answer (RFC 9112 section
/// 9.6). nginx uses the same times.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// How many clients at a time are being told that the limit of connections is reached. When one more
/// arrives, the first of them is closed.
const REFUSING_MAX: usize = 64;

/// Serves clients until `stop` is cancelled. Then finishes the requests under way, for at most
/// `deadline`.
pub async fn serve(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    limits: Limits,
    stop: CancellationToken,
    deadline: Duration,
) {
    let connections = Connections::new(limits);
    let mut serving = JoinSet::new();
    let (mut refusing, mut refused) = (JoinSet::new(), VecDeque::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(admitted) = connections.admit() {
                        let activity = Arc::clone(&admitted.activity);
                        let proxy = Arc::clone(&proxy);
                        let connection = connection(stream, peer, proxy, admitted, stop.clone());
                        activity.runs_as(serving.spawn(connection));
                    } else {
                        refused.push_back(refusing.spawn(refuse(stream)));
                        if refused.len() > REFUSING_MAX
                            && let Some(first) = refused.pop_front()
                        {
                            first.abort();
                        }
                    }
                }
                // There are no descriptors left, or the client closed before it was accepted.
                Err(error) => {
                    if error.kind() != std::io::ErrorKind::ConnectionAborted {
                        connections.make_room();
                        sleep(Duration::from_millis(10)).await;
                    }
                }
            },
            Some(_) = serving.join_next() => {}
            Some(_) = refusing.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    let _ = timeout(deadline, async {
        while serving.join_next().await.is_some() {}
    })
    .await;
}

/// Serves one client until it leaves or the server stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    proxy: Arc<Proxy>,
    admitted: Admitted,
    stop: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Otherwise small answers to pipelined requests would wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let client = Client {
        peer: peer.ip(),
        local,
    };
    let idle_timeout = proxy.timeouts.idle;
    let activity = &admitted.activity;
    let service = service_fn(|request| {
        let (proxy, answering) = (Arc::clone(&proxy), activity.begin());
        // Boxed, because hyper reserves room for it in every connection, also in idle ones.
        Box::pin(async move {
            let response = proxy.answer(request, client, answering).await;
            Ok::<_, Infallible>(response)
        })
    });
    let socket = ClientSocket::new(stream, Arc::clone(activity), idle_timeout);
    let mut connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // In hyper this timer runs on a connection without a request, too.
        .header_read_timeout(idle_timeout)
        .max_header_size(REQUEST_HEAD_BYTES_MAX)
        // The limit holds for answers, too: that much is read from the target ahead of the client.
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            // hyper closes a connection that waits for its next request, but not one that has had no
            // request yet.
            loop {
                match timeout(LAST_CALL, &mut connection).await {
                    Ok(ended) => break ended,
                    Err(_) if !activity.answering() => return,
                    Err(_) => {}
                }
            }
        }
    };
    let Some(socket) = connection.into_parts().io.into_inner().into_open() else {
        return;
    };
    // Boxed for the same reason.
    Box::pin(async {
        tokio::select! {
            () = part(socket, ended, activity) => {}
            () = async { stop.cancelled().await; sleep(LAST_CALL).await } => {}
        }
    })
    .await;
}

/// Closes the connection of a client that is still there, so that the client learns how its last
/// answer ended.
async fn part(mut socket: TcpStream, ended: hyper::Result<()>, activity: &Activity) {
    match ended {
        // It has its whole answer; hyper has answered what was not HTTP.
        Ok(()) => {}
        Err(error) if error.is_parse() => {}
        Err(error) if error.is_timeout() => {
            if activity.within_head() {
                let told = timeout(LINGER_IDLE, socket.write_all(answer::REQUEST_TIMEOUT)).await;
                if !matches!(told, Ok(Ok(()))) {
                    return;
                }
            }
            let _ = socket.shutdown().await;
        }
        // An answer broke off. The client sees that by its length or the missing last chunk;
        // otherwise the connection is reset.
        Err(_) => {
            if activity.is_cut_off() {
                let _ = socket.set_zero_linger();
            }
            return;
        }
    }
    linger(socket).await;
}

/// Reads and drops what a client still sends, until it closes, pauses for too long, or the time is up.
async fn linger(mut socket: TcpStream) {
    let mut dropped = vec![0; 8 * 1024];
    let _ = timeout(LINGER, async {
        while let Ok(Ok(1..)) = timeout(LINGER_IDLE, socket.read(&mut dropped)).await {}
    })
    .await;
}

/// Tells a client that the limit of connections is reached, once its request begins to arrive. Many
/// clients take an answer that comes before the request for a broken connection.
async fn refuse(mut socket: TcpStream) {
    let _ = timeout(LINGER_IDLE, async {
        if socket.peek(&mut [0]).await.is_ok()
            && socket.write_all(answer::NO_ROOM).await.is_ok()
            && socket.shutdown().await.is_ok()
        {
            linger(socket).await;
        }
    })
    .await;
}
