//! The load balancer's side towards clients: connections, their timeouts, their end.

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
use crate::alb::proxy::request::Proxy;
use crate::alb::wire::connections::{Activity, Connections, Limits, Place};
use crate::alb::wire::headers::Client;
use crate::alb::wire::socket::ClientSocket;

/// The ALB's limit for all fields of a request together.
const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;

/// For a connection without a request, once the server stops. A request that is just arriving
/// has that long to arrive.
const LAST_CALL: Duration = Duration::from_millis(200);

/// How long what a client still sends is read and dropped after its last answer. A connection that
/// is closed with bytes unread is reset, and the client would lose its answer (RFC 9112 section
/// 9.6). These are the times that nginx has.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// Clients at a time that are being told that there is no room. One more, and the first of them has
/// had its time.
const REFUSING_MAX: usize = 64;

/// Serves clients until `stop` is cancelled; then answers what has begun, for at most `deadline`.
pub async fn serve(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    limits: Limits,
    stop: CancellationToken,
    deadline: Duration,
) {
    let places = Connections::new(limits);
    let mut connections = JoinSet::new();
    let (mut refusing, mut refused) = (JoinSet::new(), VecDeque::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = places.admit() {
                        let activity = Arc::clone(&place.activity);
                        let serving = connection(stream, peer, Arc::clone(&proxy), place, stop.clone());
                        activity.runs_as(connections.spawn(serving));
                    } else {
                        refused.push_back(refusing.spawn(refuse(stream)));
                        if refused.len() > REFUSING_MAX
                            && let Some(first) = refused.pop_front()
                        {
                            first.abort();
                        }
                    }
                }
                // Out of descriptors, or a client gone before it was accepted: others may go on.
                Err(error) => {
                    if error.kind() != std::io::ErrorKind::ConnectionAborted {
                        places.make_room();
                        sleep(Duration::from_millis(10)).await;
                    }
                }
            },
            Some(_) = connections.join_next() => {}
            Some(_) = refusing.join_next() => {}
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
    place: Place,
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
    let activity = &place.activity;
    let service = service_fn(|request| {
        let (proxy, answering) = (Arc::clone(&proxy), activity.begin());
        // Boxed, because hyper keeps room for it in every connection, idle ones included.
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
        // Of an answer, too: so much of it is taken from the target before the client reads it.
        .max_buf_size(REQUEST_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            // hyper closes a connection that has had a request and waits for the next, but not a
            // fresh one.
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

/// Parts with a client that has not left, and sees to it that it learns how things ended.
async fn part(mut socket: TcpStream, ended: hyper::Result<()>, activity: &Activity) {
    match ended {
        // It has been told all, by hyper where it sent no HTTP.
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
        // An answer broke off. Its length or its last chunk is missing, or there is a reset.
        Err(_) => {
            if activity.is_cut_off() {
                let _ = socket.set_zero_linger();
            }
            return;
        }
    }
    linger(socket).await;
}

/// Reads and drops what a client still sends, until it leaves, stops, or has had its time.
async fn linger(mut socket: TcpStream) {
    let mut dropped = vec![0; 8 * 1024];
    let _ = timeout(LINGER, async {
        while let Ok(Ok(1..)) = timeout(LINGER_IDLE, socket.read(&mut dropped)).await {}
    })
    .await;
}

/// Tells a client that there is no room.
async fn refuse(mut socket: TcpStream) {
    let _ = timeout(LINGER_IDLE, async {
        if socket.write_all(answer::NO_ROOM).await.is_ok() && socket.shutdown().await.is_ok() {
            linger(socket).await;
        }
    })
    .await;
}
